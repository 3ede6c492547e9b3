"""Who calls the merchant API. Bearer keys now; one place for every scheme."""

from __future__ import annotations

from django.http import HttpRequest

from acquiring.contracts import MerchantIdentity
from acquiring.services.merchants import authenticate_bearer, recognise_bearer
from paymentplatform.kernel import context
from paymentplatform.kernel.rest import ApiView, bearer_secret


class MerchantView(ApiView):
    """A view for an authenticated merchant: the key is checked in the database on every request."""

    identity: MerchantIdentity

    def authenticate(self, request: HttpRequest) -> MerchantIdentity:
        """Return the merchant of the Bearer key. Raises Unauthenticated."""
        merchant = authenticate_bearer(secret=bearer_secret(request))
        context.actor.set(f"merchant:{merchant.merchant_no}")
        return merchant


class HotMerchantView(MerchantView):
    """The same for hot paths, whose own statement checks the key again: no extra round trip."""

    def authenticate(self, request: HttpRequest) -> MerchantIdentity:
        """Return the merchant of the Bearer key, perhaps a few seconds old. Raises Unauthenticated."""
        merchant = recognise_bearer(secret=bearer_secret(request))
        context.actor.set(f"merchant:{merchant.merchant_no}")
        return merchant
