"""Where the throw-away servers are: from the environment, or from what `run.py test-env` wrote."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from deploy.local.files import read_environment

ROOT = Path(__file__).resolve().parent.parent
LONG = os.environ.get("RUN_LONG") == "1"
"""Whether this is a run with ``--long``: every round and example, everything measured."""


def load() -> None:
    """Fill in what the process was not given; what it was given wins.

    Raises SystemExit with a sentence when nobody has started servers.
    """
    if "DATABASE_URL" not in os.environ:
        name = os.environ.get("TEST_NAME", "")
        folder = ROOT / ".run-test" / (name if name.isidentifier() else "")
        found = read_environment(folder / "env")
        if not found:
            message = f"No DATABASE_URL, and no {folder}/env: start with `python3 run.py test-env`."
            raise SystemExit(message)
        os.environ.update(found)
    home = urlsplit(os.environ["MIGRATION_DATABASE_URL"]).path.lstrip("/")
    os.environ.setdefault("TEST_HOME_DATABASE", home)
    os.environ.setdefault("PLATFORM_ENV", "test")
    os.environ.setdefault("PLATFORM_TEST_PAYMENT_PASSWORD_MEMORY_KIB", "1024")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paymentplatform.settings")


def home_url() -> str:
    """Return the owner's address of the database where all test runs of a server meet (for their locks)."""
    return owner_url(os.environ["TEST_HOME_DATABASE"])


def database_url(name: str, *, variable: str = "DATABASE_URL") -> str:
    """Return the address in this variable, with another database."""
    return urlunsplit(urlsplit(os.environ[variable])._replace(path=f"/{name}"))


def owner_url(name: str) -> str:
    """Return the address of a database for the role that owns it."""
    return database_url(name, variable="MIGRATION_DATABASE_URL")


def application_role() -> str:
    """Return the name of the role that owns nothing."""
    return urlsplit(os.environ["DATABASE_URL"]).username or ""
