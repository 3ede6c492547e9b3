"""Acts of operators: a button that asks first, acts by POST with a reason, and leaves an audit line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as say
from unfold.decorators import action

from paymentplatform.kernel import context, grants, transactions
from paymentplatform.kernel.admin_forms import ReasonForm
from paymentplatform.kernel.audit import audit_trail
from paymentplatform.kernel.errors import DomainError, InvalidRequest
from paymentplatform.kernel.problems import name_error
from paymentplatform.kernel.proposing import WaitingProposal, proposer
from paymentplatform.kernel.roles import ONLY_ADMINS, Role


@dataclass(frozen=True, slots=True)
class ShownOnce:
    """What an act made and nobody can read again: shown in the answer to the POST and kept nowhere."""

    message: str
    secrets: dict[str, str]


def submit_proposal(
    *, kind: str, payload: Mapping[str, Any], operator: AbstractBaseUser, reason: str
) -> str:
    """Propose what needs two people, in the act's transaction, and return what to say (require)."""
    proposal_no = proposer()(
        kind=kind, payload=payload, operator=operator.get_username(), reason=reason
    )
    return say("Proposed as %s: another person must approve it.") % proposal_no


PROPOSE: Final = "console.propose_"
"""How the permissions to propose begin; the kind's name follows."""
Perform = Callable[..., str | ShownOnce]
Rule = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class _Act:
    """One confirmed act: what it does, and what is asked and said around it."""

    perform: Perform
    form: type[ReasonForm]
    title: Any
    audit: bool
    foretell: Callable[[Any], str] | None
    offered: Rule | None
    calls_out: bool
    waits_for: str


def confirmed_action(
    *,
    description: Any,
    permission: str,
    url_path: str | None = None,
    icon: str | None = None,
    form: type[ReasonForm] = ReasonForm,
    service_audits: bool = False,
    foretell: Callable[[Any], str] | None = None,
    offered: Rule | None = None,
    roles: tuple[Role, ...] = ONLY_ADMINS,
    on_list: bool = False,
    calls_out: bool = False,
    waits_for: str = "",
) -> Callable[[Perform], Callable[..., HttpResponse]]:
    """Make an admin method a button that asks first: GET only shows a form, POST acts.

    (A plain unfold action acts on GET, so a link in an e-mail could move money.) The method is called inside a
    transaction with keyword arguments ``object_no`` (the primary key) and what else ``form`` asks for, makes ONE
    service call (``transactions.join``) and returns what to say. The audit line, with what has changed of the object,
    is written in the same transaction, unless ``service_audits`` says that the service does so itself. A DomainError
    becomes a message, or stands at the field that it names. List the method's name in ``actions_detail``.

    ``permission`` is ``app.codename``; ``roles`` are those that get it when roles are seeded (every act with the same
    permission names the same ones). For ``console.propose_KIND`` the kind says who, and ``roles`` is left out.

    ``foretell`` says of the object, above the button, what will happen. ``offered`` tells whether there is anything to
    do: if not, the button is not there, and whoever presses it all the same changes nothing and writes no audit line.

    ``on_list`` makes it a button above the list (``actions_list``), about no row: the method gets no ``object_no``, its
    service audits. ``calls_out`` is for services that may call a channel, so not inside a
    transaction: the audit line is committed before the act, and what came of it in a second one behind it.

    An act that proposes is not there while a proposal of its kind waits about the same object; ``waits_for`` names the
    kind for which another act waits, too.
    """
    kind = waits_for or permission.partition(PROPOSE)[2]

    def decorate(perform: Perform) -> Callable[..., HttpResponse]:
        act = _Act(
            perform, form, description, not service_audits, foretell, offered, calls_out, kind
        )

        @wraps(perform)
        def ask_then_act(
            self: Any, request: HttpRequest, object_id: str | None = None
        ) -> HttpResponse:
            if object_id is None:
                return _ask_then_act(self, request, act, None)
            obj = get_object_or_404(self.get_queryset(request), pk=unquote(object_id))
            return _ask_then_act(self, request, act, obj)

        button: Any = action(
            description=description, permissions=[permission], url_path=url_path, icon=icon
        )(ask_then_act)
        button.offered, button.permission, button.on_list = offered, permission, on_list
        button.waits_for, button.roles = kind, roles
        return button  # type: ignore[no-any-return]

    return decorate


def _ask_then_act(
    model_admin: Any, request: HttpRequest, act: _Act, obj: Model | None
) -> HttpResponse:
    back = model_admin.address_of(obj)
    posted = request.POST if request.method == "POST" else None
    asked = act.form(posted, initial=act.form.read_initial(obj))
    done: str | ShownOnce | DomainError | None = None
    waiting = model_admin.list_waiting(request, obj) if obj is not None else []
    if (blocks := find_blocking(act.waits_for, waiting)) is not None:
        messages.warning(request, say("It waits for a second person: %s.") % blocks.proposal_no)
        return HttpResponseRedirect(back)
    if not is_offered(act.offered, obj):
        done = _nothing_to_do()
    elif posted is not None and asked.is_valid():
        done = _act(model_admin, request, act, obj, asked.cleaned_data)
    if done is None or (isinstance(done, InvalidRequest) and _put_at_fields(asked, done)):
        shown = _build_page(model_admin, request, act, obj) | {"form": asked, "back": back}
        return render(request, "console/confirm_action.html", shown)
    if isinstance(done, ShownOnce):
        shown = _build_page(model_admin, request, act, obj) | {"done": done, "back": back}
        page = render(request, "console/shown_once.html", shown)
        page["Cache-Control"] = "no-store"
        return page
    if isinstance(done, DomainError):
        messages.error(request, describe_refusal(done))
    else:
        messages.success(request, done)
    return HttpResponseRedirect(back)


