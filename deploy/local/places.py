"""Where the database lies: in the state folder, or apart from it when its account cannot come in."""

import os
import shutil
from pathlib import Path

from deploy.local.accounts import account_for
from deploy.local.files import write_private
from deploy.local.paths import system_folder


def make_state_folder(state: Path) -> None:
    """Make the state folder: closed to others, but as root passable for the database's account."""
    state.mkdir(parents=True, exist_ok=True)
    state.chmod(0o711 if os.geteuid() == 0 else 0o700)
    (state / "logs").mkdir(mode=0o700, exist_ok=True)


def database_home(state: Path) -> Path:
    """Return the database's folder. Once chosen it stays, whatever becomes of the permissions.

    Root's checkout may lie where the account cannot pass; we then use a system folder rather than
    open anybody's home.
    """
    note = state / "database-folder"
    if note.exists():
        return Path(note.read_text(encoding="utf-8"))
    home = state / "postgres"
    if not account_for(home).can("-x", state):
        home = system_folder(state) / "postgres"
        home.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    write_private(note, str(home))
    return home


def forget_database(state: Path) -> None:
    """Remove the database of this state folder, wherever it lies."""
    for folder in (state / "postgres", system_folder(state)):
        shutil.rmtree(folder, ignore_errors=True)
    (state / "database-folder").unlink(missing_ok=True)
