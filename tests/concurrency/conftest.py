"""What races need: an institution that keeps its word, and a seed that can be played again."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.test import override_settings

from engine.channels.registry import forget_channels
from tests.concurrency.institution import KEEPER, WordKeeper


@dataclass(frozen=True)
class Rounds:
    """How many rounds to play, and the seed from which round ``n`` follows: ``RACE_SEED=… pytest …``."""

    seed: int
    count: int

    def random_of(self, number: int) -> random.Random:
        """The dice of one round."""
        return random.Random(f"{self.seed}/{number}")

    def __str__(self) -> str:
        return f"RACE_SEED={self.seed}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give hundreds of rounds more time than one test has, and thousands of them much more."""
    patience_s = 3600 if os.environ.get("RUN_LONG") == "1" else 300
    for item in items:
        if "rounds" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(patience_s))


@pytest.fixture
def rounds() -> Rounds:
    """200 rounds, 7 000 with RUN_LONG=1; the seed is shown when a test fails."""
    seed = int(os.environ.get("RACE_SEED") or random.SystemRandom().randrange(10**9))
    made = Rounds(seed, 7_000 if os.environ.get("RUN_LONG") == "1" else 200)
    print(f"\nplay again with {made}")  # noqa: T201 - pytest shows it with a failure
    return made


@pytest.fixture
def keeper() -> Iterator[WordKeeper]:
    """Make the institution that keeps its word the only channel."""
    with override_settings(CHANNELS=["tests.concurrency.institution.KEEPER"]):
        forget_channels()
        yield KEEPER
    forget_channels()
