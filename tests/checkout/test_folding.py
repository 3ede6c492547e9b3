"""A folded template draws what Django draws from the files, byte for byte, whatever the context holds."""

from __future__ import annotations

import copy
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import render
from django.template import Context, Engine, engines
from django.test import RequestFactory
from django.utils import translation

from checkout.views.folding import _Fold, _fold_template, render_folded

ROOT: Final = Path(settings.PROJECT_DIR) / "templates"
FILES: Final = [
    file
    for folder in ("agreements", "cashier", "wallet")
    for file in sorted((ROOT / folder).glob("*.html"))
]
WORDS: Final = sorted(
    {word for file in FILES for word in re.findall(r"[a-z][a-z_]+", file.read_text("utf-8"))}
    - {"csrf_token", "request"}
)
HOSTILE: Final = "</script><b onload='x'>&\"{{ csrf_token }}{% now 'Y' %}"
_TOKEN: Final = re.compile(r'(?<=csrfmiddlewaretoken" value=")\w{64}')


class Anything:
    """A value that says hostile things, holds two of its kind, and is true or equal to a word as its draw has it."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, path: str, draw: int) -> None:
        self._path, self._draw = path, draw

    def _toss(self, about: object) -> bool:
        return zlib.crc32(f"{self._draw} {self._path} {about}".encode()) % 2 == 0

    def __getitem__(self, name: object) -> Anything:
        if isinstance(name, int):
            raise IndexError
        return Anything(f"{self._path}.{name}", self._draw)

    def __iter__(self) -> Iterator[Anything]:
        return iter((self["first"], self["second"]))

    def __len__(self) -> int:
        return 12 if self._toss("long") else 2

    def __bool__(self) -> bool:
        return self._toss("true")

    def __eq__(self, other: object) -> bool:
        return self._toss(other)

    def __radd__(self, before: str) -> str:
        return f"{before}clock"  # the name of an icon

    def __str__(self) -> str:
        return f"{self._path} {HOSTILE}"


def ask() -> HttpRequest:
    request = RequestFactory().get("/cashier/x")
    request.META["CSRF_COOKIE"] = "a" * 32
    request.csp_nonce = "bm9uY2U="  # type: ignore[attr-defined]
    return request


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("name", [str(file.relative_to(ROOT)) for file in FILES])
def test_it_draws_the_same(name: str, language: str) -> None:
    contexts: list[dict[str, Any]] = [{}]
    contexts += [{word: Anything(word, draw) for word in WORDS} for draw in range(8)]
    with translation.override(language):
        for context in contexts:
            plain = _TOKEN.sub("*", render(ask(), name, dict(context)).content.decode())
            folded = _TOKEN.sub("*", render_folded(ask(), name, dict(context)).content.decode())
            assert folded == plain
            assert "onload='" not in folded


def test_languages_stay_apart_and_the_files_as_they_were() -> None:
    def draw(language: str) -> str:
        with translation.override(language):
            return render_folded(ask(), "cashier/closing.html", {}, status=202).content.decode()

    first, chinese, again = draw("en"), draw("zh-hans"), draw("en")
    assert first == again
    assert "The order is being closed" in first
    assert "The order is being closed" not in chinese
    with translation.override("zh-hans"):
        assert render(ask(), "cashier/closing.html", {}).content.decode() == chinese


def test_what_is_constant_is_gone() -> None:
    """One node instead of a dozen for whatever is the same on every page."""
    with translation.override("en"):
        folded = _fold_template("cashier/closing.html", "en").template.nodelist
    kinds = [type(node).__name__ for node in folded]
    assert not {"TranslateNode", "BlockNode", "ExtendsNode", "LoadNode"} & set(kinds)
    assert "TextNode TextNode" not in " ".join(kinds)
    plain = engines["django"].get_template("cashier/closing.html").template.nodelist  # type: ignore[attr-defined]
    assert [type(node).__name__ for node in plain] == ["ExtendsNode"]


def test_blocks_of_an_included_file_are_its_own() -> None:
    files = {
        "child": "{% extends 'base' %}{% block a %}child{% endblock %}",
        "base": "{% block a %}base{% endblock %} {% include 'part' %} {% include 'kin' %}",
        "part": "{% block a %}part{% endblock %}",
        "kin": "{% extends 'part' %}{% block a %}kin{% endblock %}",
    }
    engine = Engine(loaders=[("django.template.loaders.locmem.Loader", files)])
    plain = engine.get_template("child")
    folded = copy.copy(plain)
    folded.nodelist = _Fold(plain).fold(plain.nodelist, {})
    assert folded.render(Context()) == plain.render(Context()) == "child part kin"
