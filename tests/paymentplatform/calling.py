"""Call a WSGI application the way a server does, and keep what it answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def call(application: Any, method: str, target: str, body: bytes = b"", **environ: Any) -> Answer:
    """Send one request; ``environ`` adds or replaces WSGI variables."""
    path, _, query = target.partition("?")
    variables = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "HTTP_HOST": "127.0.0.1:8000",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json" if body else "",
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "wsgi.input": BytesIO(body),
        "wsgi.url_scheme": "http",
        **environ,
    }
    started: list[Any] = []
    result = application(variables, lambda status, headers: started.extend((status, headers)))
    answer = b"".join(result)
    if hasattr(result, "close"):
        result.close()
    return Answer(int(started[0].split()[0]), dict(started[1]), answer)
