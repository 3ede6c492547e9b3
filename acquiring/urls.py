"""Addresses of the merchant API that acquiring answers."""

from django.urls import path

from acquiring.views.events import EventCollection, EventItem, EventRedelivery
from acquiring.views.late_money import LateMoneyAnswer, LateMoneyCollection
from acquiring.views.orders import OrderClose, OrderCollection, OrderItem
from acquiring.views.refunds import RefundCollection, RefundItem

urlpatterns = [
    path("events", EventCollection.as_view(), name="events"),
    path("events/<str:event_id>", EventItem.as_view(), name="event"),
    path("events/<str:event_id>/redeliver", EventRedelivery.as_view(), name="event-redelivery"),
    path("late-money", LateMoneyCollection.as_view(), name="late-money"),
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
]
