"""The user manual says the same in both languages: the same pages, parts and pictures, and buttons by their names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from tests.environment import ROOT

MANUAL = ROOT / "docs" / "manual"
PAGES = sorted(path.name for path in MANUAL.glob("*.md"))
NAMES = re.compile(r"(?<![*\w])\*([^*\n]+)\*(?!\*)", re.ASCII)
LINE = re.compile(
    r"^(?P<heading>#+) |^(?P<row>\|)|^(?P<item>\d+\.|\*) |^!\[[^\]]*\]\((?P<picture>[^)]+)\)|^\*\*(?P<bold>)"
)


def parts_of(path: Path) -> list[str]:
    """The skeleton of a page: headings, table rows, list items, pictures, and paragraphs with a title."""
    found = []
    for line in path.read_text("utf-8").splitlines():
        match = LINE.match(line)
        if match and match["picture"] is not None:
            found.append(f"picture {Path(match['picture']).name}")
        elif match:
            found.append(match["heading"] or match["row"] or (match["item"] and "item") or "bold")
    return found


def links_of(path: Path) -> list[str]:
    """What a page points to, the languages' links to each other aside."""
    targets = re.findall(r"(?<!!)\[[^\]]+\]\(([^)]+)\)", path.read_text("utf-8"))
    return sorted(
        target.replace("../", "") for target in targets if not target.endswith("README.md")
    )


def words() -> dict[str, str]:
    """The catalogue's Chinese for each English text."""
    with (ROOT / "locale/zh_Hans/LC_MESSAGES/django.po").open("rb") as file:
        return {str(one.id): str(one.string) for one in read_po(file, locale="zh_Hans") if one.id}


def test_both_languages_have_the_same_pages():
    assert sorted(path.name for path in (MANUAL / "zh").glob("*.md")) == PAGES
    assert len(PAGES) > 4


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_the_same_parts_links_and_pictures(page: str):
    english, chinese = MANUAL / page, MANUAL / "zh" / page
    assert parts_of(chinese) == parts_of(english)
    assert links_of(chinese) == links_of(english)
    for path in (english, chinese):
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
    assert not re.search("images/manual/(?!zh/)", chinese.read_text("utf-8")), (
        "there is a Chinese one"
    )


def test_every_picture_is_taken_by_a_test():
    source = "".join(path.read_text("utf-8") for path in (ROOT / "tests/browser").glob("test_*.py"))
    taken = set(re.findall(r'keep_for_manual\("([\w-]+)"\)', source))
    for folder in (MANUAL, MANUAL / "zh"):
        text = "".join(path.read_text("utf-8") for path in folder.glob("*.md"))
        assert set(re.findall(r"images/([^)]+)\.png", text)) == {
            f"manual/{'zh/' if folder.name == 'zh' else ''}{name}" for name in taken
        }


@pytest.mark.parametrize("page", PAGES)
def test_what_is_pressed_has_the_name_that_stands_on_it(page: str):
    catalogue = words()
    english = NAMES.findall((MANUAL / page).read_text("utf-8"))
    chinese = set(NAMES.findall((MANUAL / "zh" / page).read_text("utf-8")))
    pressed = {name.removesuffix(" …") for name in english} & catalogue.keys()
    assert {name: catalogue[name] for name in pressed if catalogue[name] not in chinese} == {}
