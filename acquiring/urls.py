"""Addresses of the merchant API that acquiring answers."""

from django.urls import path

from acquiring.views.books import Balance, Statement
from acquiring.views.events import EventCollection, EventItem, EventRedelivery
from acquiring.views.late_money import LateMoneyAnswer, LateMoneyCollection, LateMoneyItem
from acquiring.views.orders import OrderClose, OrderCollection, OrderItem
from acquiring.views.refunds import RefundCollection, RefundItem
from acquiring.views.webhook_endpoints import (
    WebhookEndpointCollection,
    WebhookEndpointItem,
    WebhookEndpointSecret,
    WebhookEndpointTest,
)

urlpatterns = [
    path("balance", Balance.as_view(), name="balance"),
    path("statements/<str:date>", Statement.as_view(), name="statement"),
    path("events", EventCollection.as_view(), name="events"),
    path("events/<str:event_id>", EventItem.as_view(), name="event"),
    path("events/<str:event_id>/redeliver", EventRedelivery.as_view(), name="event-redelivery"),
    path("late-money", LateMoneyCollection.as_view(), name="late-money"),
    path("late-money/<str:late_money_no>", LateMoneyItem.as_view(), name="late-money-item"),
    path(
        "late-money/<str:late_money_no>/decision",
        LateMoneyAnswer.as_view(),
        name="late-money-decision",
    ),
    path("orders", OrderCollection.as_view(), name="orders"),
    path("orders/<str:order_no>", OrderItem.as_view(), name="order"),
    path("orders/<str:order_no>/close", OrderClose.as_view(), name="order-close"),
    path("refunds", RefundCollection.as_view(), name="refunds"),
    path("refunds/<str:refund_no>", RefundItem.as_view(), name="refund"),
    path("webhook-endpoints", WebhookEndpointCollection.as_view(), name="webhook-endpoints"),
    path(
        "webhook-endpoints/<str:endpoint_id>",
        WebhookEndpointItem.as_view(),
        name="webhook-endpoint",
    ),
    path(
        "webhook-endpoints/<str:endpoint_id>/test",
        WebhookEndpointTest.as_view(),
        name="webhook-endpoint-test",
    ),
    path(
        "webhook-endpoints/<str:endpoint_id>/rotate-secret",
        WebhookEndpointSecret.as_view(),
        name="webhook-endpoint-secret",
    ),
]
