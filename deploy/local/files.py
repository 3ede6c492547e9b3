"""State files: written whole or not at all, readable by us alone; and locks that cannot be left behind."""

import fcntl
import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%=+,")


def write_private(path: Path, text: str) -> None:
    """Replace `path` with `text` in one step, mode 0600 from its first byte on."""
    draft = path.with_name(f"{path.name}.new-{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    draft.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON document privately, in a form that people can read too."""
    write_private(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; a missing, unreadable or torn file is an empty one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_environment(path: Path, environment: dict[str, str]) -> None:
    """Write KEY=VALUE lines. A value is quoted only when a shell would otherwise split it."""
    lines = [f"{key}={quote(value)}" for key, value in sorted(environment.items())]
    write_private(path, "\n".join(lines) + "\n")


def quote(value: str) -> str:
    """Quote for a shell, and leave ordinary values as they are for simpler readers."""
    return value if value and set(value) <= PLAIN else shlex.quote(value)


def read_environment(path: Path) -> dict[str, str]:
    """Read what `write_environment` wrote; a missing file is an empty environment."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {key: "".join(shlex.split(value)) for key, value in pairs}


class Busy(Exception):
    """Somebody else holds the lock that we did not want to wait for."""


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock for the block; the system releases it even when we are killed.

    With `wait` false, raises Busy at once when another process holds it.
    """
    descriptor = os.open(path, os.O_RDONLY if path.exists() else os.O_RDONLY | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise Busy(str(path)) from None
        yield
    finally:
        os.close(descriptor)
