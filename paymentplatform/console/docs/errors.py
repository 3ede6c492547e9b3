"""The page of all error codes, from the same list as ``/api/errors``."""

from __future__ import annotations

from typing import Final

from paymentplatform.documentation import list_errors
from paymentplatform.kernel.errors import all_error_classes
from paymentplatform.kernel.field_errors import FIELD_CODES

_HEAD: Final = """\
<!-- Made by `manage.py write_docs`; change the class of the error, not this page. -->
# Error codes

Every error of the API is an RFC 9457 problem document (`application/problem+json`); a running platform shows this
list at `/api/errors`, and each answer's `type` leads to its row there.

* **4xx: nothing has happened.** No row was written, no money moved, nothing was sent.
* **5xx: unknown.** The request may have taken effect. Ask (`GET /api/v1/orders/{order_no}`), or repeat it with the
  same number: see [what to do when you do not know the result](api.md#when-you-do-not-know-the-result).
* Branch on `code` and `action`, never on `title` or `detail`. New codes may come; `action` and the class of
  `status` always tell what to do with one that you do not know.

| `action` | Do |
|---|---|
| `FIX_REQUEST` | change the request: the same one will be refused again |
| `RETRY_SAME` | send the same request again, with the same numbers, a little later |
| `RETRY_LATER` | wait (`Retry-After` where given), then send it again |
| `QUERY` | ask how the object stands, then decide |
| `CONTACT` | people must talk: the operator of the platform |

*Raised by* names the floor that declares the code: `kernel` codes may come from any endpoint; those of `ledger` and
`console` are for operators and for code, and no answer of the merchant API carries them.

An `Idempotency-Key` keeps these refusals, because nothing that happens later lets the same request succeed:
{final}. After any other refusal the key may be used again.

| Code | Status | Title | `action` | Raised by | Meaning |
|---|---|---|---|---|---|
"""


_FIELDS: Final = """
## `errors[].code`: what is wrong with one field

`errors[]` names every field that was refused: `field` is its dotted path (`options.bank_code`, `metadata.table`,
`tags[1]`), empty for the body itself; `code` is one of these; `detail` says in words what to send instead. Treat a
code that you do not know as `format`.

| `code` | Means |
|---|---|
"""


def describe_errors() -> str:
    """Write the whole page."""
    rows = (
        f"| `{error.code}` | {error.status} | {error.title} | `{error.action}` | {error.floor} | {error.meaning} |\n"
        for error in list_errors()
    )
    final = ", ".join(f"`{code}`" for code, error in all_error_classes().items() if error.final)
    codes = (f"| `{code}` | {meaning} |\n" for code, meaning in FIELD_CODES.items())
    errors = _HEAD.replace("{final}", final) + "".join(rows).replace("``", "`")
    return errors + _FIELDS + "".join(codes)
