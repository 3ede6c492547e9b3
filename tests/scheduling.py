"""How tests are shared out between xdist's workers: file by file, and all of the live platform's to one of them."""

from __future__ import annotations

from functools import cache

from xdist.scheduler import LoadScopeScheduling

from tests.environment import ROOT


class OnePlatform(LoadScopeScheduling):
    """One worker starts the live platform; the others never need it."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "the live platform" if _uses_the_live_platform(path) else path


@cache
def _uses_the_live_platform(path: str) -> bool:
    """Tell by what the file, or the conftest beside it, imports."""
    file = ROOT / path
    sources = [source for source in (file, file.with_name("conftest.py")) if source.exists()]
    return any("from tests.live import" in source.read_text(encoding="utf-8") for source in sources)