def _build_page(
    model_admin: Any, request: HttpRequest, act: _Act, obj: Model | None
) -> dict[str, Any]:
    return {
        **model_admin.admin_site.each_context(request),
        "title": act.title,
        "object": obj,
        "opts": model_admin.opts,
        "foretold": act.foretell(obj) if act.foretell is not None else "",
        "page_tables": model_admin.build_confirmation_tables(obj) if obj is not None else [],
        "waiting_proposals": model_admin.list_waiting(request, obj) if obj is not None else [],
    }


def _put_at_fields(asked: ReasonForm, error: DomainError) -> bool:
    """Tell of the error beside what was typed; False where the form asks for nothing but the reason."""
    if len(asked.fields) == 1:
        return False
    named = [item for item in error.errors if item.field in asked.fields]
    for item in named:
        asked.add_error(item.field, item.detail)
    if not named:
        asked.add_error(None, describe_refusal(error))
    return True


def describe_refusal(error: DomainError) -> str:
    """Say why an act was refused: its title in the operator's language, what was wrong this time, and the code."""
    title = say(error.title)
    told = f"{error.detail} ({error.code})"
    return told if title == error.title else f"{title}: {told}"


def find_blocking(kind: str, waiting: Sequence[WaitingProposal]) -> WaitingProposal | None:
    """Return the proposal of this kind that must be decided before another can be made about the same thing."""
    return next((one for one in waiting if kind and one.kind == kind and one.alone), None)


def rule_of(act: Any) -> Rule | None:
    """Return the rule that tells whether a page's button has anything to do."""
    return getattr(act.method, "offered", None)


def is_offered(rule: Rule | None, obj: Model | None) -> bool:
    """Tell whether there is anything to do for this object."""
    return rule is None or rule(obj)


def _nothing_to_do() -> str:
    return say("There is nothing to do; nothing was changed.")


def _act(
    model_admin: Any,
    request: HttpRequest,
    act: _Act,
    obj: Model | None,
    answers: dict[str, Any],
) -> str | ShownOnce | DomainError:
    """Act; whatever goes wrong is returned as a named error."""
    try:
        with context.acting(as_actor=f"operator:{request.user.get_username()}"):
            if act.calls_out and obj is not None:
                return _record_act_record(model_admin, act, obj, request.user, answers)
            return _act_and_record(model_admin, act, obj, request.user, answers)
    except Exception as error:  # noqa: BLE001 - the edge: name_error logs what nobody expected
        return name_error(error)


@transactions.start
def _act_and_record(
    model_admin: Any, act: _Act, obj: Model | None, operator: Any, answers: dict[str, Any]
) -> str | ShownOnce:
    """No act without its audit line, no line without its act (start)."""
    if obj is None:
        return act.perform(model_admin, operator=operator, **answers)
    rows = type(obj)._default_manager.filter(pk=obj.pk)  # noqa: SLF001 - public, despite its name
    # What nobody may update cannot change under our eyes, and the database lets nobody lock it.
    changes = "UPDATE" in getattr(type(obj), "database_access", grants.MUTABLE)
    model_admin.lock_before(obj)
    seen = (rows.select_for_update(no_key=True) if changes else rows).get()
    if act.offered is not None and not act.offered(seen):
        return _nothing_to_do()
    before = rows.values().get()
    done = act.perform(model_admin, object_no=str(obj.pk), operator=operator, **answers)
    if not act.audit:
        return done
    after = rows.values().get()
    changed = [name for name in after if after[name] != before[name]]
    audit_trail()(
        operator=operator,
        action=act.perform.__name__,
        object_no=str(obj.pk),
        reason=answers["reason"],
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
    )
    return done


def _record_act_record(
    model_admin: Any, act: _Act, obj: Model, operator: Any, answers: dict[str, Any]
) -> str | ShownOnce:
    """Act outside every transaction, between two audit lines: a crash in between leaves the first one."""
    rows = type(obj)._default_manager.filter(pk=obj.pk)  # noqa: SLF001 - public, despite its name
    name, object_no, reason = act.perform.__name__, str(obj.pk), answers["reason"]
    write = transactions.start(audit_trail())
    before = rows.values().get()
    write(operator=operator, action=name, object_no=object_no, reason=reason)
    done = act.perform(model_admin, object_no=object_no, operator=operator, **answers)
    after = rows.values().get()
    changed = [column for column in after if after[column] != before[column]]
    write(
        operator=operator,
        action=f"{name}_result",
        object_no=object_no,
        reason=str(done),
        before={column: before[column] for column in changed},
        after={column: after[column] for column in changed},
    )
    return done
