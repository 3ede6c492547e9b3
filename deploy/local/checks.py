"""`run.py test`: every check in order, each against real throw-away servers, the tests last."""

import filecmp
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import EXIT_FAILED, Stopped
from deploy.local.paths import DEVELOPMENT_LOCK, PYTHON, ROOT, TEST_STATE, VENV
from deploy.local.screen import complain, say
from deploy.local.throwaway import lasting_servers, servers
from deploy.local.venv import install

Environment = dict[str, str]


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


def run_on(environment: Environment, pytest_arguments: list[str]) -> int:
    """Run on servers that stand already; without arguments everything, else only those tests."""
    inherited = dict(os.environ) | environment
    pytest = [str(PYTHON), "-m", "pytest", *pytest_arguments]
    if pytest_arguments:
        return call(pytest, inherited)
    failed = [check.title for check in CHECKS if not _passes(check, inherited)]
    if failed:
        complain(f"\nFailed so far: {', '.join(failed)}. The tests follow.")
    _heading("Tests")
    # More at a time than most machines have cores: much of a test is waiting for somebody.
    side_by_side = ["-n", "3", "--no-loadscope-reorder"]
    code = call(
        [*pytest, *side_by_side, "--cov", "--cov-report=term-missing:skip-covered"], inherited
    )
    if failed:
        complain(f"Failed before the tests: {', '.join(failed)}.")
    return code or (EXIT_FAILED if failed else 0)


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
    """Run a command to its end; when we are interrupted, let it clean up before we go on."""
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        return process.wait()
    except Stopped as stopped:
        if stopped.signal_number != signal.SIGINT:  # the terminal has given Ctrl-C to both of us
            process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise


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
