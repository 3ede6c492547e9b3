"""Logs: one JSON object per line on standard error, with the request's id and without secrets."""

from __future__ import annotations

import json
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog

from paymentplatform.kernel import context
from paymentplatform.kernel.redaction import REDACTED, is_secret_name, redact_value

_OURS: Final = frozenset({"event", "level", "timestamp", "logger", "request_id", "method", "route"})
_encode: Final = msgspec.json.Encoder(enc_hook=repr, order=None).encode

_LINE_ENDS: Final = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}
"""What JSON leaves as it is and some readers take for the end of a line."""

EventDict = MutableMapping[str, Any]


def add_context(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Say under which request and for whom this happened."""
    if (request_id := context.request_id.get()) and "request_id" not in event:
        event["request_id"] = request_id
    if (actor := context.actor.get()) != "system":
        event.setdefault("actor", actor)
    return event


def redact_event(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Keep secrets out, whether they are named as such or only look like it."""
    for name, value in event.items():
        if type(value) is int or (name in _OURS and name != "event"):
            continue
        if is_secret_name(name):
            event[name] = REDACTED
        else:
            event[name] = redact_value(value)
    return event


def render_line(_logger: Any, _method: str, event: EventDict) -> str:
    """Write one line; JSON escapes CR and LF, we the other line ends, so nobody can forge a second one."""
    try:
        line = _encode(event).decode()
    except UnicodeEncodeError:
        return json.dumps(dict(event), default=repr)
    return line if line.isascii() else line.translate(_LINE_ENDS)


def write_answer(**fields: Any) -> None:
    """Write the line of an answered request: what structlog would write, at a quarter of the cost.

    The caller has taken secrets out of what comes from outside.
    """
    event: EventDict = fields | {"event": "request", "level": "info"}
    event["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    sys.stderr.write(render_line(None, "info", add_context(None, "info", event)) + "\n")


class StandardErrorLogger:
    """Writes each rendered line with one call, to whatever standard error is at that moment."""

    def msg(self, line: str) -> None:
        """Write the line."""
        sys.stderr.write(line + "\n")

    log = debug = info = warning = warn = error = critical = fatal = failure = exception = err = msg


_SHARED: Final[list[Any]] = [
    structlog.contextvars.merge_contextvars,
    add_context,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    redact_event,
]

structlog.configure(
    processors=[*_SHARED, render_line],
    wrapper_class=structlog.make_filtering_bound_logger(20),
    logger_factory=lambda *_args: StandardErrorLogger(),
    cache_logger_on_first_use=True,
)

LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, render_line],
            "foreign_pre_chain": [structlog.stdlib.add_logger_name, *_SHARED],
            "use_get_message": True,
        },
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stderr",
            "formatter": "json",
        },
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # Every answer has its own line already; these would tell the same again.
        "django.request": {"level": "CRITICAL"},
        "django.server": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
        "django_structlog": {"level": "WARNING"},
    },
}
