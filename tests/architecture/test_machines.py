"""Each machine is declared once; model, SQL, database guard and drawing must agree with it on every pair."""

from __future__ import annotations

import itertools

import pytest

from paymentplatform.kernel.statemachine import Machine
from tests.architecture import sqlmoves
from tests.architecture.sources import APPS, machines, machines_with_models, model_of
from tests.architecture.sqlmoves import recorded_moves, status_updates
from tests.environment import ROOT

every_machine = pytest.mark.parametrize("machine", machines(), ids=lambda machine: machine.name)
every_guarded_machine = pytest.mark.parametrize(
    "machine", machines_with_models(), ids=lambda machine: machine.name
)


@every_machine
class TestDeclaration:
    def test_every_state_is_reachable_and_the_first_is_never_terminal(self, machine: Machine):
        reached = {machine.initial}
        for _ in machine.states:
            reached |= {target for source, target in machine.moves if source in reached}
        assert reached == set(machine.states)
        assert machine.initial not in machine.terminal
        assert machine.terminal
        assert len(set(machine.moves)) == len(machine.moves)

    def test_sources_and_moves_say_the_same(self, machine: Machine):
        for source, target in itertools.product(machine.states, repeat=2):
            assert (source in machine.sources(target)) == machine.allows(source, target)

    def test_architecture_page_shows_its_diagram(self, machine: Machine):
        page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
        assert machine.diagram() in page


@pytest.mark.parametrize("table", ["acquiring_trade_order", "engine_payment_order"])
def test_the_two_machines_of_the_mission_are_guarded(table: str):
    assert table in {machine.table for machine in machines_with_models()}


def test_the_states_of_the_mission_are_exactly_these():
    by_table = {machine.table: machine for machine in machines()}
    order, payment = by_table["acquiring_trade_order"], by_table["engine_payment_order"]
    assert set(order.states) == {"INIT", "PAYING", "SUCCESS", "FAILED", "CLOSED"}
    assert order.terminal == {"SUCCESS", "FAILED", "CLOSED"}
    assert set(payment.states) == {"INIT", "PAYING", "PAID", "FAILED"}
    assert payment.terminal == {"PAID", "FAILED"}


@every_guarded_machine
class TestModel:
    def test_transitions_of_the_model_are_exactly_the_moves(self, machine: Machine):
        model = model_of(machine)
        field = model._meta.get_field(machine.column)
        moves = {
            (transition.source, transition.target)
            for transition in field.get_all_transitions(model)
        }
        assert moves == set(machine.moves)

    def test_status_cannot_be_assigned(self, machine: Machine):
        row = model_of(machine)()
        with pytest.raises(AttributeError):
            setattr(row, machine.column, machine.states[-1])

    def test_choices_are_the_states(self, machine: Machine):
        field = model_of(machine)._meta.get_field(machine.column)
        assert [value for value, _ in field.choices] == list(machine.states)
        assert field.default == machine.initial
        assert model_of(machine)._meta.pk.column == machine.key


@every_guarded_machine
def test_conditional_updates_accept_only_declared_moves(machine: Machine):
    """Each names its target and the states it leaves, and every such pair is in the table."""
    for update in status_updates(machine):
        assert update.sources, f"{update.place}: {set(update.targets)} without saying from where"
        pairs = set(itertools.product(update.sources, update.targets))
        assert pairs <= set(machine.moves), f"{update.place}: {pairs - set(machine.moves)}"


def test_sql_records_only_declared_moves():
    by_name = {machine.name: machine for machine in machines()}
    for place, name, source, target in recorded_moves():
        machine = by_name[name]
        assert machine.allows(source, target) or (source, target) == ("", machine.initial), place


class TestReaderOfSql:
    """The two tests above can only be trusted as far as their reader."""

    MACHINE = Machine(
        "lamp", "house_lamp", "no", "OFF", (("OFF", "ON"), ("ON", "OFF"), ("ON", "BROKEN"))
    )

    @pytest.mark.parametrize(
        ("text", "targets", "sources"),
        [
            (
                "UPDATE house_lamp SET status = 'ON' WHERE no = 'x' AND status = 'OFF';",
                {"ON"},
                {"OFF"},
            ),
            (
                "update house_lamp set a = f('(', 1), status='ON' where status IN ('OFF', 'ON')",
                {"ON"},
                {"OFF", "ON"},
            ),
            (
                "UPDATE house_lamp SET status = 'ON' WHERE status = ANY('{}') RETURNING 'OFF'",
                {"ON"},
                set(),
            ),
            ("UPDATE house_lamp SET status = 'ON'; SELECT 1 WHERE status = 'OFF'", {"ON"}, set()),
            (
                """UPDATE house_lamp l SET status = n.s FROM (
                    SELECT CASE WHEN a THEN 'ON' ELSE 'OFF' END AS s FROM house_lamp WHERE status = 'BROKEN'
                ) n WHERE l.status = 'ON'""",
                {"ON", "OFF"},
                {"ON"},
            ),
            (
                """WITH due AS (SELECT no FROM house_lamp WHERE status = 'ON'
                    ORDER BY no FOR UPDATE SKIP LOCKED)
                UPDATE house_lamp l SET status = 'OFF' FROM due WHERE l.no = due.no;""",
                {"OFF"},
                {"ON"},
            ),
        ],
    )
    def test_sees_what_is_written(
        self, monkeypatch, text: str, targets: set[str], sources: set[str]
    ):
        monkeypatch.setattr(sqlmoves, "sql_texts", lambda: iter([("x.sql", text)]))
        (update,) = status_updates(self.MACHINE)
        assert (update.targets, update.sources) == (targets, sources)

    def test_leaves_other_updates_alone(self, monkeypatch):
        text = "UPDATE house_lamp SET seen = 1 WHERE status = 'ON'; UPDATE house_lamp_shade SET status = 'ON'"
        monkeypatch.setattr(sqlmoves, "sql_texts", lambda: iter([("x.sql", text)]))
        assert list(status_updates(self.MACHINE)) == []


def test_apps_with_machines_are_the_floors():
    assert {machine.table.partition("_")[0] for machine in machines()} <= {"console", *APPS}
