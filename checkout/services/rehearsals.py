"""Rehearse draft rules on what has happened: reads stored decisions, writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import msgspec
import yaml

from checkout.models import RiskDecision, RouteDecision
from checkout.rehearsal import RiskRehearsal, RouteRehearsal
from checkout.risk.facts import Facts, Subject
from checkout.risk.rules import Listed, Rule, RuleMode, RuleSet
from checkout.route_book import RouteBook, parse_route_book
from checkout.routing import RouteFacts
from checkout.services.risk_rules import load_rules
from checkout.services.route_books import get_route_book
from paymentplatform.kernel import transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import FieldError, InvalidRequest

MOST_DAYS: Final = 366
CHUNK: Final = 2000


class _DraftEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    subject: Subject
    value: str


class _RiskDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rules: tuple[Rule, ...] = ()
    lists: dict[str, tuple[_DraftEntry, ...]] = {}


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    risk: _RiskDraft | None = None
    routing: Any = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What a draft says; None where it says nothing: that part is not rehearsed."""

    rules: RuleSet | None
    book: RouteBook | None


def read_draft(*, text: str, enforce: bool = False) -> Draft:
    """Read a draft in YAML. ``enforce``: its rules in shadow are taken as enforced.

    Its risk rules stand in place of all that are in force; a list that it names stands in place of that list. Raises
    InvalidRequest that says what is wrong.
    """
    try:
        document = msgspec.convert(yaml.safe_load(text) or {}, _Document)
    except yaml.YAMLError as error:
        raise _fault("draft", f"it is not YAML: {error}") from None
    except msgspec.ValidationError as error:
        raise _fault("draft", f"{error} (write times as text: '23:00')") from None
    if document.risk is None and document.routing is None:
        raise _fault("draft", "it has neither risk nor routing")
    rules = _build_rules(document.risk, enforce=enforce) if document.risk is not None else None
    book = parse_route_book(document.routing) if document.routing is not None else None
    return Draft(rules, book)


def _build_rules(draft: _RiskDraft, *, enforce: bool) -> RuleSet:
    rules = []
    for n, rule in enumerate(draft.rules, start=1):
        fault = rule.when.find_fault()
        if fault is not None:
            raise _fault(f"risk.rules[{n - 1}].when.{fault[0]}", fault[1])
        mode = RuleMode.ENFORCED if enforce and rule.mode is RuleMode.SHADOW else rule.mode
        rules.append(msgspec.structs.replace(rule, rule_no=f"{n}: {rule.name}", mode=mode))
    kept = [entry for entry in load_rules().listed if entry.list_name not in draft.lists]
    drafted = [
        Listed(name, entry.subject, entry.value)
        for name, entries in draft.lists.items()
        for entry in entries
    ]
    return RuleSet(0, tuple(rules), (*kept, *drafted))


def write_draft() -> str:
    """Return the rules and the book in force as a draft to begin with."""
    standing = load_rules()
    lists: dict[str, list[dict[str, str]]] = {}
    for entry in standing.listed:
        lists.setdefault(entry.list_name, []).append(
            {"subject": str(entry.subject), "value": entry.value}
        )
    rules = [
        {
            "name": rule.name,
            "action": str(rule.action),
            "mode": str(rule.mode),
            "when": msgspec.to_builtins(rule.when),
        }
        for rule in standing.rules
    ]
    document = {
        "risk": {"rules": rules, "lists": lists},
        "routing": msgspec.to_builtins(get_route_book().book),
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def rehearse(*, draft: Draft, days: int) -> dict[str, Any]:
    """Judge and route again what was decided in the last days, out of one snapshot; not inside a transaction.

    Returns the findings by part (``risk``, ``routing``), amounts in minor units. Raises InvalidRequest for days that
    are none.
    """
    if not 1 <= days <= MOST_DAYS:
        raise _fault("days", f"1 to {MOST_DAYS}")
    found: dict[str, Any] = {"days": days}
    with transactions.one_snapshot():
        since = database_now() - timedelta(days=days)
        if draft.rules is not None:
            found["risk"] = _rehearse_risk(draft.rules, since)
        if draft.book is not None:
            found["routing"] = _rehearse_routing(draft.book, since)
    return found


def _rehearse_risk(rules: RuleSet, since: Any) -> dict[str, Any]:
    rehearsal = RiskRehearsal(rules)
    windows = [rule.when.velocity.window_s for rule in rules.live_rules if rule.when.velocity]
    # A sliding window looks at the window before as well.
    begin = since - timedelta(seconds=2 * max(windows, default=0))
    rows = RiskDecision.objects.filter(at__gte=begin).order_by("id")
    for row in rows.values("at", "facts", "outcome", "order_no").iterator(chunk_size=CHUNK):
        facts = msgspec.convert(row["facts"], Facts)
        if row["at"] < since:
            rehearsal.warm(facts)
        else:
            rehearsal.judge(facts, outcome=row["outcome"], order_no=row["order_no"])
    fired = [
        {"rule": rule.rule_no, "mode": str(rule.mode), "held": rehearsal.fired[rule.rule_no]}
        for rule in rules.rules
    ]
    return rehearsal.found.as_document() | {"rules": fired}


def _rehearse_routing(book: RouteBook, since: Any) -> dict[str, Any]:
    rehearsal = RouteRehearsal(book)
    rows = RouteDecision.objects.filter(created_at__gte=since).order_by("payment_no")
    for row in rows.values("facts", "channel_code", "order_no").iterator(chunk_size=CHUNK):
        rehearsal.choose(
            msgspec.convert(row["facts"], RouteFacts),
            channel=row["channel_code"],
            order_no=row["order_no"],
        )
    return rehearsal.found.as_document() | {
        "costs": rehearsal.list_costs(),
        "uncosted": rehearsal.uncosted,
    }


def _fault(field: str, detail: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {detail}", errors=(FieldError(field, "format", detail),))
