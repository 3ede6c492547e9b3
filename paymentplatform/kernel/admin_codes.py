"""What codes of the platform say, in words, once for all operators' pages; the code stays readable beside the words."""

from __future__ import annotations

import re
from typing import Final

from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

FACTS: Final[dict[str, Promise]] = {
    "payment_paid": _("Payment paid"),
    "late_money": _("Late money"),
    "late_money_honoured": _("Late money given to the merchant"),
    "late_money_pulled_back": _("Late money that its channel had pulled back"),
    "late_money_refund_sent": _("Late money on its way back"),
    "late_money_refund_failed": _("Late money could not go back"),
    "refund_accepted": _("Refund accepted"),
    "refund_done": _("Refund done"),
    "refund_failed": _("Refund failed"),
    "top_up": _("Top-up of a payer"),
    "platform_funding": _("Platform's own money"),
    "reversal": _("Reversal"),
    "channel_settled": _("Settlement of a channel"),
    "channel_cost_corrected": _("Correction of a channel's cost"),
    "channel_long": _("Long at the channel"),
    "channel_long_withdrawn": _("Long: the channel took it back"),
    "channel_long_credited": _("Long: given to the merchant"),
    "channel_loss_recovered": _("Long: written off before, recovered"),
    "channel_short": _("Short at channel"),
    "channel_short_recovered": _("Short: found or promised"),
    "channel_short_charged": _("Short: borne by the merchant"),
    "channel_short_written_off": _("Short: borne by the platform"),
    "chargeback": _("Chargeback"),
    "merchant_release": _("Released to the merchant"),
    "payout_sent": _("Payout sent"),
    "payout_confirmed": _("Payout paid by the bank"),
    "payout_failed": _("Payout sent back by the bank"),
    "payout_returned": _("Payout given back after it was paid"),
}
"""The business facts that journals are about."""
CASES: Final[dict[str, Promise]] = {
    "late_money": _("Late money"),
    "chargeback": _("Chargeback"),
    "chargeback_unclear": _("Chargeback that needs a look"),
    "unreadable_success": _("Success that cannot be read"),
    "duplicate_trade_no": _("One number of the channel for two payments"),
    "amount_mismatch": _("The channel took another amount"),
    "refund_amount_mismatch": _("The channel gave back another amount"),
    "refund_contradicted": _("The channel contradicts the end of a refund"),
    "inquiry_schedule_spent": _("The channel has not said for a day what became of a payment"),
    "refund_schedule_spent": _("The channel has not said for a day what became of a refund"),
    "statement_missing": _("A channel's statement is missing"),
}
"""Why a case was opened."""
DIFFERENCES: Final[dict[str, Promise]] = {
    "CHANNEL_ONLY": _("Only the channel has it"),
    "PLATFORM_ONLY": _("Only we have it"),
    "STATUS_MISMATCH": _("Ended differently"),
    "AMOUNT_OVER": _("The channel says more"),
    "AMOUNT_UNDER": _("The channel says less"),
    "FEE_MISMATCH": _("Another fee"),
    "CURRENCY_MISMATCH": _("Another currency"),
    "DUPLICATE": _("Twice in the file"),
}
"""How a channel's statement and our books disagree."""
LATE_REASONS: Final[dict[str, Promise]] = {
    "success_after_close": _("Paid after the order was closed"),
    "success_after_failure": _("Paid after it had failed"),
    "charged_twice": _("Charged twice"),
    "payment_ended": _("Paid after the payment had ended"),
    "amount_mismatch": _("The channel took another amount"),
}
"""Why a trade could not use the money."""
RESOLUTIONS: Final[dict[str, Promise]] = {
    "ACCEPTED": _("Nothing to book: it is accepted as it is"),
    "WITHDRAWN": _("Long: it is the channel's, which took it back (L90 to A10)"),
    "CREDITED": _("Long: it is the merchant's (L90 to L20)"),
    "RECOVERED": _("Long: it had been written off (L90 to X90)"),
    "WRITTEN_OFF": _("Short: the platform bears it (X90 to A90)"),
    "CHARGED": _("Short: the merchant bears it (L21 to A90)"),
    "PROMISED": _("Short: the channel owes it and will pay (A10 to A90)"),
    "FOUND_LATER": _("A later file has it"),
    "FILE_CORRECTED": _("The day's newer file no longer says so"),
    "BOOKED_SINCE": _("Our books have it now"),
}
"""Why a difference has ended; the first seven by two people."""
AGES: Final[dict[str, Promise]] = {
    "under_1m": _("Less than a minute"),
    "under_10m": _("1 to 10 minutes"),
    "under_1h": _("10 minutes to an hour"),
    "under_1d": _("An hour to a day"),
    "over_1d": _("More than a day"),
}
"""How long nobody has known where money is."""
NOTES: Final[dict[str, Promise]] = {
    "repeated": _("Known already"),
    "quarantined": _("Put aside: our own question decides"),
    "paid": _("Paid"),
    "failed": _("Failed"),
    "failed_over": _("Failed; another channel is tried"),
    "ignored": _("Changed nothing"),
    "refunded": _("Given back"),
    "waiting": _("Still waits"),
    "closed": _("Closed"),
    "no such request": _("We know no such request"),
    "another merchant account": _("Of another merchant account at the channel"),
    "it is not for this merchant account": _("It is not for this merchant account"),
    "it is stale": _("It is stale"),
    "the body is not a JSON object": _("The body is not a JSON object"),
    "the signature does not verify": _("The signature does not verify"),
    "timestamp or nonce is missing or malformed": _("Timestamp or nonce is missing or malformed"),
}
"""What came of a callback."""
CALLS: Final[dict[str, Promise]] = {
    "pay": _("Charge"),
    "query": _("Inquiry"),
    "close": _("Close"),
    "refund": _("Refund"),
    "query_refund": _("Inquiry about a refund"),
}
"""What a channel was asked to do."""
MACHINES: Final[dict[str, Promise]] = {
    "agreement_request": _("Agreement request"),
    "case": _("Case"),
    "channel_attempt": _("Attempt"),
    "delivery": _("Delivery"),
    "discrepancy": _("Difference"),
    "hold": _("Hold"),
    "late_money": _("Late money"),
    "payment_detail": _("Asset of the payment"),
    "payment_order": _("Payment"),
    "payout": _("Payout"),
    "proposal": _("Proposal"),
    "refund": _("Refund"),
    "risk_review": _("Risk review"),
    "settlement_batch": _("Settlement batch"),
    "settlement_hold": _("Risk hold"),
    "trade_order": _("Order"),
}
"""Whose states moved."""
_ALL: Final = FACTS | CASES | DIFFERENCES | LATE_REASONS | NOTES


