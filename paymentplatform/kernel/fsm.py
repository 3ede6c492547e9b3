"""The bridge from a declared ``Machine`` to django-fsm: transitions take their sources from the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django_fsm import FSMField, transition

from paymentplatform.kernel.statemachine import Machine


def state_field(machine: Machine) -> FSMField:
    """Make the protected status column of a machine: it changes by transition methods only."""
    return FSMField(
        max_length=16,
        default=machine.initial,
        db_default=machine.initial,
        protected=True,
        choices=[(state, state) for state in machine.states],
    )


def move_to(machine: Machine, target: str, *, field: FSMField) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a model method as the transition to ``target`` from exactly the sources of the table."""
    return transition(field=field, source=list(machine.sources(target)), target=target)
