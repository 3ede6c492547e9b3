"""Scripted channels for the tests of consult, routing and acceptance, as the engine's tests have them."""

from tests.engine.conftest import channels

__all__ = ["channels"]
