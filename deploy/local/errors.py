"""The launcher's own failures: each is a sentence for a person and an exit code for a script."""

from pathlib import Path

EXIT_FAILED = 1
EXIT_WRONG_USE = 2


class LauncherError(Exception):
    """Something went wrong that the user should read about; never shown as a traceback."""

    def __init__(
        self, message: str, *, exit_code: int = EXIT_FAILED, log: Path | None = None
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.log = log


class Stopped(BaseException):
    """A signal asked us to end. A BaseException, so that no `except Exception` swallows it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


def tail(log: Path, *, lines: int = 25) -> str:
    """Return the last lines of a log, or an empty string when there is none to read."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
