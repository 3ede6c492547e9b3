"""The reference: pgbench replays the very statements that the hot path sent, on the same cluster."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bench.seed import PAYERS, Shop, order_number, token_of
from deploy.local.errors import LauncherError
from deploy.local.postgres import programs_folder

CLIENTS: Final = 8
_PARAMETER: Final = re.compile(r"\$([0-9]+)")
_NUMBER: Final = re.compile(r"[a-z]{3}_[0-9a-z]{22}\Z")
_ONE_ELEMENT: Final = re.compile(r'\{("[^"\\{}]*"|NULL|[0-9]+)\}\Z')
"""An array of one: a payment that pays alone."""
_MADE_EACH_TIME: Final = frozenset({"ord", "pay", "pdt", "jnl", "evt", "dlv"})


@dataclass(frozen=True)
class Sent:
    """One statement as it went to the server, with its parameters."""

    name: str
    sql: str
    parameters: tuple[str | bytes | int | None, ...]


@dataclass
class Script:
    """A pgbench script with the values that stay the same."""

    text: str
    constants: dict[str, str] = field(default_factory=dict)


@contextmanager
def capturing() -> Iterator[list[Sent]]:
    """Note every hot statement that this process sends inside the block."""
    from paymentplatform.kernel.hotsql import HotStatement

    sent: list[Sent] = []
    execute: Any = HotStatement.execute

    def note(
        statement: HotStatement, parameters: Sequence[str | bytes | int | None], **options: Any
    ) -> Any:
        sent.append(Sent(statement.name, statement.sql, tuple(parameters)))
        return execute(statement, parameters, **options)

    setattr(HotStatement, "execute", note)  # noqa: B010 - a frozen class
    try:
        yield sent
    finally:
        setattr(HotStatement, "execute", execute)  # noqa: B010


def capture_path(shop: Shop, calls: Sequence[tuple[str, str, dict[str, Any] | None]]) -> list[Sent]:
    """Make the calls (method, path, body) to the API in this process; return what they sent, the second time."""
    from django.test import Client

    client = Client(headers={"Authorization": f"Bearer {shop.secret_key}"})
    with capturing() as sent:
        for method, path, body in calls:
            content = {} if body is None else {"data": json.dumps(body)}
            answer = client.generic(
                method, f"/api/v1/{path}", content_type="application/json", **content
            )
            if not 200 <= answer.status_code < 300:
                message = f"{method} {path}: {answer.status_code} {answer.content!r}"
                raise LauncherError(message)
    return sent


def write_script(sent: Sequence[Sent], *, payer: int) -> Script:
    """Turn captured statements into a script in which every number and payer is another each time."""
    from checkout.services.wallets import hash_token

    hashed = hash_token(token_of(payer))
    by_payer = {
        hashed: "encode(sha256(convert_to('pt_bench_' || lpad(:p::text, 6, '0'), 'UTF8')), 'hex')",
        f"pyr_{payer:022d}": "('pyr_' || lpad(:p::text, 22, '0'))",
        f"agr_{payer:022d}": "('agr_' || lpad(:p::text, 22, '0'))",
    }
    script = Script(
        f"\\set i :i + 1\n\\set n :first + :client_id * :stride + :i\n\\set p :n % {PAYERS}\n"
    )

    def expression(value: str | bytes | int | None) -> str:
        if value is None:
            return "NULL"
        text = value.decode() if isinstance(value, bytes) else str(value)
        if text in by_payer:
            return by_payer[text]
        if _NUMBER.match(text) and text[:3] in _MADE_EACH_TIME:
            # Journals of payments must not meet those of the seeded top-ups.
            start = "jnl_9" if text[:3] == "jnl" else text[:4]
            return f"('{start}' || lpad(:n::text, {26 - len(start)}, '0'))"
        if text.startswith("S-"):
            return "('S-' || :n::text)"
        if not text:
            return "''"
        if (element := _ONE_ELEMENT.match(text)) is not None:
            inside = element[1].removeprefix('"').removesuffix('"')
            return f"ARRAY[{expression(None if element[1] == 'NULL' else inside)}]"
        name = f"c{len(script.constants)}"
        script.constants[name] = text
        return f":{name}"

    for statement in sent:
        values = [expression(value) for value in statement.parameters]
        script.text += _replayed(statement.sql, lambda at, values=values: values[at]) + ";\n"
    return script


def _replayed(sql: str, value_at: Callable[[int], str]) -> str:
    return _PARAMETER.sub(lambda found: value_at(int(found[1]) - 1), sql.strip())


@dataclass(frozen=True)
class Pgbench:
    """Runs scripts against one database."""

    database_url: str
    folder: Path

    def run(self, script: Script, *, seconds: float, first: int, count: int) -> tuple[int, float]:
        """Replay a script by CLIENTS for so long, with numbers from ``first``; return (transactions, per second)."""
        address = urlsplit(self.database_url)
        path = self.folder / "reference.sql"
        path.write_text(script.text, encoding="utf-8")
        values = {"i": "-1", "first": str(first), "stride": str(count // CLIENTS)}
        command = [str(programs_folder() / "pgbench"), "-n", "-M", "prepared", "-j", "1"]
        command += ["-c", str(CLIENTS), "-T", str(max(1, round(seconds))), "-f", str(path)]
        for name, value in (values | script.constants).items():
            command += ["-D", f"{name}={value}"]
        command += [
            "-h",
            str(address.hostname),
            "-p",
            str(address.port),
            "-U",
            str(address.username),
        ]
        done = subprocess.run(
            [*command, address.path.lstrip("/")],
            env=dict(os.environ) | {"PGPASSWORD": str(address.password)},
            capture_output=True,
            text=True,
            check=False,
        )
        counted = re.search(r"actually processed: ([0-9]+)", done.stdout)
        speed = re.search(r"tps = ([0-9.]+)", done.stdout)
        if done.returncode != 0 or counted is None or speed is None:
            message = f"pgbench failed:\n{done.stdout[-500:]}\n{done.stderr[-1500:]}"
            raise LauncherError(message)
        return int(counted[1]), float(speed[1])


__all__ = ["CLIENTS", "Pgbench", "Script", "Sent", "capture_path", "order_number", "write_script"]
