"""The cache of configuration: old after a while, refreshed by one, and never remembering a refusal."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from paymentplatform.kernel import cache, metrics
from paymentplatform.kernel.cache import ConfigCache, StampedCache
from tests.barrier import run_times

SECONDS = 5.0
OLDEST_S = SECONDS * 1.2


class Clock:
    """The cache's own clock, moved by hand."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    monkeypatch.setattr(cache, "time", SimpleNamespace(monotonic=moved.monotonic))
    return moved


class Source:
    """What is loaded: the number of the load; ``gate`` holds loads until the test opens it."""

    def __init__(self) -> None:
        self.loads = 0
        self.refuses = False
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()

    def load(self, _key: str) -> int:
        self.loads += 1
        self.begun.set()
        assert self.gate.wait(60)
        if self.refuses:
            raise LookupError
        return self.loads


def test_a_value_is_loaded_once_and_again_when_it_is_old(clock: Clock):
    source = Source()
    cached = ConfigCache(source.load, name="test", seconds=SECONDS)
    assert [cached.get("a"), cached.get("a")] == [1, 1]
    clock.now += SECONDS * 0.8 - 0.01
    assert cached.get("a") == 1
    clock.now += OLDEST_S - SECONDS * 0.8 + 0.02
    assert [cached.get("a"), cached.get("a")] == [2, 2]
    assert (cached.hits, cached.misses, source.loads) == (3, 2, 2)


def test_entries_do_not_all_become_old_together(clock: Clock):
    cached = ConfigCache(Source().load, name="test", seconds=SECONDS)
    for n in range(200):
        cached.get(str(n))
    ages = {entry[0] - clock.now for entry in cached._entries.values()}
    assert len(ages) > 100
    assert min(ages) >= SECONDS * 0.8
    assert max(ages) <= OLDEST_S


def test_one_refreshes_while_the_others_keep_the_old_value(clock: Clock):
    source = Source()
    cached = ConfigCache(source.load, name="test", seconds=SECONDS)
    cached.get("a")
    clock.now += OLDEST_S + 1
    source.gate.clear()
    source.begun.clear()
    answers: list[int] = []
    refreshing = threading.Thread(target=lambda: answers.append(cached.get("a")))
    refreshing.start()
    assert source.begun.wait(60)
    assert run_times(8, lambda: cached.get("a")) == [1] * 8
    source.gate.set()
    refreshing.join(60)
    assert answers == [2]
    assert cached.get("a") == 2
    assert source.loads == 2


def test_a_refusal_is_not_remembered_and_drops_the_old_value(clock: Clock):
    source = Source()
    cached = ConfigCache(source.load, name="test", seconds=SECONDS)
    cached.get("a")
    clock.now += OLDEST_S + 1
    source.refuses = True
    for _again in range(2):
        with pytest.raises(LookupError):
            cached.get("a")
    assert "a" not in cached._entries, "a revoked key may not be served while another thread asks"
    source.refuses = False
    assert cached.get("a") == 4


def test_it_stays_small_and_forgets_when_told(clock: Clock):
    source = Source()
    cached = ConfigCache(source.load, name="test", seconds=SECONDS, limit=3)
    for n in range(10):
        cached.get(str(n))
        assert len(cached._entries) <= 3
    cached.forget()
    assert cached.get("9") == 11


def test_what_has_the_same_stamp_is_kept_without_loading_it_again(clock: Clock):
    source, stamps = Source(), {"a": 1}
    cached = ConfigCache(source.load, name="test", seconds=SECONDS, read_stamp=stamps.__getitem__)
    assert cached.get("a") == 1
    for _age in range(3):
        clock.now += OLDEST_S + 1
        assert cached.get("a") == 1
    stamps["a"] = 2
    assert cached.get("a") == 1, "not asked again before it is old"
    clock.now += OLDEST_S + 1
    assert [cached.get("a"), cached.get("a")] == [2, 2]
    assert (source.loads, cached.misses) == (2, 5)


def test_a_change_while_it_loads_is_seen_at_the_next_look(clock: Clock):
    stamp = [1]

    def load(_key: str) -> int:
        stamp[0] += 1
        return stamp[0]

    cached = ConfigCache(load, name="test", seconds=SECONDS, read_stamp=lambda _key: stamp[0])
    assert cached.get("a") == 2
    clock.now += OLDEST_S + 1
    assert cached.get("a") == 3


def test_hits_and_misses_are_counted_under_its_name(clock: Clock):
    def counted(result: str) -> float:
        return metrics.CONFIG_CACHE_LOOKUPS.labels("counted", result)._value.get()

    before = counted("hit"), counted("miss")
    cached = ConfigCache(Source().load, name="counted", seconds=SECONDS)
    for _again in range(10):
        cached.get("a")
    assert (counted("hit") - before[0], counted("miss") - before[1]) == (9, 1)


class TestStamped:
    """What is remembered as long as the stamp stands that was read before."""

    def test_the_same_stamp_is_a_hit_and_another_one_loads_again(self):
        source = Source()
        cached: StampedCache[str, int] = StampedCache(name="test", limit=10)

        def ask(key: str, stamp: object) -> int:
            return cached.get(key, stamp=stamp, load=lambda: source.load(key))

        assert [ask("a", 1), ask("a", 1), ask("b", 1), ask("a", 1)] == [1, 1, 2, 1]
        assert [ask("a", 2), ask("a", 2), ask("a", 1)] == [3, 3, 4], "an older stamp is another one"

    def test_a_load_that_fails_is_not_remembered(self):
        source = Source()
        cached: StampedCache[str, int] = StampedCache(name="test", limit=10)
        source.refuses = True
        with pytest.raises(LookupError):
            cached.get("a", stamp=1, load=lambda: source.load("a"))
        source.refuses = False
        assert cached.get("a", stamp=1, load=lambda: source.load("a")) == 2

    def test_the_ones_not_asked_for_lately_go_first(self):
        source = Source()
        cached: StampedCache[str, int] = StampedCache(name="test", limit=2)

        def ask(key: str) -> int:
            return cached.get(key, stamp=1, load=lambda: source.load(key))

        assert [ask("a"), ask("b"), ask("a"), ask("c"), ask("a")] == [1, 2, 1, 3, 1]
        assert ask("b") == 4
