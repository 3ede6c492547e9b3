"""Every test file belongs to a capability, so that each budget can be read off a run."""

from __future__ import annotations

from fnmatch import fnmatch

from tests.capabilities import CAPABILITIES, capability_of, files_of

FILES = [path for capability in CAPABILITIES for path in files_of(capability.letter)]


def test_every_pattern_names_files_that_are_there():
    names = [file.removeprefix("tests/") for file in FILES]
    for capability in CAPABILITIES:
        for pattern in set(capability.files) - {"*"}:
            assert any(fnmatch(name, pattern) for name in names), (capability.letter, pattern)


def test_every_file_has_its_capability():
    assert len(FILES) == len(set(FILES)) > 100
    assert {"A", "B", "C", "D"} <= {capability_of(file).letter for file in FILES}