_TOLD: Final[tuple[tuple[re.Pattern[str], Promise], ...]] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"said (?P<theirs>.+), ours (?P<ours>.+)", _("The channel says {theirs}, we say {ours}")),
        (r"said (?P<theirs>.+) after its end", _("The channel says {theirs} after it had ended")),
        (r"(?P<no>\S+) after its end", _("{no} came after it had ended")),
        (
            r"still (?P<status>\w+) after (?P<n>\d+) inquiries",
            _("Still {status} after {n} inquiries"),
        ),
        (
            r"no certain answer after (?P<n>\d+) tries; it is repeated for ever",
            _("No certain answer after {n} tries; it is repeated for ever"),
        ),
        (
            r"says (?P<theirs>.+) were pulled back of (?P<ours>.+)",
            _("The channel says that {theirs} of {ours} were pulled back"),
        ),
        (
            r"(?P<theirs>.+) of (?P<order>ord_\w+) were pulled back as (?P<no>.+)",
            _("{theirs} of {order} were pulled back as {no}"),
        ),
        (r"its refund (?P<no>\S+) failed: (?P<code>.+)", _("Its refund {no} failed: {code}")),
        (
            r"is (?P<status>\w+), the channel now says (?P<now>\w+)",
            _("It is {status}, and now the channel says {now}"),
        ),
    )
)


def tell(detail: str) -> str:
    """Say in the operator's language what a case notes in the platform's own words; others' words stay as they are."""
    for pattern, words in _TOLD:
        if (found := pattern.fullmatch(detail)) is not None:
            return str(words).format(**found.groupdict())
    return name_code(detail)


def name_code(code: str) -> str:
    """Return what a code says in the operator's language; a code that nobody named, as it is."""
    return str(_ALL.get(code, code))


def name_machine(machine: str) -> str:
    """Return whose state it is, in the operator's language."""
    return str(MACHINES.get(machine, machine))


def name_call(operation: str) -> str:
    """Return what a channel was asked to do, in the operator's language."""
    return str(CALLS.get(operation, operation))


def name_age(code: str) -> str:
    """Return how long that is, in the operator's language."""
    return str(AGES.get(code, code))


def show_code(code: str) -> str | SafeString:
    """Write what a code says, the code itself small below it."""
    if code not in _ALL:
        return code
    return format_html(
        '{}<br><span class="small font-mono text-xs whitespace-nowrap">{}</span>', _ALL[code], code
    )


def name_resolution(code: str) -> str:
    """Return why a difference has ended, in the operator's language."""
    return str(RESOLUTIONS.get(code, code))
