"""Which kind of terminal a browser is, from its User-Agent. Only a hint: it says what is
offered, and proves nothing."""

from __future__ import annotations

from typing import Final

WEB: Final = "WEB"
WAP: Final = "WAP"
_PHONE_WORDS: Final = ("mobile", "android", "iphone", "ipod", "harmony")


def detect_terminal(user_agent: str) -> str:
    """Return WAP for a phone's browser, else WEB."""
    lowered = user_agent.lower()
    return WAP if any(word in lowered for word in _PHONE_WORDS) else WEB
