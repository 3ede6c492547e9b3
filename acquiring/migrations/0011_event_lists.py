"""Lists of events: all of one object, and all that failed to reach a merchant."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q

RESULT_TYPES = (
    "order.success",
    "order.failed",
    "order.closed",
    "refund.success",
    "refund.failed",
)


class Migration(migrations.Migration):
    dependencies = [("acquiring", "0010_speed")]

    operations = [
        migrations.AddIndex(
            model_name="merchantevent",
            index=models.Index(
                condition=~Q(type__in=RESULT_TYPES),
                fields=["object_no"],
                name="acquiring_event_of_object",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=Q(status="DEAD"),
                fields=["merchant_no", "event"],
                name="acquiring_delivery_dead",
            ),
        ),
    ]
