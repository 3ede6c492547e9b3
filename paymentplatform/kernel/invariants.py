"""What must be true of stored money, as queries that return the rows which break it. Pure: texts and frozen data.

Each app keeps its promises in ``<app>/invariants.py``; ``manage.py prove`` asks all of them in one snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from paymentplatform.kernel.statemachine import Machine

IN_FLIGHT_S: Final = 60
"""Rows younger than this may still be on their way through several transactions."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """A promise as a query without parameters: (subject, problem) of each row that breaks it, none when it holds.

    ``always`` says that it holds in any snapshot. The others are quiet ones: their query returns a third column,
    since when the row has been so (null: that does not excuse it). One younger than IN_FLIGHT_S is shown and
    is no violation.
    """

    number: int
    title: str
    sql: str
    always: bool = True


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that breaks an invariant, or may seem to while it is ``in_flight``."""

    invariant: int
    title: str
    subject: str
    problem: str
    in_flight: bool = False


def build_history_query(machines: Iterable[Machine], *, history: str) -> str:
    """Build the query over a table of event rows: legal moves only, each from where the last one led.

    ``history`` is the app's transition table. A row nobody has moved needs no event row; one that says how it
    was made (from nothing to the first state) may stand first.
    """
    return "\nUNION ALL\n".join(_history_of(machine, history) for machine in machines)


def _history_of(machine: Machine, history: str) -> str:
    legal = ", ".join(f"('{source}', '{target}')" for source, target in machine.moves)
    terminal = ", ".join(f"'{state}'" for state in sorted(machine.terminal))
    return f"""
SELECT s.object_no AS subject,
       CASE WHEN s.from_status IN ({terminal}) THEN 'left ' || s.from_status || ' for ' || s.to_status
            WHEN s.from_status <> s.led_to THEN 'moved from ' || s.from_status || ' while it was ' || s.led_to
            ELSE 'made the move ' || s.from_status || ' to ' || s.to_status END AS problem
  FROM (SELECT t.object_no, t.from_status, t.to_status,
               COALESCE(lag(t.to_status) OVER (PARTITION BY t.object_no ORDER BY t.id),
                        CASE t.from_status WHEN '' THEN '' ELSE '{machine.initial}' END) AS led_to
          FROM {history} AS t WHERE t.machine = '{machine.name}') AS s
 WHERE s.from_status <> s.led_to
    OR (s.from_status, s.to_status) NOT IN (('', '{machine.initial}'), {legal})
UNION ALL
SELECT r.{machine.key}, 'is ' || r.{machine.column} || ', its last event says ' || COALESCE(l.to_status, 'nothing')
  FROM {machine.table} AS r
  LEFT JOIN LATERAL (SELECT t.to_status FROM {history} AS t
                      WHERE t.object_no = r.{machine.key} AND t.machine = '{machine.name}'
                      ORDER BY t.id DESC LIMIT 1) AS l ON true
 WHERE COALESCE(l.to_status, '{machine.initial}') <> r.{machine.column}"""  # noqa: S608 - names of ours
