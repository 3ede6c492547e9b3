"""Who calls the merchant API: one place for every scheme."""

from __future__ import annotations

from django.http import HttpRequest

from acquiring.contracts import MerchantIdentity
from acquiring.services.callers import (
    authenticate_bearer,
    authenticate_signature,
    recognise_bearer,
)
from acquiring.signed_requests import is_signed, read_signed_request
from paymentplatform.kernel import context
from paymentplatform.kernel.rest import ApiView, bearer_secret


class MerchantView(ApiView):
    """A view for an authenticated merchant: the key is checked in the database on every request.

    Where a request carries a signature, that alone decides, whatever else it carries.
    """

    identity: MerchantIdentity

    def authenticate(self, request: HttpRequest) -> MerchantIdentity:
        """Return the merchant that signed the request or whose Bearer key it shows. Raises Unauthenticated."""
        if is_signed(request):
            merchant = authenticate_signature(
                read_signed_request(request),
                signature_input=request.META.get("HTTP_SIGNATURE_INPUT", ""),
                signature=request.META.get("HTTP_SIGNATURE", ""),
            )
        else:
            merchant = self.find_bearer(bearer_secret(request))
        context.actor.set(f"merchant:{merchant.merchant_no}")
        return merchant

    def find_bearer(self, secret: str) -> MerchantIdentity:
        """Return the merchant whose usable key this is, by the database."""
        return authenticate_bearer(secret=secret)


class HotMerchantView(MerchantView):
    """The same for hot paths, whose own statement checks the key again: no extra round trip."""

    def find_bearer(self, secret: str) -> MerchantIdentity:
        """Return the merchant of the Bearer key, perhaps a few seconds old."""
        return recognise_bearer(secret=secret)
