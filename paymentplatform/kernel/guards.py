"""Database guards made from declarations: what code must not do, PostgreSQL refuses as well.

The triggers are plpgsql ``BEFORE UPDATE OF <columns>`` without a WHEN clause, the cheapest measured form
(about 7 % of a payment). Errors carry SQLSTATE ``PC900`` so that a broken rule is never taken for a conflict.
"""

from __future__ import annotations

from typing import Final

import pgtrigger

from paymentplatform.kernel.statemachine import Machine

LEAST_RECORD_DAYS: Final = 30
"""No clean-up can forget what is younger."""


def guard_machine(machine: Machine) -> list[pgtrigger.Trigger]:
    """Build the triggers of a machine: first state at insert, legal moves, frozen identity, no delete."""
    pairs = " OR ".join(
        f"(OLD.{machine.column} = '{source}' AND NEW.{machine.column} = '{target}')"
        for source, target in machine.moves
    )
    illegal = f"illegal move of {machine.name}: % -> %"
    triggers = [
        pgtrigger.Trigger(
            name="first_state",
            when=pgtrigger.Before,
            operation=pgtrigger.Insert,
            condition=pgtrigger.Condition(f"NEW.{machine.column} <> '{machine.initial}'"),
            func=f"RAISE EXCEPTION '{machine.name} must be inserted as {machine.initial}' USING ERRCODE = 'PC900';",
        ),
        pgtrigger.Trigger(
            name="legal_move",
            when=pgtrigger.Before,
            operation=pgtrigger.UpdateOf(machine.column),  # type: ignore[no-untyped-call]
            func=(
                f"IF NEW.{machine.column} = OLD.{machine.column} OR {pairs} THEN RETURN NEW; END IF; "
                f"RAISE EXCEPTION '{illegal}', OLD.{machine.column}, NEW.{machine.column} USING ERRCODE = 'PC900';"
            ),
        ),
        forbid_delete(),
    ]
    if machine.frozen:
        triggers.append(freeze_columns(*machine.frozen))
    return triggers


def freeze_columns(*columns: str) -> pgtrigger.Trigger:
    """Refuse every change of these columns after the insert."""
    changed = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in columns)
    return pgtrigger.Trigger(
        name="frozen_identity",
        when=pgtrigger.Before,
        operation=pgtrigger.UpdateOf(*columns),  # type: ignore[no-untyped-call]
        func=(
            f"IF {changed} THEN RAISE EXCEPTION 'identity columns of % never change', TG_TABLE_NAME "
            "USING ERRCODE = 'PC900'; END IF; RETURN NEW;"
        ),
    )


def hold_rules(**rules: str) -> pgtrigger.Trigger:
    """Refuse rows that break a rule, given as SQL over ``NEW.column`` under its name; null passes, as in a CHECK.

    For the tables that every payment writes. PostgreSQL reads the text of every CHECK anew in each statement, which
    took a third of a payment; a trigger's is read once (docs/decisions/0016). The error is the one of a CHECK.
    """
    together = " AND ".join(f"({rule})" for rule in rules.values())
    which = " ".join(f"WHEN ({rule}) IS FALSE THEN '{name}'" for name, rule in rules.items())
    return pgtrigger.Trigger(
        name="rules",
        when=pgtrigger.Before,
        operation=pgtrigger.Insert | pgtrigger.Update,
        declare=[("broken", "text")],
        func=(
            f"IF ({together}) IS NOT FALSE THEN RETURN NEW; END IF; broken := CASE {which} END; "
            "RAISE EXCEPTION 'a row of % breaks the rule %', TG_TABLE_NAME, broken "
            "USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = broken;"
        ),
    )


def set_once(*columns: str) -> pgtrigger.Trigger:
    """Let these columns be filled in, and never be changed or emptied afterwards."""
    changed = " OR ".join(
        f"(OLD.{column} IS NOT NULL AND NEW.{column} IS DISTINCT FROM OLD.{column})"
        for column in columns
    )
    return pgtrigger.Trigger(
        name="set_once",
        when=pgtrigger.Before,
        operation=pgtrigger.UpdateOf(*columns),  # type: ignore[no-untyped-call]
        func=(
            f"IF {changed} THEN RAISE EXCEPTION 'what % has once said stands', TG_TABLE_NAME "
            "USING ERRCODE = 'PC900'; END IF; RETURN NEW;"
        ),
    )


def never_decrease(*columns: str) -> pgtrigger.Trigger:
    """Let these counters only grow."""
    fallen = " OR ".join(f"NEW.{column} < OLD.{column}" for column in columns)
    return pgtrigger.Trigger(
        name="never_decrease",
        when=pgtrigger.Before,
        operation=pgtrigger.UpdateOf(*columns),  # type: ignore[no-untyped-call]
        func=(
            f"IF {fallen} THEN RAISE EXCEPTION 'a counter of % only grows', TG_TABLE_NAME "
            "USING ERRCODE = 'PC900'; END IF; RETURN NEW;"
        ),
    )


def keep_until(column: str) -> pgtrigger.Trigger:
    """Refuse DELETE before the time that stands in this column has passed."""
    return pgtrigger.Trigger(
        name="keep_until",
        when=pgtrigger.Before,
        operation=pgtrigger.Delete,
        func=(
            f"IF OLD.{column} > now() THEN RAISE EXCEPTION 'rows of % stay until their time', TG_TABLE_NAME "
            "USING ERRCODE = 'PC900'; END IF; RETURN OLD;"
        ),
    )


def forbid_delete() -> pgtrigger.Trigger:
    """Refuse DELETE, also by the owner of the table."""
    return pgtrigger.Trigger(
        name="no_delete",
        when=pgtrigger.Before,
        operation=pgtrigger.Delete,
        func="RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME USING ERRCODE = 'PC900';",
    )


def guard_append_only() -> list[pgtrigger.Trigger]:
    """Refuse UPDATE and DELETE: rows of this table are only ever added."""
    return [forbid_delete(), _never_change()]


def guard_records(column: str) -> list[pgtrigger.Trigger]:
    """Refuse UPDATE, and DELETE of rows that by this column are younger than LEAST_RECORD_DAYS.

    For records that explain and are no money: the clean-up may forget them, nobody can make the latest disappear.
    """
    return [
        pgtrigger.Trigger(
            name="keep_lately",
            when=pgtrigger.Before,
            operation=pgtrigger.Delete,
            func=(
                f"IF OLD.{column} > platform_now() - interval '{LEAST_RECORD_DAYS} days' THEN RAISE EXCEPTION "
                f"'rows of % stay for {LEAST_RECORD_DAYS} days', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; "
                "RETURN OLD;"
            ),
        ),
        _never_change(),
    ]


def _never_change() -> pgtrigger.Trigger:
    return pgtrigger.Trigger(
        name="append_only",
        when=pgtrigger.Before,
        operation=pgtrigger.Update,
        func="RAISE EXCEPTION 'rows of % never change', TG_TABLE_NAME USING ERRCODE = 'PC900';",
    )
