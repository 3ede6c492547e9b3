"""Who calls the merchant API, and how often; one place for every scheme.

Order of every request: who is it (401), is it one too many (429), was it answered before (Idempotency-Key), and only
then the view's method.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse

from acquiring.contracts import MerchantIdentity
from acquiring.idempotent_requests import answer_once, has_key
from acquiring.services.callers import (
    ProvedSignature,
    UnknownSigner,
    authenticate_bearer,
    knows_bearer,
    recognise_bearer,
    recognise_signature,
    use_signature,
)
from acquiring.services.rate_limits import admit_request, find_guess_wait, note_wrong_key
from acquiring.signed_requests import is_signed, read_signed_request
from paymentplatform.kernel import context
from paymentplatform.kernel.errors import RateLimited, Unauthenticated
from paymentplatform.kernel.metrics import RATE_LIMITED
from paymentplatform.kernel.rest import ApiView, bearer_secret, find_client_address


def prove_if_signed(request: HttpRequest) -> None:
    """Raise Unauthenticated, or RateLimited, when the request carries a signature that does not prove it."""
    if is_signed(request):
        _recognise_signer(request)


def _recognise_signer(request: HttpRequest) -> ProvedSignature:
    """Return whose signature this is; who names keys that do not exist has to wait, as with other wrong keys."""
    address = find_client_address(request)
    wait_s = find_guess_wait(address=address)
    try:
        return recognise_signature(
            read_signed_request(request),
            signature_input=request.META.get("HTTP_SIGNATURE_INPUT", ""),
            signature=request.META.get("HTTP_SIGNATURE", ""),
            only_known=wait_s > 0,
        )
    except UnknownSigner:
        if wait_s:
            RATE_LIMITED.labels("address").inc()
            raise RateLimited(retry_after_s=wait_s) from None
        note_wrong_key(address=address)
        raise


class MerchantView(ApiView):
    """A view for an authenticated merchant: the key is checked in the database on every request.

    Where a request carries a signature, that alone decides, whatever else it carries.
    """

    identity: MerchantIdentity
    checks_key_itself: ClassVar[bool] = False
    """Whether the method's own statement checks the key, so that here it may be a few seconds old."""

    def authenticate(self, request: HttpRequest) -> MerchantIdentity:
        """Return the merchant that calls. Raises Unauthenticated, RateLimited.

        One too many is refused by what is remembered of its key, before the database is asked anything.
        """
        proved = _recognise_signer(request) if is_signed(request) else None
        merchant = proved.merchant if proved is not None else self._recognise(request)
        context.actor.set(f"merchant:{merchant.merchant_no}")
        admit_request(merchant_no=merchant.merchant_no, limit_per_s=merchant.rate_limit_per_s)
        if proved is not None:
            use_signature(proved)
            return merchant
        return merchant if self.checks_key_itself else self.confirm(request)

    def confirm(self, request: HttpRequest) -> MerchantIdentity:
        """Return the merchant that calls, asking the database whether its key still counts. Raises Unauthenticated.

        Of a signed request it was asked when the nonce was taken.
        """
        if is_signed(request):
            return self.identity
        return authenticate_bearer(secret=bearer_secret(request))

    def run(
        self,
        handler: Callable[..., HttpResponse],
        request: HttpRequest,
        *args: Any,
        **kwargs: Any,
    ) -> HttpResponse:
        """Let the method answer, once for each Idempotency-Key."""
        if not has_key(request):
            return handler(request, *args, **kwargs)
        return answer_once(
            lambda: handler(request, *args, **kwargs), request=request, key_id=self.identity.key_id
        )

    def _recognise(self, request: HttpRequest) -> MerchantIdentity:
        """Return the merchant of a key, perhaps a few seconds old; who guesses keys has to wait."""
        secret = bearer_secret(request)
        address = find_client_address(request)
        wait_s = find_guess_wait(address=address)
        if wait_s and not knows_bearer(secret=secret):
            RATE_LIMITED.labels("address").inc()
            raise RateLimited(retry_after_s=wait_s)
        try:
            return recognise_bearer(secret=secret)
        except Unauthenticated:
            note_wrong_key(address=address)
            raise

    def check_before_refusal(self, request: HttpRequest) -> None:
        """Refuse a changed signed request as such, also when the change made its method a wrong one."""
        prove_if_signed(request)


class HotMerchantView(MerchantView):
    """The same for hot paths, whose own statement checks the key again: no extra round trip."""

    checks_key_itself = True
