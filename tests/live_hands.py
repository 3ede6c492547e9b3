"""A helper process inside the live platform's database: does by command what would cost a start of Django.

Reads one JSON line {"do": name, "with": {…}} from stdin, answers one JSON line {"answer": …} or {"error": …}.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from typing import Any

import django

django.setup()

from django.contrib.auth.models import Group, User  # noqa: E402
from django.core.management import call_command  # noqa: E402

from engine.models import Case  # noqa: E402
from paymentplatform.console.services.volumes import roll_up_volumes  # noqa: E402
from paymentplatform.kernel import numbers  # noqa: E402
from tests import makers  # noqa: E402


def manage(*, arguments: list[str]) -> dict[str, Any]:
    """Run a management command; returns its exit code and what it wrote to stdout."""
    output = io.StringIO()
    code = 0
    try:
        call_command(*arguments, stdout=output)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    return {"code": code, "output": output.getvalue()}


def decide(*, kind: str, payload: dict[str, Any]) -> str:
    """Propose as one accountant and approve as another; returns what the approval made."""
    from paymentplatform.console.services import proposals
    from tests.console.proposals import approve, operator

    made = proposals.make_proposal(
        proposals.NewProposal(kind, payload, operator(), "the day's end")
    )
    return str(approve(made.proposal).proposal.result)


def reconcile_due_days() -> int:
    """What the clock does about statements."""
    from engine.services import reconciliation_runs

    return reconciliation_runs.reconcile_due_days()


def make_operator(*, roles: list[str]) -> dict[str, str]:
    """An operator's account in these roles."""
    username, password = numbers.new_number("op"), "a-long-Word-7-enough"
    user = User.objects.create_user(username=username, password=password, is_staff=True)
    user.groups.set(Group.objects.filter(name__in=roles))
    return {"username": username, "password": password}


def open_case(*, object_no: str, kind: str, detail: str) -> str:
    """Something for people to look at."""
    case = Case.objects.create(
        case_no=numbers.new_number(numbers.CASE), kind=kind, object_no=object_no, detail=detail
    )
    return str(case.case_no)


_DEEDS: dict[str, Callable[..., Any]] = {
    "manage": manage,
    "decide": decide,
    "reconcile_due_days": reconcile_due_days,
    "make_merchant": makers.make_merchant,
    "set_cashier_look": makers.set_cashier_look,
    "make_payer": makers.make_payer,
    "make_payer_token": makers.make_payer_token,
    "top_up": makers.top_up,
    "make_operator": make_operator,
    "open_case": open_case,
    "roll_up_volumes": roll_up_volumes,
}


def main() -> None:
    """Serve until stdin ends."""
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        task = json.loads(line)
        try:
            reply = {"answer": _DEEDS[task["do"]](**task["with"])}
        except Exception as error:  # noqa: BLE001 - the test gets to see it
            reply = {"error": repr(error)}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
