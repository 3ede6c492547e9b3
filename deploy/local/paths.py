"""Where everything lies: state in the checkout; only root's database may have to live apart."""

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNTIME_LOCK = ROOT / "requirements.txt"
DEVELOPMENT_LOCK = ROOT / "requirements-dev.txt"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
RUN_STATE = ROOT / ".run"
TEST_STATE = ROOT / ".run-test"
SYSTEM_STATE = Path("/var/lib")


def system_folder(state: Path) -> Path:
    """Return the folder outside the checkout that belongs to this state folder and no other."""
    name = hashlib.sha256(str(state).encode()).hexdigest()[:12]
    return SYSTEM_STATE / f"paymentplatform-{name}"
