"""A state machine is declared once, as a table, and used four times.

From one ``Machine`` come the django-fsm transitions of the model (``kernel.fsm``), the source states of
conditional UPDATEs, the database trigger that refuses every other move (``kernel.guards``) and the diagram
in the documentation. Pure: imports no framework.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Machine:
    """One declared machine.

    ``moves`` lists every allowed (from, to) pair; a state without a way out is terminal. ``table`` and ``key``
    name the table and its number column; ``frozen`` the identity columns that never change after the insert.
    """

    name: str
    table: str
    key: str
    initial: str
    moves: tuple[tuple[str, str], ...]
    frozen: tuple[str, ...] = ()
    column: str = "status"

    @cached_property
    def states(self) -> tuple[str, ...]:
        """Every state, the first one first, in the order of the table."""
        seen = dict.fromkeys([self.initial])
        for source, target in self.moves:
            seen.update(dict.fromkeys([source, target]))
        return tuple(seen)

    @cached_property
    def terminal(self) -> frozenset[str]:
        """States that nothing leaves, ever."""
        return frozenset(self.states) - {source for source, _ in self.moves}

    def sources(self, target: str) -> tuple[str, ...]:
        """The states from which ``target`` may be reached: the WHERE of a conditional UPDATE."""
        return tuple(source for source, to in self.moves if to == target)

    def allows(self, source: str, target: str) -> bool:
        """Tell whether the move is in the table."""
        return (source, target) in self.moves

    def diagram(self) -> str:
        """Draw the machine as a Mermaid state diagram."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.initial}"]
        lines += [f"    {source} --> {target}" for source, target in self.moves]
        lines += [f"    {state} --> [*]" for state in self.states if state in self.terminal]
        return "\n".join(lines)
