"""Addresses of the engine: callbacks of channels only."""

from django.urls import path

from engine.views import receive_notification

urlpatterns = [path("<str:channel_code>/notify", receive_notification, name="channel-notify")]
