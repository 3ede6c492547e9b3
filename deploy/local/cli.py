"""The commands of `run.py`."""


from deploy.local.checks import run_tests
from deploy.local.errors import EXIT_FAILED, LauncherError, tail
from deploy.local.paths import DEVELOPMENT_LOCK, TEST_STATE
from deploy.local.screen import complain
from deploy.local.throwaway import show_lasting_servers, stop_lasting_servers
from deploy.local.venv import install


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code; failures become sentences, not tracebacks."""
    try:
        if arguments[:1] == ["test"]:
            return run_tests(arguments[1:])
        if arguments[:1] == ["test-env"]:
            TEST_STATE.mkdir(exist_ok=True)
            install(DEVELOPMENT_LOCK, log=TEST_STATE / "install.log")
            return stop_lasting_servers() if arguments[1:] == ["stop"] else show_lasting_servers()
    except LauncherError as error:
        complain(f"run.py: {error}")
        if error.log is not None:
            complain(f"The last lines of {error.log}:\n{tail(error.log)}")
        return error.exit_code
    return EXIT_FAILED
