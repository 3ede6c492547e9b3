"""Headings of the operators' pages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.template.defaultfilters import capfirst

from paymentplatform.kernel.admin_tables import link_number, show_time

register = template.Library()


@register.filter
def as_heading(title: Any) -> str:
    """Begin with a capital letter, unless it begins with a number of ours, which is written as it is."""
    text = str(title)
    return text if "_" in text.partition(" ")[0] else str(capfirst(text))


@register.filter
def as_link(number: str) -> Any:
    """Link a number to its page."""
    return link_number(number)


@register.filter
def as_time(at: datetime) -> Any:
    """Write a time as tables do."""
    return show_time(at)
