"""Every command there is: rehearsed it writes nothing, twice it does it once, wrongly used it says so.

A new command fails the first test until it stands in ``CASES``, and the made table of docs/operations.md until it says
what it writes.
"""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command, get_commands
from django.db import connection

from engine.services import inquiries
from paymentplatform.console.docs.commands import APPS, list_commands
from paymentplatform.console.dossier import build_dossier, sign_dossier
from paymentplatform.kernel import numbers
from tests.acquiring.outbox import DELIVERED, end_deliveries
from tests.acquiring.settling import LONG, make_seller
from tests.acquiring.test_certify_merchant import proper, receiving
from tests.clock import VirtualClock
from tests.console import trades
from tests.console.proposals import operator, proposed
from tests.console.test_commands import TestReplayCallback
from tests.console.test_reconcile_bank import camt
from tests.engine.scripted import ScriptedChannel, charged
from tests.engine.statement_days import DAYS
from tests.environment import ROOT
from tests.makers import make_merchant, make_payer
from tests.statements import Line, write_statement
from tests.trading import rows

COMMANDS = dict(list_commands())
NOBODY = numbers.new_number(numbers.MERCHANT)
NOTED_AGAIN = {
    *("query_payment", "replay_callback", "prove", "reconcile_channel", "seed_demo"),
    *("import_business_days", "settle_merchants", "resend_notifications"),
}
"""What notes each run, or writes the same once more, beside what it has done once."""

ONCE = re.compile(
    r"ledger_|engine_(?!statement$|channel_callback)|acquiring_(trade_order|settlement_item|settlement_batch|payout|merchant|credential)"
    r"|console_proposal"
)
"""Tables in which a second run writes nothing, whatever is noted elsewhere."""


