"""Calls about payers' agreements: what a payer lets you take from his balance."""

from __future__ import annotations

from paymentplatform_client.calling import Caller, given, in_path
from paymentplatform_client.objects import Agreement, AgreementStatus
from paymentplatform_client.parsing import Page, parse


class AgreementCalls(Caller):
    """Payers' agreements."""

    def create_payer_agreement(
        self,
        *,
        max_per_payment: int,
        max_per_day: int,
        return_url: str,
        currency: str | None = None,
        subject: str | None = None,
        payer_ref: str | None = None,
    ) -> Agreement:
        """Ask a payer; send him to ``agreement_url``. Two calls are two requests, the tries of one call are one."""
        body = {
            "max_per_payment": max_per_payment,
            "max_per_day": max_per_day,
            "return_url": return_url,
            "currency": currency,
            "subject": subject,
            "payer_ref": payer_ref,
        }
        return parse(
            Agreement, self._call("POST", "/payer-agreements", body=given(body), once=True)
        )

    def get_payer_agreement(self, agreement_no: str) -> Agreement:
        """Ask how an agreement stands; its ``payer_token`` is there for ten minutes after the payer's consent."""
        return parse(Agreement, self._call("GET", f"/payer-agreements/{in_path(agreement_no)}"))

    def list_payer_agreements(
        self,
        *,
        status: AgreementStatus | None = None,
        payer_ref: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page[Agreement]:
        """List agreements, newest first, never with their tokens."""
        return self._list(
            Agreement,
            "/payer-agreements",
            status=status,
            payer_ref=payer_ref,
            created_from=created_from,
            created_to=created_to,
            limit=limit,
            cursor=cursor,
        )

    def revoke_payer_agreement(self, agreement_no: str) -> Agreement:
        """End an agreement at once, or take back the request for it; payments that were accepted before go on."""
        return parse(Agreement, self._call("DELETE", f"/payer-agreements/{in_path(agreement_no)}"))
