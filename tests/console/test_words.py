"""What operators read is there in both languages: every text is translated, none is in doubt, and it is compiled."""

from __future__ import annotations

import io

import pytest
from babel.messages.extract import extract_python
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets, label_for_field
from django.test import RequestFactory
from django.utils.translation import gettext, override, templatize

from acquiring.contracts import OrderClosed
from paymentplatform.console.selectors import ALL_INVARIANTS
from paymentplatform.kernel.admin import ReadOnlyAdmin
from paymentplatform.kernel.admin_acts import describe_refusal
from paymentplatform.kernel.errors import all_error_classes
from tests.architecture.sources import PRODUCT
from tests.console.test_admin import OURS
from tests.environment import ROOT

CATALOGUE = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES"
KEYWORDS = {
    "_": None,
    "say": None,
    "gettext": None,
    "gettext_noop": None,
    "gettext_lazy": None,
    "pgettext": ((1, "c"), 2),
}


def texts() -> dict[str, str]:
    """Every text that our code and our templates ask the catalogue for, with a place of it."""
    found: dict[str, str] = {}
    for folder in (*PRODUCT, "templates"):
        for path in [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.html")]:
            source = path.read_text("utf-8")
            code = source if path.suffix == ".py" else templatize(source)
            for _line, _name, message, _comments in extract_python(
                io.BytesIO(code.encode()), KEYWORDS, [], {}
            ):
                text = (message if isinstance(message, tuple) else (message,))[-1]
                found.setdefault(text or "", str(path.relative_to(ROOT)))
    found.pop("", None)
    return found


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def test_every_text_is_translated_without_doubt():
    with (CATALOGUE / "django.po").open("rb") as written:
        catalogue = read_po(written, locale="zh_Hans")
    assert [message.id for message in catalogue if message.fuzzy and message.id] == []
    translated = {message.id for message in catalogue if message.string}
    assert {text: place for text, place in texts().items() if text not in translated} == {}


def test_every_refusal_begins_in_the_operators_language():
    """What was wrong this time is said in English, as the API says it; what kind of refusal it is, is not."""
    with override("zh-hans"):
        english = [
            one.code for one in all_error_classes().values() if gettext(one.title) == one.title
        ]
        told = describe_refusal(OrderClosed("Closed at noon."))
    assert english == []
    assert told == "订单已关闭: Closed at noon. (order_closed)"
    with override("en"):
        assert describe_refusal(OrderClosed("Closed at noon.")) == "Closed at noon. (order_closed)"


def test_every_promise_of_the_books_is_read_in_the_operators_language():
    with override("zh-hans"):
        english = [one.title for one in ALL_INVARIANTS if not is_chinese(gettext(one.title))]
    assert english == [], "the catalogue has each title as its invariant says it"


def test_the_compiled_catalogue_is_the_written_one():
    with (CATALOGUE / "django.po").open("rb") as written:
        catalogue = read_po(written, locale="zh_Hans")
    with (CATALOGUE / "django.mo").open("rb") as compiled:
        binary = read_mo(compiled)
    assert {message.id: message.string for message in binary if message.id} == {
        message.id: message.string for message in catalogue if message.id
    }


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_every_label_of_a_page_is_chinese_for_a_chinese_operator(model):
    page = admin.site._registry[model]
    assert isinstance(page, ReadOnlyAdmin)
    request = RequestFactory().get("/")
    shown = [*page.list_display, *flatten_fieldsets(page.get_fieldsets(request))]
    with override("zh-hans"):
        labels = {name: str(label_for_field(name, model, page)) for name in shown}
        assert {name: label for name, label in labels.items() if not is_chinese(label)} == {}
        assert is_chinese(str(model._meta.verbose_name))
        assert is_chinese(str(model._meta.verbose_name_plural))
