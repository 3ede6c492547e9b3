"""The demo shop: a merchant of its own that knows the platform only by its HTTP API."""
