"""How the institution's pages look: plain HTML with its style inside, no script, nothing from outside."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from html import escape
from typing import Any, Final
from urllib.parse import urlsplit

from engine.channels.sandbox.institution.book import Book, Row
from engine.channels.sandbox.institution.scenarios import HAND_SCENARIOS, TEST_CARDS
from engine.channels.sandbox.institution.server import Response
from engine.channels.sandbox.institution.statement import ZONE
from engine.channels.sandbox.institution.words import (
    BANKS,
    SCENARIO_WORDS,
    WALLETS,
    WORDS,
    write_amount,
)

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#16202c;--soft:#5c6b7a;--paper:#fff;--ground:#eef2f6;--line:#dbe2e9;
--main:#0b6bcb;--on-main:#fff}
@media (prefers-color-scheme:dark){:root{--ink:#eef2f6;--soft:#a3b1bf;--paper:#1b2530;--ground:#10171e;
--line:#33414f;--main:#6cb4ff;--on-main:#08131f}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,"PingFang SC","Microsoft YaHei",sans-serif}
main{max-width:26rem;margin:0 auto;padding:1.25rem}main.wide{max-width:72rem}
.card{background:var(--paper);border:1px solid var(--line);border-radius:16px;padding:1.5rem}
header{display:flex;justify-content:space-between;align-items:center;margin-bottom:.5rem}
header a{display:inline-flex;align-items:center;justify-content:center;min-width:44px;min-height:44px;flex:none}
h1{font-size:1.15rem;margin:0}.amount{font-size:2.4rem;font-weight:650;margin:.5rem 0 1rem;text-align:center;
font-variant-numeric:tabular-nums}.amount small{font-size:1rem;color:var(--soft);font-weight:400}
dl{display:grid;grid-template-columns:auto 1fr;gap:.4rem 1rem;margin:0 0 1.25rem}dt{color:var(--soft)}
dd{margin:0;text-align:right;overflow-wrap:anywhere}label{display:block;margin:0 0 .9rem;color:var(--soft)}
input,select{display:block;width:100%;margin-top:.25rem;padding:.7rem;font:inherit;color:var(--ink);
background:var(--ground);border:1px solid var(--line);border-radius:10px}
label.tick{display:flex;gap:.6rem;align-items:center}label.tick input{width:1.25rem;height:1.25rem;margin:0}
details{margin-top:1rem;color:var(--soft);font-size:.875rem}summary{cursor:pointer;padding:.5rem 0}
ul{margin:0;padding-left:1.1rem}li{margin:.25rem 0}code{white-space:nowrap;color:var(--ink)}
button,a.button{display:block;width:100%;min-height:48px;margin-top:.75rem;padding:.7rem;font:inherit;
text-align:center;text-decoration:none;border:1px solid var(--line);border-radius:12px;
background:transparent;color:var(--ink);cursor:pointer}
button.main,a.main{background:var(--main);border-color:var(--main);color:var(--on-main);font-weight:600}
:focus-visible{outline:3px solid var(--main);outline-offset:2px}.soft{color:var(--soft);font-size:.875rem}
.center{text-align:center}.mark{font-size:3rem;line-height:1}.error{color:#c62828}a{color:var(--main)}
table{border-collapse:collapse;width:100%;font-size:.875rem}th,td{padding:.35rem .5rem;text-align:left;
border-bottom:1px solid var(--line);white-space:nowrap}td.number{text-align:right}.scroll{overflow-x:auto}
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def render_payer_page(
    charge: Row, *, language: str, step: str = "", error: str = "", base_url: str = ""
) -> Response:
    """Render what the payer of a charge sees now: the form of its page, or how it ended."""
    words = WORDS[language]
    if charge["status"] == "PENDING" and step != "approved":
        content = _summary(charge, words) + _form(
            charge, words, step=step, error=error, language=language
        )
    else:
        content = _ending(charge, words)
    title = words.get(charge["page"], words["phone"])
    names = {"bank": BANKS, "wallet": WALLETS}.get(charge["page"], {})
    if charge["instrument"] in names:
        title = names[charge["instrument"]][language == "en"]
    frame = base_url if charge["page"] in ("card", "3ds") else ""
    return _page(title, content, language=language, leave_to=charge["return_url"], frame=frame)


def render_missing(*, language: str) -> Response:
    """Render the page for an address that names no charge."""
    words = WORDS[language]
    content = _result("?", words["missing"], words["missing_text"])
    return _page(words["missing"], content, language=language, status=404)


def _summary(charge: Row, words: dict[str, str]) -> str:
    deadline = datetime.fromtimestamp(charge["expires_at"], ZONE).strftime("%Y-%m-%d %H:%M:%S")
    return (
        f'<p class="amount">{write_amount(charge["amount"], charge["currency"])} '
        f"<small>{escape(charge['currency'])}</small></p><dl>"
        f"<dt>{words['payee']}</dt><dd>{escape(charge['payee']) or words['payee_name']}</dd>"
        f"<dt>{words['subject']}</dt><dd>{escape(charge['subject'])}</dd>"
        f"<dt>{words['order']}</dt><dd>{escape(charge['order_no'])}</dd>"
        f"<dt>{words['expires']}</dt><dd>{deadline}</dd></dl>"
    )


def _form(charge: Row, words: dict[str, str], *, step: str, error: str, language: str) -> str:
    alert = f'<p class="error" role="alert">{words[error]}</p>' if error else ""
    asks_for_login = charge["page"] == "bank" or (charge["page"] == "wallet" and step != "confirm")
    fields, action, by_hand = "", ("pay", words["pay"]), _by_hand(words, language)
    if asks_for_login:
        fields = _field("account", words["account"], "text", "username") + _field(
            "password", words["password"], "password", "off"
        )
        fields += f'<p class="soft">{words["any"]}</p>'
    if asks_for_login and charge["page"] == "wallet":
        action, by_hand = ("login", words["login"]), ""
    elif charge["page"] == "banks":
        return f'<form method="post">{_bank_buttons(language)}{_decline(words)}</form>'
    elif charge["page"] == "card":
        fields = _card_fields(words, may_save=bool(charge["card_owner"]))
        by_hand = _card_list(words, language) + by_hand
    elif charge["page"] == "3ds":
        fields = _field("one_time_code", words["code"], "text", "one-time-code")
        fields, by_hand = f'{fields}<p class="soft">{words["any"]}</p>', ""
    return (
        f'<form method="post">{alert}{fields}'
        f'<button class="main" name="decision" value="{action[0]}">{action[1]}</button>'
        f"{_decline(words)}{by_hand}</form>"
    )


def _decline(words: dict[str, str]) -> str:
    return f'<button name="decision" value="decline" formnovalidate>{words["decline"]}</button>'


def _bank_buttons(language: str) -> str:
    return "".join(
        f'<button name="bank" value="{code}">{names[language == "en"]}</button>'
        for code, names in BANKS.items()
    )


def _card_fields(words: dict[str, str], *, may_save: bool) -> str:
    fields = (
        _field("number", words["card_number"], "text", "cc-number")
        + _field("expiry", words["card_expiry"], "text", "cc-exp")
        + _field("code", words["card_code"], "text", "cc-csc")
    )
    if not may_save:
        return fields
    return (
        f'{fields}<label class="tick"><input type="checkbox" name="save" value="yes">'
        f"{words['save_card']}</label>"
    )


def _card_list(words: dict[str, str], language: str) -> str:
    lines = "".join(
        f"<li><code>{' '.join(number[at : at + 4] for at in range(0, 16, 4))}</code> "
        f"{SCENARIO_WORDS[scenario][language == 'en']}</li>"
        for number, scenario in TEST_CARDS.items()
    )
    return f"<details><summary>{words['test_cards']}</summary><ul>{lines}</ul></details>"


def _by_hand(words: dict[str, str], language: str) -> str:
    choices = "".join(
        f'<option value="{name}">{SCENARIO_WORDS[name][language == "en"]}</option>'
        for name in HAND_SCENARIOS
    )
    return (
        f"<details><summary>{words['by_hand']}</summary>"
        f'<select name="scenario" aria-label="{words["by_hand"]}">'
        f'<option value="">{words["as_ordered"]}</option>{choices}</select></details>'
    )


def _field(name: str, label: str, kind: str, autocomplete: str) -> str:
    mode = ' inputmode="numeric"' if name in ("number", "expiry", "code", "one_time_code") else ""
    return (
        f'<label>{label}<input name="{name}" type="{kind}" autocomplete="{autocomplete}"'
        f'{mode} maxlength="64" required></label>'
    )


def _ending(charge: Row, words: dict[str, str]) -> str:
    kind, mark = {
        "SUCCEEDED": ("done", "✓"),
        "FAILED": ("failed", "✕"),
        "CLOSED": ("closed", "—"),
        "PENDING": ("waiting", "…"),
    }[charge["status"]]
    content = _result(mark, words[kind], words[f"{kind}_text"])
    if charge["method"] != "QR_CODE" and charge["return_url"]:
        url = escape(charge["return_url"])
        content += f'<a class="button main" target="_top" href="{url}">{words["back"]}</a>'
    return content


def _result(mark: str, title: str, text: str) -> str:
    return (
        f'<div class="center"><p class="mark" aria-hidden="true">{mark}</p>'
        f'<h2>{title}</h2><p class="soft">{text}</p></div>'
    )


def _page(
    title: str,
    content: str,
    *,
    language: str,
    status: int = 200,
    leave_to: str = "",
    frame: str = "",
) -> Response:
    words = WORDS[language]
    other = "en" if language == "zh" else "zh"
    html = (
        f'<!doctype html><html lang="{"zh-Hans" if language == "zh" else "en"}"><head>'
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main>"
        f'<header><h1>{title}</h1><a href="?lang={other}">{words["other"]}</a></header>'
        f'<div class="card">{content}</div><p class="soft center">{words["notice"]}</p>'
        "</main></body></html>"
    )
    return _html(html, status=status, leave_to=leave_to, frame=frame)


def render_control(book: Book, *, mode: str) -> Response:
    """Render the whole book for the people who run the demo."""
    charges = book.rows("SELECT * FROM charge ORDER BY created_at DESC LIMIT 200")
    refunds = book.rows("SELECT * FROM refund ORDER BY created_at DESC LIMIT 200")
    chargebacks = book.rows("SELECT * FROM chargeback ORDER BY created_at DESC LIMIT 200")
    cards = book.rows("SELECT * FROM card ORDER BY created_at DESC LIMIT 100")
    waiting = book.rows("SELECT * FROM outbox WHERE done_at IS NULL ORDER BY due_at LIMIT 100")
    charge_columns = (
        "channel", "order_no", "payment_no", "request_no", "method", "payee", "amount", "charged_amount",
        "currency", "status", "failure_code", "scenario", "instrument", "channel_trade_no",
    )  # fmt: skip
    refund_columns = (
        "channel", "order_no", "payment_no", "refund_no", "amount", "currency", "status",
        "failure_code", "channel_refund_no",
    )  # fmt: skip
    chargeback_columns = (
        "channel", "order_no", "payment_no", "request_no", "amount", "currency", "chargeback_no",
    )  # fmt: skip
    outbox_columns = ("kind", "channel", "request_no", "url", "tries", "result")
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sandbox institution</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<style>{_STYLE}</style></head><body><main class="wide"><h1>Sandbox institution 沙箱机构</h1>'
        f"<p>API fault: <b>{escape(mode)}</b></p>"
        + _table("Charges", charge_columns, charges)
        + _table("Refunds", refund_columns, refunds)
        + _table("Chargebacks", chargeback_columns, chargebacks)
        + _table("Saved cards", ("channel", "owner", "brand", "last4", "scenario"), cards)
        + _table("Waiting to be sent", outbox_columns, waiting)
        + "</main></body></html>"
    )
    return _html(html)


def _table(title: str, columns: tuple[str, ...], rows: list[Any]) -> str:
    head = "".join(f"<th>{column}</th>" for column in columns)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td>{escape(str(row[column]) if row[column] is not None else '')}</td>"
            for column in columns
        )
        + "</tr>"
        for row in rows
    )
    return f'<h2>{title}</h2><div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _html(html: str, *, status: int = 200, leave_to: str = "", frame: str = "") -> Response:
    parts = urlsplit(leave_to)
    origin = f" {parts.scheme}://{parts.netloc}" if parts.netloc else ""
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'{origin}; "
        f"base-uri 'none'; frame-ancestors {frame or chr(39) + 'none' + chr(39)}"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(status, html.encode(), content_type="text/html; charset=utf-8", headers=headers)
