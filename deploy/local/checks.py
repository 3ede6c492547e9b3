"""`run.py test`: every check in order, each against real throw-away servers, the tests last."""

import filecmp
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local import processes
from deploy.local.errors import EXIT_FAILED, Stopped
from deploy.local.paths import DEVELOPMENT_LOCK, PYTHON, ROOT, TEST_STATE, VENV
from deploy.local.processes import Record
from deploy.local.screen import complain, say
from deploy.local.signals import held_signals, no_signals
from deploy.local.throwaway import lasting_servers, servers
from deploy.local.venv import install

Environment = dict[str, str]
HEARD_SECONDS = 5.0
CLEANING_UP_SECONDS = 20.0
_NAMES_LATE_TESTS = "LATE_TESTS_FILE"
MOST_LATE = 5
"""Of more late tests none is looked at again: something is slow everywhere."""


@dataclass(frozen=True)
class Check:
    """One step with its heading; `run` returns an exit code."""

    title: str
    run: Callable[[Environment], int]


def run_tests(arguments: list[str]) -> int:
    """Run all checks and the tests, or with pytest arguments only those tests.

    Every check runs even when an earlier one failed, so that one run shows everything; the code is
    non-zero when any of them failed.
    """
    TEST_STATE.mkdir(exist_ok=True)
    install(DEVELOPMENT_LOCK, log=TEST_STATE / "install.log")
    chosen = [argument for argument in arguments if argument != "--long"]
    extra = {"RUN_LONG": "1"} if "--long" in arguments else {}
    if os.environ.get("TEST_REUSE") == "1":
        return run_on(lasting_servers() | extra, ["--reuse-db", *chosen])
    with servers() as environment:
        return run_on(environment | extra, chosen)


@contextmanager
def nothing_left() -> Iterator[Environment]:
    """Give what marks the processes of this run; at the end, also an interrupted one's, end those that are left."""
    mark = f"{ROOT}:{os.getpid()}:{time.monotonic_ns()}"
    try:
        yield {processes.TESTS_MARK: mark}
    finally:
        with no_signals():
            processes.end(list(processes.carrying(mark, name=processes.TESTS_MARK)), seconds=10)


def run_on(environment: Environment, pytest_arguments: list[str]) -> int:
    """Run on servers that stand already; without arguments everything, else only those tests."""
    with nothing_left() as mark:
        return _run_marked(dict(os.environ) | environment | mark, pytest_arguments)


def _run_marked(inherited: Environment, pytest_arguments: list[str]) -> int:
    pytest = [str(PYTHON), "-m", "pytest", *pytest_arguments]
    if pytest_arguments:
        return call(pytest, inherited)
    failed = [check.title for check in CHECKS if not _passes(check, inherited)]
    if failed:
        complain(f"\nFailed so far: {', '.join(failed)}. The tests follow.")
    _heading("Tests")
    code = _run_all_tests(pytest, inherited)
    if failed:
        complain(f"Failed before the tests: {', '.join(failed)}.")
    return code or (EXIT_FAILED if failed else 0)


def _run_all_tests(pytest: list[str], environment: Environment) -> int:
    """Run them side by side, and those that failed only by a limit in seconds once more, alone.

    What else fails has found something and stays a failure; so do more late tests than a busy machine explains
    (docs/decisions/0036).
    """
    late_tests = TEST_STATE / "late-tests.txt"
    late_tests.unlink(missing_ok=True)
    environment = {name: value for name, value in environment.items() if name != _NAMES_LATE_TESTS}
    told = environment | {_NAMES_LATE_TESTS: str(late_tests)}
    # More at a time than most machines have cores: much of a test is waiting for somebody.
    side_by_side = ["-n", "3", "--no-loadscope-reorder"]
    code = call([*pytest, *side_by_side, "--cov", "--cov-report=term-missing:skip-covered"], told)
    late = late_tests.read_text(encoding="utf-8").split("\n") if late_tests.exists() else []
    if code == 0 or not 0 < len(late) <= MOST_LATE:
        return code
    _heading("Second look")
    say("Not in time beside the other tests, nothing else wrong; once more, alone:")
    for name in late:
        say(f"  {name}")
    return call([*pytest, *late], environment)


def _passes(check: Check, environment: Environment) -> bool:
    _heading(check.title)
    started = time.monotonic()
    code = check.run(environment)
    verdict = "passed" if code == 0 else f"FAILED (exit {code})"
    say(f"{check.title}: {verdict} in {time.monotonic() - started:.1f} s")
    return code == 0


def _heading(title: str) -> None:
    say(f"\n── {title} {'─' * (76 - len(title))}")


def call(command: list[str], environment: Environment) -> int:
    """Run a command to its end; when we are interrupted, let it clean up, then end what it has left."""
    process = None
    try:
        with held_signals():
            process = subprocess.Popen(command, cwd=ROOT, env=environment)
        return process.wait()
    except Stopped as stopped:
        if process is None:
            raise
        family = set(processes.descendants(process.pid))
        try:
            if stopped.signal_number == signal.SIGINT:  # from a terminal it reaches both of us
                family |= _wait_for_end(process, seconds=HEARD_SECONDS)
            process.send_signal(signal.SIGINT)
            family |= _wait_for_end(process, seconds=CLEANING_UP_SECONDS)
        finally:  # after a second signal at once
            with no_signals():
                process.kill()
                process.wait()
                processes.end(list(family), seconds=10)
        raise


def _wait_for_end(process: "subprocess.Popen[bytes]", *, seconds: float) -> set[Record]:
    """Wait, at most so long, and return the processes that it has had meanwhile: they outlive it as orphans."""
    family: set[Record] = set()
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        family |= set(processes.descendants(process.pid))
        time.sleep(0.1)
    return family


def _program(*command: str | Path) -> Callable[[Environment], int]:
    """Make a check of a program that runs in the environment's Python."""
    return lambda environment: call([str(PYTHON), *map(str, command)], environment)


def _schema_is_current(environment: Environment) -> int:
    """Make the API schema without warnings and compare it with the one in the documentation."""
    published = ROOT / "docs" / "openapi.yaml"
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "openapi.yaml"
        command = ["manage.py", "spectacular", "--validate", "--fail-on-warn", "--file", str(made)]
        code = call([str(PYTHON), *command], environment)
        if code == 0 and published.exists() and not filecmp.cmp(made, published, shallow=False):
            complain("docs/openapi.yaml is not what the code says. Make it anew with:")
            complain("  .venv/bin/python manage.py spectacular --file docs/openapi.yaml")
            return EXIT_FAILED
        return code


CHECKS = (
    Check("Lint", _program("-m", "ruff", "check", ".")),
    Check("Format", _program("-m", "ruff", "format", "--check", ".")),
    Check("Types", _program("-m", "mypy")),
    Check("Walls", _program(VENV / "bin" / "lint-imports", "--no-logo")),
    Check("Migrations", _program("manage.py", "makemigrations", "--check", "--dry-run")),
    Check("API schema", _schema_is_current),
)
