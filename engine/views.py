"""One view for the callbacks of all channels."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from engine.services.callbacks import receive_callback
from paymentplatform.kernel.rest import ApiView


class ReceiveNotification(ApiView):
    """Takes in a channel's callback. The channel proves itself by its signature: no credential, no CSRF token."""

    schema = None

    def post(self, request: HttpRequest, channel_code: str) -> HttpResponse:
        """Answer in the channel's own words; a refusal is a problem document, as everywhere."""
        body, content_type = receive_callback(
            channel_code=channel_code, headers=dict(request.headers), body=request.body
        )
        return HttpResponse(body, content_type=content_type)
