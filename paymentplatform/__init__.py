"""The composition root: the only place that may import every app. Loads the Celery app, nothing else."""

from paymentplatform.celery import app as celery_app

__all__ = ["celery_app"]
