"""Addresses of the engine: callbacks of channels only."""

from django.urls import path

from engine.views import ReceiveNotification

urlpatterns = [
    path("<str:channel_code>/notify", ReceiveNotification.as_view(), name="channel-notify")
]
