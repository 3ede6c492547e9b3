"""Draw every declared state machine."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Final

from paymentplatform.kernel.statemachine import Machine

FLOORS: Final = {
    "console": "paymentplatform.console",
    "checkout": "checkout",
    "acquiring": "acquiring",
    "engine": "engine",
    "ledger": "ledger",
}
"""Each app with machines, and its package."""


def draw_machines() -> str:
    """Write one Mermaid diagram for each machine, floor by floor, exactly as ``Machine.diagram`` gives it."""
    return "\n\n".join(_draw(app, machine) for app, machine in list_machines())


def list_machines() -> Iterator[tuple[str, Machine]]:
    """Yield each machine with its app, read by name: the drawing needs a door that no code should have."""
    for app, package in FLOORS.items():
        for machine in import_module(f"{package}.states").MACHINES:
            yield app, machine


def _draw(app: str, machine: Machine) -> str:
    ends = ", ".join(state for state in machine.states if state in machine.terminal)
    frozen = ", ".join(f"`{column}`" for column in machine.frozen)
    return (
        f"#### {machine.name} ({app}, table `{machine.table}`)\n\n"
        f"Terminal: {ends}. Never changed after the insert: {frozen or 'nothing declared'}.\n\n"
        f"```mermaid\n{machine.diagram()}\n```"
    )
