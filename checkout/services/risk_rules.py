"""The rules and lists in force: read by payments through a cache, changed by operators."""

from __future__ import annotations

import ipaddress
from datetime import datetime
from typing import Any, Final

import msgspec
from django.db.models import F

from checkout.models import RiskListEntry, RiskRule, RiskVersion
from checkout.risk.facts import Subject, tidy_address
from checkout.risk.rules import Conditions, Listed, Rule, RuleAction, RuleMode, RuleSet
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.cache import ConfigCache
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import FieldError, InvalidRequest, NotFound
from paymentplatform.kernel.strictjson import convert_object, parse_json

_CACHE_S: Final = 3600
_CACHED_VERSIONS: Final = 4
_SEEDED: Final = (
    (Subject.PAYER, 30, 600),
    (Subject.CARD, 10, 3600),
    (Subject.IP, 50, 600),
)


def read_rules(*, version: int) -> RuleSet:
    """Return the rules of this version, which the payment has just read with its order; usually out of the cache."""
    return _rules.get(version)


def load_rules() -> RuleSet:
    """Read rules and lists as they are now."""
    version = RiskVersion.objects.values_list("version", flat=True).get()
    return _load(version)


def _load(version: int) -> RuleSet:
    """Read what is in force. What was changed since ``version`` is in it too: then the next payment loads again."""
    rules = [
        Rule(
            name=row.name,
            action=RuleAction(row.action),
            mode=RuleMode(row.mode),
            when=msgspec.convert(row.conditions, Conditions),
            rule_no=row.rule_no,
            revision=row.revision,
        )
        for row in RiskRule.objects.order_by("rule_no")
    ]
    listed = [
        Listed(
            row.list_name,
            Subject(row.subject),
            row.value,
            int(row.expires_at.timestamp()) if row.expires_at else None,
        )
        for row in RiskListEntry.objects.filter(removed_at__isnull=True)
    ]
    return RuleSet(version, tuple(rules), tuple(listed))


_rules: ConfigCache[int, RuleSet] = ConfigCache(
    _load, name="risk_rules", seconds=_CACHE_S, limit=_CACHED_VERSIONS
)


def read_conditions(text: str) -> Conditions:
    """Read conditions written in JSON. Raises InvalidRequest that says what is wrong, at the field ``conditions``."""
    try:
        when = convert_object(parse_json((text.strip() or "{}").encode()), Conditions)
    except (InvalidRequest, UnicodeEncodeError) as error:
        raise _fault("conditions", str(error)) from None
    fault = when.find_fault()
    if fault is not None:
        raise _fault("conditions", f"{fault[0]}: {fault[1]}")
    return when


@transactions.start
def create_rule(*, name: str, action: str, mode: str, conditions: str) -> str:
    """Make a rule; payments that begin after the commit go by it (start). Raises InvalidRequest."""
    rule_no = numbers.new_number(numbers.RISK_RULE)
    RiskRule.objects.create(
        rule_no=rule_no, **_check_rule(name=name, action=action, mode=mode, conditions=conditions)
    )
    return rule_no


@transactions.start
def seed_velocity_rules() -> None:
    """Make velocity rules in shadow, for demos: they note and decide nothing; once, however often asked (start)."""
    if RiskRule.objects.exists():
        return
    for subject, over, window_s in _SEEDED:
        velocity = {"subject": subject, "over": over, "window_s": window_s}
        RiskRule.objects.create(
            rule_no=numbers.new_number(numbers.RISK_RULE),
            **_check_rule(
                name=f"More than {over} tries of one {subject.lower()} in {window_s // 60} minutes",
                action=RuleAction.REVIEW,
                mode=RuleMode.SHADOW,
                conditions=msgspec.json.encode({"velocity": velocity}).decode(),
            ),
        )


@transactions.start
def change_rule(*, rule_no: str, name: str, action: str, mode: str, conditions: str) -> None:
    """Change a rule for all payments that begin after the commit (start). Raises NotFound, InvalidRequest."""
    values = _check_rule(name=name, action=action, mode=mode, conditions=conditions)
    changed = RiskRule.objects.filter(rule_no=rule_no).update(
        **values, revision=F("revision") + 1, changed_at=database_now()
    )
    if not changed:
        raise NotFound


@transactions.start
def list_subject(
    *, list_name: str, subject: str, value: str, expires_at: datetime | None = None
) -> str:
    """Put somebody on a list, from the commit on (start). Returns the entry's number; whoever stands there stays.

    Raises InvalidRequest for what can be no such subject, or an end that is over already.
    """
    list_name, value = list_name.strip(), _check_value(subject, value.strip())
    if not 1 <= len(list_name) <= 64:
        raise _fault("list_name", "1 to 64 characters")
    now = database_now()
    if expires_at is not None and expires_at <= now:
        raise _fault("expires_at", "it is over already")
    same = RiskListEntry.objects.filter(
        list_name=list_name, subject=subject, value=value, removed_at__isnull=True
    )
    standing = same.select_for_update().first()
    if standing is not None and standing.expires_at == expires_at:
        return str(standing.entry_no)
    same.update(removed_at=now)
    entry_no = numbers.new_number(numbers.RISK_ENTRY)
    RiskListEntry.objects.create(
        entry_no=entry_no, list_name=list_name, subject=subject, value=value, expires_at=expires_at
    )
    return entry_no


@transactions.start
def unlist_subject(*, entry_no: str) -> None:
    """Take an entry off its list; again changes nothing (start). Raises NotFound."""
    entry = RiskListEntry.objects.select_for_update().filter(entry_no=entry_no).first()
    if entry is None:
        raise NotFound
    if entry.removed_at is None:
        entry.removed_at = database_now()
        entry.save(update_fields=["removed_at"])


def _check_rule(*, name: str, action: str, mode: str, conditions: str) -> dict[str, Any]:
    name = name.strip()
    if not 1 <= len(name) <= 64:
        raise _fault("name", "1 to 64 characters")
    if action not in set(RuleAction):
        raise _fault("action", "one of " + ", ".join(RuleAction))
    if mode not in set(RuleMode):
        raise _fault("mode", "one of " + ", ".join(RuleMode))
    when = read_conditions(conditions)
    if when == Conditions() and action in {RuleAction.BLOCK, RuleAction.ALLOW}:
        raise _fault("conditions", "a rule that always holds may not block or allow everything")
    return {
        "name": name,
        "action": action,
        "mode": mode,
        "conditions": msgspec.to_builtins(when),
    }


def _check_value(subject: str, value: str) -> str:
    if subject not in set(Subject):
        raise _fault("subject", "one of " + ", ".join(Subject))
    if subject == Subject.IP:
        return _check_network(value)
    prefix = {Subject.PAYER: numbers.PAYER, Subject.MERCHANT: numbers.MERCHANT}.get(
        Subject(subject)
    )
    if prefix is not None and not numbers.is_number(value, prefix):
        raise _fault("value", f"a number {prefix}_…")
    if not value or len(value) > 128 or not value.isprintable():
        raise _fault("value", "1 to 128 characters")
    return value


def _check_network(value: str) -> str:
    address = tidy_address(value)
    if address is not None:
        return address
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise _fault("value", "an IP address, or a network such as 192.0.2.0/24") from None


def _fault(field: str, detail: str) -> InvalidRequest:
    return InvalidRequest(detail, errors=(FieldError(field, "format", detail),))