@dataclass
class World:
    """What a case may use to make what its command works on."""

    clock: VirtualClock
    folder: Path
    patch: pytest.MonkeyPatch
    owner: Any
    request: pytest.FixtureRequest

    def file(self, name: str, text: str) -> str:
        """A file with this text; its path."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def day(self) -> Any:
        """A business day that nobody else uses."""
        now = self.clock.advance(86_400 * next(DAYS)).astimezone(ZoneInfo("Asia/Shanghai"))
        self.clock.advance((12 - now.hour) * 3_600)
        return now.date()


Words = list[str]


@dataclass(frozen=True)
class Case:
    """``prepare`` makes work and returns the arguments; ``wrong`` ends with 2, ``fails`` with 1."""

    prepare: Callable[[World], Words]
    wrong: Words = field(default_factory=lambda: ["--no-such-option"])
    fails: Words | None = None
    again: int = 0


def _query(world: World) -> Words:
    channel = ScriptedChannel("sandbox")
    channel.query_answers = [charged(trades.AMOUNT, trade_no=numbers.new_number("trd"))]
    world.patch.setattr(inquiries, "get_channel", lambda _code: channel)
    return [trades.paying().payment]


def _replay(_world: World) -> Words:
    return [str(TestReplayCallback().stored(trades.paying()).pk)]


def _statement(world: World) -> Words:
    day, trade = world.day(), trades.paid_by_channel()
    lines = [Line(trade.trade_no, trade.attempt, trades.AMOUNT), Line(NOBODY, "", 5)]
    path = write_statement(world.folder, day, lines)
    return ["--channel=sandbox", f"--date={day}", f"--file={path}"]


def _bank(world: World) -> Words:
    day = world.day() + timedelta(days=0)
    return [f"--date={day}", f"--file={world.file('bank.xml', camt(day))}"]


def _balances(world: World) -> Words:
    payer = f"L10:{make_payer()}:CNY"
    world.owner.execute(
        "UPDATE ledger_payer_balance SET balance = balance + 7"
        " WHERE account_id = (SELECT id FROM ledger_account WHERE code = %s)",
        [payer],
    )
    return ["--account", payer]


def _account(_world: World) -> Words:
    return [f"L10:{make_payer()}:CNY", "--from=2026-01-01", "--to=2099-01-01"]


def _proposals(world: World) -> Words:
    proposed(payer=make_payer(balance=0))
    world.clock.advance(7 * 86_400 + 1)
    return []


def _dossier(world: World) -> Words:
    signed = sign_dossier(build_dossier(number=trades.paid_by_balance().order))
    return [world.file("dossier.json", json.dumps(signed))]


def _docs(world: World) -> Words:
    for page in (ROOT / "docs").glob("*.md"):
        shutil.copy(page, world.folder)
    (world.folder / "roles.md").write_text("<!-- made:roles --><!-- /made:roles -->", "utf-8")
    return [f"--folder={world.folder}"]


def _top_up(_world: World) -> Words:
    options = [f"--operator={operator()}", f"--reference={numbers.new_number('ref')}"]
    return [make_payer(balance=0), "--amount=500", "--reason=bank transfer", *options]


def _funding(_world: World) -> Words:
    options = [f"--operator={operator()}", f"--reference={numbers.new_number('ref')}"]
    return ["--amount=500", "--reason=capital", *options]


def _seed(world: World) -> Words:
    out = io.StringIO()
    call_command("seed_demo", "--json", stdout=out)
    document = json.loads(out.getvalue()) | {"admin_password": ""}
    return [f"--previous={world.file('demo.json', json.dumps(document))}"]


def _receiver(world: World) -> Words:
    shop = make_merchant()
    receiver = receiving(proper(shop["webhook_secret"]))
    url = receiver.__enter__()
    world.request.addfinalizer(lambda: receiver.__exit__(None, None, None))
    return ["--merchant", shop["merchant_no"], "--url", url]


def _orders(world: World) -> Words:
    trades.placed(expires_in=60)
    world.clock.advance(61)
    return []


def _sold(world: World) -> Words:
    seller = make_seller()
    seller.sell()
    world.clock.advance(LONG)
    seller.wait_until_collectable()
    return ["--merchant", seller.number]


def _event(_world: World) -> Words:
    trade = trades.paid_by_balance(notify_url="https://shop.example.com/")
    end_deliveries(trade.merchant["merchant_no"], DELIVERED)
    (event,) = rows(
        "SELECT event_id FROM acquiring_merchant_event WHERE object_no = %s", trade.order
    )
    return ["--event", event["event_id"]]


def _nothing(_world: World) -> Words:
    return []


CASES = {
    "account_statement": Case(_account, wrong=["nonsense", "--from=2026-01-01", "--to=2026-01-02"]),
    "certify_merchant": Case(_receiver, wrong=["--merchant", NOBODY, "--url=https://x.example/"]),
    "create_merchant": Case(
        lambda _w: ["--name=Tea", f"--reference={numbers.new_number('ref')}"], wrong=["--name= "]
    ),
    "expire_orders": Case(_orders),
    "expire_proposals": Case(_proposals),
    "explain_route": Case(
        lambda _w: [
            *("--merchant", make_merchant()["merchant_no"], "--method=QR_CODE"),
            *("--currency=CNY", "--amount=100"),
        ],
        wrong=[],
        fails=[numbers.new_number(numbers.ORDER)],
    ),
    "fund_platform": Case(
        _funding,
        wrong=["--operator=x"],
        fails=["--approve", numbers.new_number(numbers.PROPOSAL), "--operator=x"],
    ),
    "import_business_days": Case(
        lambda w: [w.file("days.csv", "2099-10-01,closed,National Day\n")], wrong=["/no/such/file"]
    ),
    "import_statement": Case(
        _statement,
        wrong=["--channel=sandbox", "--date=yesterday"],
        fails=["--channel=nobody", "--date=2026-01-01", "--file=/dev/null"],
    ),
    "payer_statement": Case(
        lambda _w: ["--payer", make_payer()],
        wrong=["--payer=x", "--csv"],
        fails=["--payer", numbers.new_number(numbers.PAYER)],
    ),
    "prove": Case(_nothing),
    "query_payment": Case(_query, wrong=["nonsense"], fails=[numbers.new_number(numbers.PAYMENT)]),
    "rebuild_balances": Case(_balances, wrong=["--account=nonsense"]),
    "reconcile_bank": Case(_bank, wrong=["--date=yesterday"], fails=["--date=2001-01-01"]),
    "reconcile_channel": Case(
        _statement,
        wrong=["--channel=sandbox", "--date=2026-01-01", "--file=x", "--fetch"],
        fails=["--channel=nobody", "--date=2026-01-01"],
    ),
    "reconcile_orders": Case(
        lambda _w: ["--order", trades.paid_by_balance().order],
        wrong=["--order=nonsense"],
        fails=["--order", numbers.new_number(numbers.ORDER)],
    ),
    "rehearse_rules": Case(lambda _w: ["--export"], wrong=[]),
    "replay_callback": Case(_replay, wrong=["x"], fails=["0"]),
    "resend_notifications": Case(_event, wrong=[], fails=["--event=evt_x"]),
    "rotate_credential": Case(
        lambda _w: [
            *("--merchant", make_merchant()["merchant_no"], "--algorithm=bearer"),
            f"--reference={numbers.new_number('ref')}",
        ],
        wrong=["--merchant=x", "--algorithm=rot13"],
        fails=["--merchant", NOBODY, "--algorithm=bearer"],
    ),
    "rotate_webhook_secret": Case(
        lambda _w: ["--merchant", make_merchant()["merchant_no"]],
        fails=["--merchant", NOBODY],
        again=1,
    ),
    "seed_demo": Case(_seed, wrong=["--previous=/no/such/file"]),
    "settle_merchants": Case(_sold, wrong=["--date=2199-01-01"], fails=["--merchant", NOBODY]),
    "top_up_payer": Case(
        _top_up,
        wrong=["--operator=x"],
        fails=["--approve", numbers.new_number(numbers.PROPOSAL), "--operator=x"],
    ),
    "trial_balance": Case(_nothing, wrong=["--date=2026-01-01", "--from=2026-01-02"]),
    "verify_dossier": Case(_dossier, wrong=["/no/such/file"], fails=["/dev/null"]),
    "verify_ledger": Case(_nothing, fails=["--anchor", "0" * 64]),
    "write_docs": Case(_docs, wrong=["--folder=/nonexistent"]),
}


@pytest.fixture
def world(
    clock: VirtualClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner_connection: Any,
    request: pytest.FixtureRequest,
) -> World:
    return World(clock, tmp_path, monkeypatch, owner_connection, request)


def run(name: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the document; what the parser refuses ends with 2, as on the command line."""
    out = io.StringIO()
    try:
        call_command(name, *arguments, "--json", stdout=out)
    except CommandError:
        return 2, {}
    except SystemExit as end:
        return int(end.code or 0), json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


