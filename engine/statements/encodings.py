"""Finding out how a file is encoded and what it hashes to, in one pass over its bytes. Pure."""

from __future__ import annotations

import codecs
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from engine.statements.records import StatementRefused

ENCODINGS: Final = ("utf-8-sig", "gb18030")
"""Tried in this order: text in GB18030 is next to never valid UTF-8."""

MAX_BYTES: Final = 4 * 2**30
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What one pass over a file has shown."""

    sha256: str
    encoding: str
    size: int


def inspect_file(path: Path) -> FileFacts:
    """Read a file once. Raises StatementRefused for one that is absent, empty, too large or not text."""
    digest, size = hashlib.sha256(), 0
    decoders = {name: codecs.getincrementaldecoder(name)("strict") for name in ENCODINGS}
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                if size > MAX_BYTES:
                    raise StatementRefused("The file is larger than 4 GiB.")
                if b"\0" in chunk:
                    raise StatementRefused("The file holds NUL bytes: it is not text.")
                digest.update(chunk)
                _feed(decoders, chunk)
    except OSError as error:
        raise StatementRefused(f"The file cannot be read: {error.strerror}.") from error
    _feed(decoders, b"", final=True)
    if not size:
        raise StatementRefused("The file is empty.")
    if not decoders:
        raise StatementRefused("The file is neither UTF-8 nor GB18030.")
    return FileFacts(digest.hexdigest(), next(iter(decoders)), size)


def open_text(path: Path, facts: FileFacts) -> TextIO:
    """Open the file as text; line ends of every kind become one."""
    return path.open("r", encoding=facts.encoding, errors="strict", newline=None)


def _feed(
    decoders: dict[str, codecs.IncrementalDecoder], chunk: bytes, *, final: bool = False
) -> None:
    for name in list(decoders):
        try:
            decoders[name].decode(chunk, final)
        except UnicodeDecodeError:
            del decoders[name]
