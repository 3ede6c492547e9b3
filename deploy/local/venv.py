"""The virtual environment: made once, filled from a hashed lock, then left alone."""

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

from deploy.local.errors import LauncherError
from deploy.local.files import locked
from deploy.local.paths import PYTHON, ROOT, VENV
from deploy.local.processes import run_to_end
from deploy.local.screen import say

NO_INSTALLER = (
    "This Python has neither 'ensurepip' nor 'pip', so nothing can be installed."
    " On Debian or Ubuntu: apt-get install python3-venv"
)


def site_packages() -> Path:
    """Return where the environment keeps its packages."""
    return next((VENV / "lib").glob("python3.*/site-packages"), VENV / "lib")


def install(lock: Path, *, log: Path) -> bool:
    """Bring the environment to what `lock` says; return whether anything had to be done.

    Two launchers that arrive together take turns. Raises LauncherError when pip fails: the mark of
    success is then missing, so the next start tries again.
    """
    with locked(ROOT / "run.py"):
        if not _is_usable():
            _make(log)
        stamp = VENV / f".installed-{lock.stem}"
        wanted = _fingerprint(lock)
        if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
            return False
        say(f"Installing what {lock.name} lists (once; about a minute) …")
        command = [
            *find_pip(),
            "install",
            "--quiet",
            "--no-deps",  # the lock is whole: what comes out after it was made is never looked at
            "--require-hashes",
            "--requirement",
            str(lock),
        ]
        _call(command, log=log, failure="Installing the requirements failed.")
        stamp.write_text(wanted, encoding="ascii")
    return True


def _is_usable() -> bool:
    """Say whether the environment's Python runs and is recent enough (the system's may be gone)."""
    check = "import sys; raise SystemExit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([PYTHON, "-c", check], check=False).returncode == 0
    except OSError:
        return False


def _make(log: Path) -> None:
    """Make the environment, with a pip of its own when this Python can give it one."""
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    if importlib.util.find_spec("ensurepip") is None:
        command.insert(3, "--without-pip")
    _call(command, log=log, failure="Making the virtual environment failed.")


def find_pip() -> list[str]:
    """Return the pip to use: the environment's, else the system's pointed at the environment.

    The second works on a system that marks its Python as externally managed, because nothing of the
    system's is touched.
    """
    if (site_packages() / "pip").is_dir():
        return [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    if importlib.util.find_spec("pip") is None:
        raise LauncherError(NO_INSTALLER)
    system_pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    return [*system_pip, "--python", str(PYTHON)]


def _fingerprint(lock: Path) -> str:
    """Return what must be equal for an installation to be still right."""
    parts = (lock.read_bytes(), (VENV / "pyvenv.cfg").read_bytes())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _call(command: list[str], *, log: Path, failure: str) -> None:
    with log.open("ab") as stream:
        done = run_to_end(command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise LauncherError(failure, log=log)
