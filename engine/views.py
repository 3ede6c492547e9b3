"""One view for the callbacks of all channels."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from engine.services.callbacks import receive_callback


@csrf_exempt
@require_POST
def receive_notification(request: HttpRequest, channel_code: str) -> HttpResponse:
    """Take in a channel's callback. Signed by the channel, hence no CSRF token."""
    body, content_type = receive_callback(
        channel_code=channel_code, headers=dict(request.headers), body=request.body
    )
    return HttpResponse(body, content_type=content_type)
