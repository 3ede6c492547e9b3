"""Make msgspec learn every struct before a second thread can ask.

msgspec 0.22 looks at a struct's fields when it is first read or written, and shows what it knows of them before it
knows all. A second thread that comes in between dereferences a null pointer, and the process is gone with every request
in it. So a process that will have threads learns all structs first. (tests/kernel/test_structs.py shows both.)
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import msgspec


def learn_structs() -> None:
    """Let msgspec look at every struct that has been defined so far; a second time costs next to nothing."""
    for struct in iterate_structs():
        msgspec.json.Decoder(struct)


def iterate_structs(base: type[msgspec.Struct] = msgspec.Struct) -> Iterator[type[msgspec.Struct]]:
    """Yield every struct below ``base`` that can have values; what is generic has them through its users."""
    for struct in base.__subclasses__():
        yield from iterate_structs(struct)
        if not getattr(struct, "__parameters__", ()) and not inspect.isabstract(struct):
            yield struct
