"""What codes of the platform say, in words, once for all operators' pages; the code stays readable beside the words."""

from __future__ import annotations

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
    "WITHDRAWN": _("Long: the channel took it back (L90 to A10)"),
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
_ALL: Final = FACTS | CASES | DIFFERENCES | LATE_REASONS


def name_code(code: str) -> str:
    """Return what a code says in the operator's language; a code that nobody named, as it is."""
    return str(_ALL.get(code, code))


def show_code(code: str) -> str | SafeString:
    """Write what a code says, the code itself small below it."""
    if code not in _ALL:
        return code
    return format_html('{}<br><span class="small font-mono text-xs">{}</span>', _ALL[code], code)


def name_resolution(code: str) -> str:
    """Return why a difference has ended, in the operator's language."""
    return str(RESOLUTIONS.get(code, code))
