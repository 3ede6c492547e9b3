"""The locks are whole: the launcher installs what they name and asks for nothing else.

So no release that comes after a lock was made can change, or break, an installation.
"""

from __future__ import annotations

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.local.paths import DEVELOPMENT_LOCK, RUNTIME_LOCK

ENTRY = re.compile(
    r"^(?P<requirement>[^\s#-][^\\]*?) \\\n(?P<hashes>(?: +--hash=\S+(?: \\)?\n)+)", re.MULTILINE
)


def entries_of(lock: Path) -> list[Requirement]:
    """What a lock names, and what of it this Python and system need."""
    text = lock.read_text(encoding="utf-8")
    found = [Requirement(entry["requirement"]) for entry in ENTRY.finditer(text)]
    assert len(found) == len(re.findall(r"^[A-Za-z0-9]", text, re.MULTILINE)), (
        "every entry has its hashes"
    )
    return [entry for entry in found if entry.marker is None or entry.marker.evaluate()]


@pytest.mark.parametrize("lock", [RUNTIME_LOCK, DEVELOPMENT_LOCK], ids=lambda lock: lock.name)
def test_what_a_package_needs_stands_in_the_lock(lock: Path):
    entries = entries_of(lock)
    locked = {canonicalize_name(entry.name): entry for entry in entries}
    assert len(locked) == len(entries) > 50
    for entry in entries:
        assert re.fullmatch(r"==[^*,]+", str(entry.specifier)), entry
        for line in distribution(entry.name).requires or ():
            needed = Requirement(line)
            asked = ("", *entry.extras)
            if needed.marker and not any(needed.marker.evaluate({"extra": e}) for e in asked):
                continue
            found = locked.get(canonicalize_name(needed.name))
            assert found is not None, f"{entry.name} needs {needed}"
            (pin,) = found.specifier
            assert needed.specifier.contains(pin.version, prereleases=True), (entry.name, needed)
            assert needed.extras <= found.extras, f"{entry.name} needs {needed}"
