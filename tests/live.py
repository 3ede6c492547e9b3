"""The live platform: real processes on free ports against a database of their own, for tests from outside.

Web, worker, beat and the sandbox institution are started as ``run.py`` starts them, with shorter schedules.
They get the application's address only; what needs the owner (the clock) is done from here.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import redis
from psycopg.rows import dict_row

from deploy.local.children import Child, answers, platform_children
from deploy.local.processes import MARK, end, free_port, record_of, sweep
from tests import environment
from tests.budget import apart
from tests.clock import VirtualClock
from tests.databases import fresh_database
from tests.makers import order_body
from tests.measuring import unmeasured
from tests.waiting import wait_until
from tests.webhook_receiver import Received, WebhookReceiver

SHORTER_SCHEDULES = {
    "PLATFORM_TEST_NOT_FOUND_GRACE_S": "3",
    "PLATFORM_TEST_INQUIRY_SCHEDULE_S": "1,1,1,2,2,5,5,60",
    "PLATFORM_TEST_WEBHOOK_LADDER_S": "0,1,1,2,2,5,5,60",
    "SANDBOX_LADDER_S": "1,1,2,2,5,5,5,10",
}
_READY_S = 180.0
_WORKERS = ("worker", "webhooks")
_STOP_S = 20.0
_REVIVE_EVERY_S = 0.1


@dataclass
class LivePlatform:
    """A running platform. Fixture ``platform`` (one for each test session) gives it ready for use."""

    state: Path
    environment: dict[str, str]
    database: str
    receiver: WebhookReceiver
    clock: VirtualClock
    reader: Reader
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    hands: Hands | None = None

    @property
    def base_url(self) -> str:
        """Where the web process listens."""
        return self.environment["BASE_URL"]

    @property
    def sandbox_url(self) -> str:
        """Where the institution's pages and controls are."""
        return self.environment["SANDBOX_URL"]

    # -- asking ----------------------------------------------------------------------------------------------

    def api(self, secret_key: str) -> httpx.Client:
        """A client of the merchant API: ``platform.api(secret).post("orders", json=…)``."""
        return httpx.Client(
            base_url=f"{self.base_url}/api/v1/",
            headers={"Authorization": f"Bearer {secret_key}"},
            timeout=60.0,
            trust_env=False,
        )

    def browser(self) -> httpx.Client:
        """A client without a credential that keeps cookies, from the root of the platform."""
        return httpx.Client(
            base_url=self.base_url, timeout=60.0, trust_env=False, follow_redirects=False
        )

    def sql(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        """Read the platform's database as its owner."""
        return self.reader.fetch(query, parameters)

    def balance(self, account_code: str) -> int:
        """The balance of a ledger account in minor units."""
        (row,) = self.sql("SELECT ledger_account_balance(%s) AS balance", account_code)
        return int(row["balance"])

    def charges(self, order_no: str) -> list[str]:
        """The states of the institution's charges for an order, oldest first."""
        return [charge["status"] for charge in self.book(order_no)["charges"]]

    def book(self, order_no: str) -> dict[str, list[dict[str, Any]]]:
        """What the institution has in its own book about an order: the truth outside."""
        with httpx.Client(trust_env=False, timeout=60.0) as client:
            answer = client.get(f"{self.sandbox_url}/control/book", params={"order_no": order_no})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def whole_book(self) -> dict[str, list[dict[str, Any]]]:
        """Everything in the institution's book, with every column."""
        with httpx.Client(trust_env=False, timeout=60.0) as client:
            answer = client.get(f"{self.sandbox_url}/control/book", params={"full": "1"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    # -- doing -----------------------------------------------------------------------------------------------

    def merchant(self, **options: Any) -> LiveMerchant:
        """A new merchant with a credential, whose webhooks arrive at this platform's receiver."""
        made = self.do("make_merchant", **options)
        return LiveMerchant(platform=self, api=self.api(made["secret_key"]), **made)

    def payer(self, *, balance: int = 1_000_000_00) -> str:
        """A new payer with this balance; returns payer_no (the password is ``tests.makers.PASSWORD``)."""
        return self.do("make_payer", balance=balance)

    def confirm(self, payment_no: str, *, decision: str | None = None) -> None:
        """Do at the institution what the payer would do on its page: pay, or with "decline" refuse."""
        body = {"payment_no": payment_no} | ({"decision": decision} if decision else {})
        with httpx.Client(trust_env=False, timeout=60.0) as client:
            answer = client.post(f"{self.sandbox_url}/control/confirm", json=body)
        assert answer.status_code == 200, answer.text

    def pull_back(self, order_no: str, amount: int) -> str:
        """Let the payer's bank take a part of an order's charge back; returns the institution's number of it."""
        (charge,) = self.book(order_no)["charges"]
        body = {"payment_no": charge["payment_no"], "amount": amount}
        with httpx.Client(trust_env=False, timeout=60.0) as client:
            answer = client.post(f"{self.sandbox_url}/control/chargeback", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["chargeback_no"])

    def fault(self, mode: str, *, seconds: float = 60) -> None:
        """Make the institution "refuse", "black_hole" or "slow", or "up" again."""
        with httpx.Client(trust_env=False, timeout=60.0) as client:
            body = {"mode": mode, "seconds": seconds}
            answer = client.post(f"{self.sandbox_url}/control/faults", json=body)
        assert answer.status_code == 200, answer.text

    def do(self, deed: str, **options: Any) -> Any:
        """Let the helper process do something inside the platform's database."""
        if self.hands is None:
            self.hands = Hands(self.environment, log=self.state / "hands.log")
        return self.hands.do(deed, options)

    def manage(self, *arguments: str) -> tuple[int, str]:
        """Run a management command; returns its exit code and its stdout."""
        done = self.do("manage", arguments=list(arguments))
        return done["code"], done["output"]

    def prove(self) -> dict[str, Any]:
        """Run ``manage.py prove`` over this database; returns its document with the exit code as ``code``."""
        code, output = self.manage("prove", "--json")
        return {"code": code} | json.loads(output)

    # -- breaking --------------------------------------------------------------------------------------------

    def kill_worker(self) -> None:
        """Kill both workers and their children with -9, in the middle of whatever they do."""
        for name in _WORKERS:
            worker = self.processes.pop(name)
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()

    def restart_worker(self) -> None:
        """Start the workers (again)."""
        self.start(*(name for name in _WORKERS if name not in self.processes))

    def arm(self, point: str, order_no: str | None = None) -> Path:
        """Let the next process that comes to this failpoint (with this order) die there.

        Returns the file that is gone once it has.
        """
        name = point if order_no is None else f"{point}.{order_no}"
        armed = Path(self.environment["PLATFORM_FAILPOINT_DIR"]) / name
        armed.touch()
        return armed

    @contextmanager
    def supervised(self) -> Iterator[None]:
        """Start again whatever ends, as a service manager does, until the block ends."""
        stopping = threading.Event()

        def watch() -> None:
            while not stopping.wait(_REVIVE_EVERY_S):
                self.revive()

        watcher = threading.Thread(target=watch, name="supervisor", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stopping.set()
            watcher.join()

    def revive(self) -> None:
        """Start again every process that has ended; what its children left behind goes with it."""
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                self.start(name)

    def flush_redis(self) -> None:
        """Lose everything that Redis knows."""
        with redis.Redis.from_url(self.environment["REDIS_URL"]) as client:
            client.flushdb()

    def mend(self) -> None:
        """Put back what a test may have broken: the time, the institution, every process."""
        for armed in Path(self.environment["PLATFORM_FAILPOINT_DIR"]).iterdir():
            armed.unlink()
        self.clock.restore()
        self.revive()
        self.fault("up")
        self.restart_worker()

    # -- starting and stopping -------------------------------------------------------------------------------

    def start(self, *names: str) -> None:
        """Start these of the platform's processes."""
        children = {child.name: child for child in self._children()}
        for name in names:
            self.processes[name] = children[name].start(
                environment=self.environment, logs=self.state
            )

    def wait_until_ready(self) -> None:
        """Wait for web and institution; AssertionError with the logs when one ends or takes too long."""
        urls = (f"{self.base_url}/readyz", f"{self.sandbox_url}/healthz")
        deadline = time.monotonic() + _READY_S
        while any(answers(url)[0] != 200 for url in urls):
            dead = [name for name, process in self.processes.items() if process.poll() is not None]
            late = time.monotonic() > deadline
            if dead or late:
                replies = [answers(url) for url in urls]
                message = f"not ready: ended {dead}, {replies}\n{self.logs()}"
                raise AssertionError(message)
            time.sleep(0.05)

    def stop(self) -> None:
        """End every process, kindly first, so that each writes down what it has covered."""
        with apart():
            self._stop()

    def _stop(self) -> None:
        if self.hands is not None:
            self.hands.close()
        order = ("beat", *_WORKERS, "web", "sandbox")
        running = [self.processes[name] for name in order if name in self.processes]
        records = [record_of(str(process.args), process.pid) for process in running]
        end(records, seconds=_STOP_S)
        sweep(str(self.state))
        for process in running:
            process.wait()
        self.processes.clear()

    def logs(self, *, lines: int = 40) -> str:
        """The end of every process's log."""
        parts = []
        for path in sorted(self.state.glob("*.log")):
            last = path.read_text("utf-8", errors="replace").splitlines()[-lines:]
            parts.append("\n".join([f"----- {path.name}", *last]))
        return "\n".join(parts)

    def _children(self) -> list[Child]:
        return platform_children(
            port=urlsplit(self.base_url).port or 0,
            sandbox_port=urlsplit(self.sandbox_url).port or 0,
            state=self.state,
        )


@dataclass
class LiveMerchant:
    """A merchant of the live platform."""

    platform: LivePlatform
    api: httpx.Client
    merchant_no: str
    key_id: str
    secret_key: str
    webhook_secret: str

    @property
    def notify_url(self) -> str:
        """Where this merchant's webhooks go."""
        return self.platform.receiver.url(f"/{self.merchant_no}")

    def payer_token(self, payer_no: str, **limits: int) -> str:
        """A token by which this payer lets this merchant take money from the balance."""
        return self.platform.do(
            "make_payer_token", payer_no=payer_no, merchant_no=self.merchant_no, **limits
        )

    def create(self, **changes: Any) -> dict[str, Any]:
        """Create an order of 10.00 CNY, unless told otherwise, with webhooks; returns the Order."""
        answer = self.api.post("orders", json=order_body(notify_url=self.notify_url, **changes))
        assert answer.status_code == 201, answer.text
        return answer.json()

    def try_pay(self, order_no: str, method: str = "QR_CODE", **options: str) -> httpx.Response:
        """Ask for a payment; returns whatever the API answers."""
        body = {"method": method} | ({"options": options} if options else {})
        return self.api.post(f"orders/{order_no}/pay", json=body)

    def pay(self, order_no: str, method: str = "QR_CODE", **options: str) -> dict[str, Any]:
        """Start a payment that must be accepted; returns the Pay object."""
        answer = self.try_pay(order_no, method, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def order(self, order_no: str) -> dict[str, Any]:
        """The order as the API shows it."""
        answer = self.api.get(f"orders/{order_no}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait_for_status(
        self, order_no: str, status: str, *, timeout_s: float = 20.0
    ) -> dict[str, Any]:
        """Wait until the order has this status; returns the order."""

        def look() -> dict[str, Any] | None:
            order = self.order(order_no)
            return order if order["status"] == status else None

        return wait_until(look, timeout_s, what=f"{order_no} {status}")

    def balance(self, currency: str = "CNY") -> int:
        """What the ledger holds for this merchant, pending."""
        return self.platform.balance(f"L20:{self.merchant_no}:{currency}")

    def webhooks(self) -> list[Received]:
        """Every webhook that has arrived for this merchant."""
        return self.platform.receiver.list_requests(f"/{self.merchant_no}")

    def events(self, event_type: str | None = None) -> list[dict[str, Any]]:
        """The verified bodies of the webhooks that have arrived, of one type or all."""
        bodies = [received.verify(self.webhook_secret) for received in self.webhooks()]
        return [body for body in bodies if event_type in {None, body["type"]}]

    def wait_for_webhook(self, event_type: str, *, timeout_s: float = 20.0) -> dict[str, Any]:
        """Wait for an event of this type; returns its verified body."""

        def look() -> dict[str, Any] | None:
            return next(iter(self.events(event_type)), None)

        return wait_until(look, timeout_s, what=f"{event_type} for {self.merchant_no}")


class Reader:
    """One connection of the owner's that only reads, for whoever asks; questions are asked again and again."""

    def __init__(self, address: str) -> None:
        self._lock = threading.Lock()
        self._connection = psycopg.connect(
            address,
            autocommit=True,
            row_factory=dict_row,
            options="-c default_transaction_read_only=on",
        )

    def fetch(self, query: str, parameters: Sequence[object]) -> list[dict[str, Any]]:
        """Ask and return the rows."""
        with self._lock:
            return self._connection.execute(query, parameters).fetchall()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class Hands:
    """The helper process; see ``tests.live_hands``."""

    def __init__(self, environment: dict[str, str], *, log: Path) -> None:
        self._lock = threading.Lock()
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.live_hands"],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
            )

    def do(self, deed: str, options: dict[str, Any]) -> Any:
        """Have one thing done; AssertionError when it fails."""
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps({"do": deed, "with": options}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        assert line, f"the helper process ended while doing {deed} (see hands.log)"
        reply = json.loads(line)
        assert "error" not in reply, f"{deed}: {reply.get('error')}"
        return reply["answer"]

    def close(self) -> None:
        """Let it end by itself."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def live_platform(*, schedules: Mapping[str, str] = SHORTER_SCHEDULES) -> Iterator[LivePlatform]:
    """Start everything, yield the platform, stop everything; its logs stay only when something failed."""
    with ExitStack() as stack:
        state = Path(tempfile.mkdtemp(prefix="paymentplatform-live-"))
        stack.callback(shutil.rmtree, state, ignore_errors=True)
        (state / "metrics").mkdir()
        (state / "failpoints").mkdir()
        name = stack.enter_context(fresh_database("platform_live"))
        platform = LivePlatform(
            state=state,
            environment=_environment(name, state) | schedules,
            database=name,
            receiver=stack.enter_context(WebhookReceiver()),
            clock=VirtualClock(environment.owner_url(name)),
            reader=Reader(environment.owner_url(name)),
        )
        stack.callback(platform.clock.close)
        stack.callback(platform.reader.close)
        platform.flush_redis()
        stack.callback(platform.stop)
        platform.start("sandbox", "web", *_WORKERS, "beat")
        platform.wait_until_ready()
        yield platform


def _environment(database: str, state: Path) -> dict[str, str]:
    """What the processes are told: this database, its own Redis number, free ports, no owner."""
    number = database.rpartition("_")[2]
    slot = int(number) if number.isdigit() else 1
    redis_url = urlunsplit(urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{slot}"))
    given = unmeasured(
        {name: value for name, value in os.environ.items() if name != "MIGRATION_DATABASE_URL"}
    )
    port = free_port()
    return given | {
        "DATABASE_URL": environment.database_url(database),
        "REDIS_URL": redis_url,
        "BASE_URL": f"http://127.0.0.1:{port}",
        "SANDBOX_URL": f"http://127.0.0.1:{free_port(in_a_row=2, but_not=port)}",
        "PROMETHEUS_MULTIPROC_DIR": str(state / "metrics"),
        "DEMO_SHOP_FILE": str(state / "demo.json"),
        "PLATFORM_FAILPOINT_DIR": str(state / "failpoints"),
        "PYTHONPATH": str(environment.ROOT),
        MARK: str(state),
    }
