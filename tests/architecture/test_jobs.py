"""Background work: every name that is rung or scheduled is registered, and every task has its clock."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from django.conf import settings

from paymentplatform.celery import app
from tests.architecture.sources import PRODUCT, import_everything, name_of, python_files, tree_of

_BELLS = {"ring", "ring_now", "send_task"}


def registered() -> set[str]:
    """The names of our own tasks as Celery knows them."""
    import_everything()
    app.loader.import_default_modules()
    return {name for name in app.tasks if not name.startswith("celery.")}


def rung() -> Iterator[tuple[str, str]]:
    """Every literal task name in a call that rings a bell: (where, name)."""
    for path in python_files():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and _name_of_call(node) in _BELLS and node.args:
                argument = node.args[0]
                if isinstance(argument, ast.Constant):
                    yield f"{name_of(path)}:{node.lineno}", argument.value


def _name_of_call(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def scheduled() -> set[str]:
    """What beat sends."""
    return {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}


def test_every_rung_task_is_registered():
    assert [(where, name) for where, name in rung() if name not in registered()] == []


def test_every_scheduled_task_is_registered():
    assert scheduled() <= registered()


def test_every_task_is_found_by_its_clock():
    """A lost message costs a second, never money: each task is also started by beat."""
    assert registered() <= scheduled()


def test_scheduled_messages_expire():
    """A worker that comes back after an hour must not find an hour of messages."""
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        assert 0 < entry["options"]["expires"] <= 60


def test_no_task_waits_in_the_broker():
    """No countdown and no ETA: what is due later stands in a table."""
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in python_files(*PRODUCT)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and _name_of_call(node) in {"apply_async", "send_task", "retry", "signature", "s"}
        and {"eta", "countdown"} & {keyword.arg for keyword in node.keywords}
    ]
    assert found == []
