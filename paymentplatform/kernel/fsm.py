"""The bridge from a declared ``Machine`` to django-fsm: transitions take their sources from the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django_fsm import FSMField, transition

from paymentplatform.kernel.statemachine import Machine


class StateField(FSMField):
    """A protected status column whose first state the database knows too."""

    db_returning = False
    """Django would read the default back after an insert and so break the field's protection."""


def state_field(machine: Machine) -> StateField:
    """Make the protected status column of a machine: it changes by transition methods only."""
    field: StateField = StateField(
        max_length=16,
        default=machine.initial,
        db_default=machine.initial,
        protected=True,
        choices=[(state, state) for state in machine.states],
    )
    return field


def move_to(
    machine: Machine, target: str, *, field: FSMField
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a model method as the transition to ``target`` from exactly the sources of the table."""
    decorate: Callable[[Callable[..., Any]], Callable[..., Any]] = transition(
        field=field, source=list(machine.sources(target)), target=target
    )
    return decorate
