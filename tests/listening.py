"""Servers in tests, for callers that all come at once."""

from __future__ import annotations

from http.server import ThreadingHTTPServer


class PatientServer(ThreadingHTTPServer):
    """Python's own lets five callers wait; the sixth is not heard, dials again after a second and seems late."""

    request_queue_size = 256
