"""Pairs of cells, reference and web in turn, and what they come to."""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict, dataclass
from typing import Any, Final

import psycopg

from bench import wrk
from bench.budgets import judge
from bench.cpu import Usage, read_usage
from bench.crowd import make_crowd, make_waiting, write_keys, write_signatures
from bench.generator import Job, Load, generate
from bench.paths import PATHS, Path, calls_of, steps_of
from bench.reference import Pgbench, Script, Sent, capture_path, write_script
from bench.seed import PAYERS, Shop, make_orders
from bench.servers import Platform

CONNECTIONS: Final = 32
"""Where nothing else is said."""
_REFERENCE_TPS: Final = 40_000
_WARM_SECONDS: Final = 1.0
_FILL_BATCH: Final = 100_000


@dataclass(frozen=True)
class Plan:
    """How long and how often: seconds of a web and of a reference cell, and the number of pairs."""

    pairs: int
    web_s: float
    reference_s: float
    quick: bool
    connections: tuple[int, ...] = (CONNECTIONS,)
    """The first is measured in pairs with the reference; with each other the path is measured alone."""
    names: tuple[str, ...] = ()
    """Only these paths; none means all."""
    merchants: int = 1
    uses_wrk: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return what is measured."""
        if self.names:
            return tuple(path for path in PATHS if path.name in self.names)
        return tuple(path for path in PATHS if path.in_quick or not self.quick)


@dataclass(frozen=True)
class Row:
    """One path's figures: medians of the cells; CPU in milliseconds for each life. None where there is no reference."""

    path: str
    connections: int
    tps: float
    reference_tps: float | None
    ratio: float | None
    cv: float | None
    p50_ms: float
    p99_ms: float
    web_cpu_ms: float
    pg_cpu_ms: float
    load_cpu_ms: float
    reference_pg_cpu_ms: float | None
    others_cpu_share: float
    """Of the machine's CPU in the web cells, what was neither ours nor the load's."""
    verdict: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the row with sensible digits."""
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True)
class _Cell:
    load: Load
    used: Usage


class Bench:
    """Measures paths on one running platform."""

    def __init__(self, platform: Platform, shop: Shop, plan: Plan) -> None:
        self._platform = platform
        self._shop = shop
        self._plan = plan
        self._next = 0
        self._crowd: list[Shop] = []
        self._pgbench = Pgbench(platform.environment["DATABASE_URL"], platform.state)

    def measure(self, path: Path) -> tuple[list[Row], list[Sent]]:
        """Measure a path with each number of connections; return the rows and the statements of its reference."""
        sent, script = self._capture(path)
        rows = [
            self._measure(path, connections, script if at == 0 else None)
            for at, connections in enumerate(self._plan.connections)
        ]
        return rows, sent

    def _measure(self, path: Path, connections: int, script: Script | None) -> Row:
        """Warm up, then measure all pairs."""
        plan = self._plan
        web_count = round(path.most_tps * math.ceil(plan.web_s))
        reference_count = self._count_for_reference(path) if script is not None else 0
        warm = round(path.most_tps * _WARM_SECONDS)
        total = 2 * warm + plan.pairs * (web_count + reference_count)
        numbers = self.reserve(path, total)
        steps = steps_of(path, port=self._platform.port, shop=self._shop)
        words = self._write_words(path, first=numbers, count=total)
        for is_ready in (False, True):
            if is_ready:
                self._settle()  # not before something is there: plans made on empty tables are poor
            self._load(steps, connections, words, first=numbers, count=warm, seconds=_WARM_SECONDS)
            numbers += warm
        cells: list[_Cell] = []
        references: list[tuple[float, float]] = []
        for _ in range(plan.pairs):
            if script is not None:
                references.append(self._refer(script, first=numbers, count=reference_count))
                numbers += reference_count
            cells.append(
                self._load(
                    steps, connections, words, first=numbers, count=web_count, seconds=plan.web_s
                )
            )
            numbers += web_count
        return _row(path, connections, cells, references)

    def fill(self, orders: int) -> None:
        """Make so many unpaid orders that nobody will pay: what a shop of some age has in its tables."""
        with psycopg.connect(
            self._platform.environment["DATABASE_URL"], autocommit=True
        ) as connection:
            connection.execute("SET statement_timeout = 0")
            for done in range(0, orders, _FILL_BATCH):
                count = min(_FILL_BATCH, orders - done)
                make_orders(
                    connection,
                    self._shop,
                    first=self.take_numbers(count),
                    count=count,
                    expires_in=8_640_000,
                )

    def take_numbers(self, count: int) -> int:
        """Reserve so many numbers of orders; return the first."""
        first, self._next = self._next, self._next + count
        return first

    def load_once(self, path: Path, *, connections: int, seconds: float) -> Load:
        """Load a path for so long, without a reference; return what came back."""
        count = round(path.most_tps * seconds)
        first = self.reserve(path, count)
        steps = steps_of(path, port=self._platform.port, shop=self._shop)
        words = self._write_words(path, first=first, count=count)
        cell = self._load(steps, connections, words, first=first, count=count, seconds=seconds)
        return cell.load

    def warm(self, *names: str) -> None:
        """Ask a little of these paths, so that no table is empty, and let the server count what there is."""
        for path in PATHS:
            if path.name in names:
                self.load_once(path, connections=8, seconds=1)
        self._settle()

    def _capture(self, path: Path) -> tuple[list[Sent], Script | None]:
        if not path.has_reference:
            return [], None
        sequence = self.reserve(path, 2)
        for number in (sequence, sequence + 1):  # the first call may also look up who asks
            sent = capture_path(self._shop, calls_of(path, sequence=number))
        return sent, write_script(sent, payer=(sequence + 1) % PAYERS)

    def _count_for_reference(self, path: Path) -> int:
        if not path.has_reference:
            return 0
        return round(min(path.most_tps * 3, _REFERENCE_TPS) * self._plan.reference_s)

    def reserve(self, path: Path, count: int) -> int:
        """Take so many numbers, with an unpaid order behind each where the path needs one."""
        first = self.take_numbers(count)
        if path.is_crowd and not self._crowd:
            self._crowd = make_crowd(self._platform.environment)
        shops = self._crowd if path.is_crowd else [self._shop]
        with psycopg.connect(self._platform.environment["DATABASE_URL"]) as connection:
            connection.execute("SET statement_timeout = 0")
            if path.awaits_channel:
                make_waiting(connection, self._shop, first=first, count=count)
            elif path.uses_orders:
                make_orders(connection, *shops, first=first, count=count)
        return first

    def _write_words(self, path: Path, *, first: int, count: int) -> tuple[str, int]:
        """Write down what each life says of its own: the merchant's key, the channel's signature."""
        name = str(self._platform.state / f"{path.name}.words")
        if path.is_crowd:
            write_keys(name, self._crowd)
            return name, 0
        if path.awaits_channel:
            key = self._platform.environment["SANDBOX_SIGNING_KEY"]
            write_signatures(name, signing_key=key, first=first, count=count)
            return name, first
        return "", 0

    def _settle(self) -> None:
        """Write out what the preparations left, so that no cell pays for them."""
        with psycopg.connect(self._platform.admin_url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")

    def _read(self) -> Usage:
        return read_usage(postgres_pid=self._platform.postgres_pid, web_pid=self._platform.web_pid)

    def _load(
        self,
        steps: list[str],
        connections: int,
        words: tuple[str, int],
        *,
        first: int,
        count: int,
        seconds: float,
    ) -> _Cell:
        before = self._read()
        by_wrk = self._plan.uses_wrk and len(steps) == 1 and not words[0]
        job = Job(self._platform.port, connections, seconds, first, count, steps, *words)
        load = wrk.generate(job) if by_wrk else generate(job)
        return _Cell(load, self._read().since(before))

    def _refer(self, script: Script, *, first: int, count: int) -> tuple[float, float]:
        before = self._read()
        done, speed = self._pgbench.run(
            script, seconds=self._plan.reference_s, first=first, count=count
        )
        return speed, self._read().since(before).postgres * 1000 / done


def _row(
    path: Path, connections: int, cells: list[_Cell], references: list[tuple[float, float]]
) -> Row:
    latencies = sorted(value for cell in cells for value in cell.load.latencies_ms)
    speeds = [cell.load.tps for cell in cells]
    ratios = [speed / reference for speed, (reference, _) in zip(speeds, references, strict=False)]

    def cpu_ms(name: str) -> float:
        return statistics.median(
            getattr(cell.used, name) * 1000 / cell.load.lives for cell in cells
        )

    others = [
        1 - (cell.used.postgres + cell.used.web + cell.load.cpu_s) / max(cell.used.machine, 0.01)
        for cell in cells
    ]
    tps, ratio = statistics.median(speeds), statistics.median(ratios) if ratios else None
    p99_ms = latencies[min(len(latencies) - 1, len(latencies) * 99 // 100)]
    return Row(
        path=path.name,
        connections=connections,
        tps=tps,
        reference_tps=statistics.median(speed for speed, _ in references) if references else None,
        ratio=ratio,
        cv=statistics.stdev(ratios) / statistics.mean(ratios) if len(ratios) > 1 else None,
        p50_ms=latencies[len(latencies) // 2],
        p99_ms=p99_ms,
        web_cpu_ms=cpu_ms("web"),
        pg_cpu_ms=cpu_ms("postgres"),
        load_cpu_ms=statistics.median(cell.load.cpu_s * 1000 / cell.load.lives for cell in cells),
        reference_pg_cpu_ms=statistics.median(cost for _, cost in references)
        if references
        else None,
        others_cpu_share=statistics.median(others),
        verdict=judge(path.name, tps=tps, ratio=ratio, p99_ms=p99_ms, connections=connections),
    )
