"""Headings of the operators' pages."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.defaultfilters import capfirst

register = template.Library()


@register.filter
def as_heading(title: Any) -> str:
    """Begin with a capital letter, unless it begins with a number of ours, which is written as it is."""
    text = str(title)
    return text if "_" in text.partition(" ")[0] else str(capfirst(text))
