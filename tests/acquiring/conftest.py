"""Scripted channels for settlement: a refund through one of them ends when the test says so."""

from tests.engine.conftest import channels

__all__ = ["channels"]
