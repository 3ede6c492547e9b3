"""The command line of `run.py`."""

import os
from collections.abc import Callable

from deploy.local import commands
from deploy.local.checks import run_tests
from deploy.local.errors import EXIT_FAILED, EXIT_WRONG_USE, LauncherError, Stopped, tail
from deploy.local.paths import DEVELOPMENT_LOCK, TEST_STATE
from deploy.local.screen import complain, say
from deploy.local.signals import ending_signals
from deploy.local.throwaway import show_lasting_servers, stop_lasting_servers
from deploy.local.venv import install

HELP = """\
python3 run.py            install, start everything, show addresses and keys; Ctrl-C ends it
python3 run.py status     what is running
python3 run.py stop       end it from another terminal
python3 run.py reset      end it and remove all demo data
python3 run.py prove      prove that the books agree
python3 run.py test [--long] [pytest arguments]
                          all checks and tests, or only the tests that you name
python3 run.py test-env [stop]
                          servers for tests that stay until told otherwise (tests/README.md)
python3 run.py bench [--quick] [--json FILE]
                          measure

Environment: PORT (default 8000); DATABASE_URL with MIGRATION_DATABASE_URL, and REDIS_URL,
use servers of yours. State lives in .run/. Needs Python 3.11 or newer and nothing else.
Exit codes: 0 fine, 1 failed, 2 wrong use (also: the port is taken)."""


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code; failures become sentences, not tracebacks."""
    # Images often set it; every process that is started would translate the whole code anew, each time.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        with ending_signals():
            return _dispatch(arguments)
    except Stopped as stopped:
        return 128 + stopped.signal_number
    except LauncherError as error:
        complain(f"run.py: {error}")
        lines = tail(error.log) if error.log else ""
        if lines:
            complain(f"\nThe last lines of {error.log}:\n{lines}")
        return error.exit_code
    except PermissionError as error:
        complain(
            f"run.py: {error}. Probably another user (root?) ran it here before: be that user."
        )
        return EXIT_FAILED


def _dispatch(arguments: list[str]) -> int:
    """Choose the command. Commands without arguments refuse any, so that a typo does no harm."""
    name, rest = (arguments[0], arguments[1:]) if arguments else ("run", [])
    if name in {"--help", "-h", "help"}:
        say(HELP)
        return 0
    plain: dict[str, Callable[[], int]] = {
        "run": commands.run,
        "stop": commands.stop,
        "status": commands.status,
        "reset": commands.reset,
    }
    passing: dict[str, Callable[[list[str]], int]] = {
        "prove": commands.prove,
        "bench": commands.bench,
        "test": run_tests,
        "test-env": _test_environment,
    }
    if name in plain and not rest:
        return plain[name]()
    if name in passing:
        return passing[name](rest)
    complain(f"run.py: unknown: {' '.join(arguments)}\n\n{HELP}")
    return EXIT_WRONG_USE


def _test_environment(arguments: list[str]) -> int:
    """Keep test servers up between runs; a help for those who work on the platform."""
    TEST_STATE.mkdir(exist_ok=True)
    install(DEVELOPMENT_LOCK, log=TEST_STATE / "install.log")
    return stop_lasting_servers() if arguments == ["stop"] else show_lasting_servers()
