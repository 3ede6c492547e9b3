"""How often payment passwords may be tried, by all web processes together: for one page, and from one address.

This is against guessing over many payers. Of one payer five wrong tries lock his password, whoever tries and from
wherever: PostgreSQL counts those (``wallets``). Here Redis counts; while it does not answer nothing is counted, each
process holds its pages alone (``views.page.PASSWORDS``), and the lock of each payer holds all the same.
"""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Final, NamedTuple

from django.conf import settings

from checkout.risk.deciding import Counter
from checkout.risk.facts import tidy_address
from checkout.services.velocity import count_tries
from paymentplatform.kernel import metrics
from paymentplatform.kernel.errors import RateLimited

TRIES_PER_PAGE: Final = 10
"""Within PAGE_WINDOW_S, right or wrong, whosever they are."""
PAGE_WINDOW_S: Final = 60
ADDRESS_WINDOW_S: Final = 600
"""Within it WRONG_PASSWORDS_PER_ADDRESS: on all pages, at the log-in and for consents together, over all payers."""
_WAIT_S: Final = 60
_SUBSCRIBER_BITS: Final = 64


class TriedFrom(NamedTuple):
    """Where a password was typed: the browser's address, and the secret token of the page; each if known."""

    address: str | None = None
    page: str | None = None


ANYWHERE: Final = TriedFrom()
"""Nothing is known of the place, so nothing is counted for it."""


def admit_try(tried: TriedFrom) -> None:
    """Count a try before it is looked at; one round trip to Redis. Raises RateLimited for one too many."""
    page, address = _page_counter(tried), _address_counter(tried, adds=0)
    counts = count_tries([counter for counter in (page, address) if counter is not None])
    if page is not None and counts.get(page.name, 0) > TRIES_PER_PAGE:
        _refuse("payment_password")
    if address is not None and _is_worn_out(counts.get(address.name, 0)):
        _refuse("address")


def note_wrong_try(tried: TriedFrom) -> None:
    """Count a wrong password against the address that it came from."""
    address = _address_counter(tried, adds=1)
    if address is not None:
        count_tries([address])


def _is_worn_out(wrong_tries: int) -> bool:
    most: int = settings.WRONG_PASSWORDS_PER_ADDRESS
    return 0 < most <= wrong_tries


def _refuse(reason: str) -> None:
    metrics.RATE_LIMITED.labels(reason).inc()
    raise RateLimited(retry_after_s=_WAIT_S)


def _page_counter(tried: TriedFrom) -> Counter | None:
    if tried.page is None:
        return None
    name = hashlib.sha256(tried.page.encode()).hexdigest()[:32]
    return Counter(f"PASSWORD_PAGE:{name}:{PAGE_WINDOW_S}", PAGE_WINDOW_S, 1)


def _address_counter(tried: TriedFrom, *, adds: int) -> Counter | None:
    if not tried.address:
        return None
    name = f"PASSWORD_ADDRESS:{_name_network(tried.address)}:{ADDRESS_WINDOW_S}"
    return Counter(name, ADDRESS_WINDOW_S, adds)


def _name_network(address: str) -> str:
    """Name whom an address belongs to: of IPv6 one subscriber has at least a /64, and another address for each try."""
    tidy = tidy_address(address)
    if tidy is None or ":" not in tidy:
        return tidy or address
    return str(ipaddress.ip_network((tidy, _SUBSCRIBER_BITS), strict=False))