def everything(folder: Path) -> dict[str, Any]:
    """What each table and each file was last written with: any insert, update or delete shows."""
    tables = [
        row["name"]
        for row in rows(
            "SELECT relname AS name FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace = 'public'::regnamespace ORDER BY 1"
        )
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT '{name}', count(*), max(xmin::text::bigint) FROM {name}" for name in tables
            )
        )
        kept: dict[str, Any] = {name: facts for name, *facts in cursor.fetchall()}
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    return kept | files


def once(kept: dict[str, Any]) -> dict[str, Any]:
    """What of it no second run may touch."""
    return {name: facts for name, facts in kept.items() if ONCE.match(name)}


def test_every_command_has_a_case_and_says_what_it_does():
    ours = {name for name, app in get_commands().items() if app in APPS}
    assert set(COMMANDS) == ours - {"migrate"} == set(CASES)
    for name, command in COMMANDS.items():
        assert all(isinstance(text, str) for text in (command.writes, command.again)), name
        assert all((command.help, command.again, command.ends_1)), name


@pytest.mark.parametrize("name", sorted(CASES))
def test_rehearsed_it_writes_nothing_and_twice_it_does_it_once(name: str, world: World):
    case = CASES[name]
    arguments = case.prepare(world)
    before = everything(world.folder)
    rehearsed, told = run(name, *arguments, "--dry-run")
    assert rehearsed in (0, 1)
    assert "error" not in told
    assert everything(world.folder) == before
    code, _document = run(name, *arguments)
    done = everything(world.folder)
    assert code == rehearsed
    assert (done != before) == bool(COMMANDS[name].writes)
    again, _document = run(name, *arguments)
    assert again == (case.again or code)
    after = everything(world.folder)
    if name in NOTED_AGAIN:
        done, after = once(done), once(after)
    assert after == done


@pytest.mark.parametrize("name", sorted(CASES))
def test_wrongly_used_it_changes_nothing_and_ends_with_2(name: str, tmp_path: Path):
    before = everything(tmp_path)
    assert run(name, *CASES[name].wrong)[0] == 2
    assert everything(tmp_path) == before


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_an_option_that_is_none_is_one_document_too(name: str, capsys: pytest.CaptureFixture[str]):
    command = type(COMMANDS[name])()  # writes to the standard output of now
    for arguments, document in ((["--json", "--none"], True), (["--none"], False)):
        with pytest.raises(SystemExit) as end:
            command.run_from_argv(["manage.py", name, *arguments])
        told = capsys.readouterr()
        assert end.value.code == 2
        assert "usage:" in told.err
        said = json.loads(told.out)["error"]["code"] if document else told.out
        assert said == ("invalid_request" if document else "")


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.fails])
def test_where_it_cannot_do_it_it_changes_nothing_and_ends_with_1(name: str, tmp_path: Path):
    before = everything(tmp_path)
    assert run(name, *(CASES[name].fails or []))[0] == 1
    assert everything(tmp_path) == before


def test_a_rehearsed_migration_is_a_plan():
    out = io.StringIO()
    call_command("migrate", "--dry-run", stdout=out)
    assert "Planned operations" in out.getvalue()
