"""A statement in CSV, declared as data: which columns, which words, which totals. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any, Final, TextIO

from engine.statements.amounts import MAX_LINE_AMOUNT, AmountReader, read_major
from engine.statements.records import (
    LineKind,
    Reading,
    StatementLine,
    StatementRefused,
    refuse,
)
from paymentplatform.kernel.money import is_currency

Row = list[str]
Rows = Any
"""A ``csv.reader``, whose type has no public name."""
_TOTALS: Final = {
    "charges": (LineKind.CHARGE, "count"),
    "charged": (LineKind.CHARGE, "amount"),
    "refunds": (LineKind.REFUND, "count"),
    "refunded": (LineKind.REFUND, "amount"),
    "chargebacks": (LineKind.CHARGEBACK, "count"),
    "charged_back": (LineKind.CHARGEBACK, "amount"),
}
_COUNTS: Final = frozenset({"lines", "charges", "refunds", "chargebacks"})
_CHINESE_DATE: Final = str.maketrans({"年": "-", "月": "-", "日": ""})
_MAX_NUMBER: Final = 64
_PREAMBLE_LINES: Final = 50
_CHINA: Final = timezone(timedelta(hours=8), "Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class KindRule:
    """How the lines of one kind are read.

    ``amount``, ``fee``, ``trade_no`` and ``request_no`` name columns (``fee`` None: no fee). ``…_sign`` is −1 where the
    form writes a minus that only says which way the money went. What the institution keeps is a positive fee, what it
    gives back a negative one. ``may_be_nothing``: a line without money is one of the file's, and says nothing that
    books could disagree with.
    """

    kind: LineKind
    amount: str
    trade_no: str
    request_no: str
    fee: str | None = None
    amount_sign: int = 1
    fee_sign: int = 1
    may_be_nothing: bool = False


@dataclass(frozen=True, slots=True)
class CsvLayout:
    """One form of CSV statement.

    The header is the first row that has all of ``columns``; what stands before it is searched for ``head`` patterns
    with groups ``account`` and ``date``. ``kind_column`` holds one of ``kinds``. The first row of another width than
    the header ends the lines. From there every row, its cells cleaned and joined by commas, must be one of
    ``trailers`` or of ``totals``, whose named groups have to agree with the lines: ``lines``; and ``charges``,
    ``charged``, ``refunds``, ``refunded``, ``chargebacks``, ``charged_back`` and ``fees`` in the group ``currency`` or
    the layout's only one. After ``end``, one of the totals, only trailers may stand; a file without it was cut off.
    ``tick`` stands before each cell; ``exact`` says that cells have nothing around them.
    """

    code: str
    columns: tuple[str, ...]
    kind_column: str
    kinds: Mapping[str, KindRule]
    time_column: str
    totals: tuple[re.Pattern[str], ...]
    end: re.Pattern[str]
    head: tuple[re.Pattern[str], ...] = ()
    trailers: tuple[re.Pattern[str], ...] = ()
    currency_column: str | None = None
    currency: str = "CNY"
    account_column: str | None = None
    read_amount: AmountReader = read_major
    tick: str = ""
    exact: bool = False
    zone: timezone = _CHINA

    def recognises(self, beginning: str) -> bool:
        """Whether one of the first rows is this form's header."""
        try:
            rows = list(csv.reader(beginning.splitlines()[:_PREAMBLE_LINES]))
        except csv.Error:
            return False
        return any(self._is_header(self._clean_all(row)) for row in rows)

    def read(self, stream: TextIO, reading: Reading) -> Iterator[StatementLine]:
        """Yield every line; see ``records.Layout``."""
        rows = csv.reader(stream, strict=True)
        try:
            header = self._find_header(rows, reading)
            parse, width, count = self._make_parser(header, reading), len(header), reading.count
            row: Row | None
            for row in rows:
                if len(row) != width:
                    break
                line = parse(row, rows.line_num)
                if line is None:
                    reading.lines += 1
                    continue
                yield count(line)
            else:
                row = None
            self._check_closing(row, rows, reading)
        except csv.Error as error:
            raise refuse(rows.line_num, f"is no CSV ({error})") from error

    def _clean_all(self, row: Row) -> Row:
        return [cell.strip().removeprefix(self.tick) for cell in row]

    def _is_header(self, row: Row) -> bool:
        return set(self.columns) <= set(row)

    def _find_header(self, rows: Rows, reading: Reading) -> Row:
        for row in rows:
            cleaned = self._clean_all(row)
            if self._is_header(cleaned):
                if len(set(cleaned)) != len(cleaned):
                    raise refuse(rows.line_num, "names a column twice")
                return cleaned
            self._read_head(",".join(cleaned), rows.line_num, reading)
            if rows.line_num > _PREAMBLE_LINES:
                break
        raise StatementRefused(f"The file has no header of the form {self.code}.")

    def _read_head(self, text: str, line_no: int, reading: Reading) -> None:
        for pattern in self.head:
            found = pattern.search(text)
            said = found.groupdict() if found is not None else {}
            if said.get("account"):
                reading.head.account = said["account"]
            if said.get("date"):
                try:
                    reading.head.statement_date = date.fromisoformat(
                        said["date"].translate(_CHINESE_DATE)
                    )
                except ValueError as error:
                    raise refuse(line_no, "names no date") from error

    def _make_parser(
        self, header: Row, reading: Reading
    ) -> Callable[[Row, int], StatementLine | None]:
        """Bind column numbers once: this runs for every one of a million lines."""
        at = {name: number for number, name in enumerate(header)}
        kinds = {
            word: _BoundKind(
                rule=rule,
                amount_at=at[rule.amount],
                fee_at=at[rule.fee] if rule.fee else -1,
                trade_at=at[rule.trade_no],
                request_at=at[rule.request_no],
            )
            for word, rule in self.kinds.items()
        }
        kind_at, time_at = at[self.kind_column], at[self.time_column]
        currency_at = at[self.currency_column] if self.currency_column else -1
        account_at = at[self.account_column] if self.account_column else -1
        clean = None if self.exact else self._clean_all
        read_amount, zone = self.read_amount, self.zone

        def parse(raw: Row, line_no: int) -> StatementLine | None:
            row = raw if clean is None else clean(raw)
            bound = kinds.get(row[kind_at])
            if bound is None:
                raise refuse(line_no, f"has the unknown kind {row[kind_at][:32]!r}")
            currency = row[currency_at] if currency_at >= 0 else self.currency
            if not is_currency(currency):
                raise refuse(line_no, f"has the unknown currency {currency[:8]!r}")
            if account_at >= 0:
                _check_account(row[account_at], reading, line_no)
            amount, fee = bound.read_amounts(row, currency, read_amount, line_no)
            if not amount:
                return None
            key, trade_no, request_no = bound.read_numbers(row, line_no)
            at = _read_time(row[time_at], zone, line_no)
            return StatementLine(
                line_no, bound.rule.kind.value, key, trade_no, request_no, amount, currency, fee, at
            )

        return parse

    def _check_closing(self, row: Row | None, rows: Rows, reading: Reading) -> None:
        """Read what follows the lines, to the end of the file."""
        ended, totalled = False, set[str]()
        while row is not None:
            text = ",".join(self._clean_all(row))
            rule = next((rule for rule in self.totals if rule.fullmatch(text)), None)
            if rule is not None and not ended:
                self._check_total(text, rule, reading, rows.line_num, totalled)
                ended = rule is self.end
            elif text and not any(trailer.fullmatch(text) for trailer in self.trailers):
                raise refuse(rows.line_num, f"is neither a line nor a total: {text[:60]!r}")
            row = next(rows, None)
        if not ended:
            raise StatementRefused("The file ends without its totals: it was cut off.")
        missing = {currency for currency, _ in reading.totals} - totalled
        if missing:
            raise StatementRefused(f"The file has no totals of {', '.join(sorted(missing))}.")

    def _check_total(
        self, text: str, rule: re.Pattern[str], reading: Reading, line_no: int, totalled: set[str]
    ) -> None:
        found = rule.fullmatch(text)
        said = found.groupdict() if found is not None else {}
        currency = said.pop("currency", None) or self.currency
        if set(said) - {"lines"}:
            totalled.add(currency)
        for name, value in said.items():
            counted = _counted(name, currency, reading)
            figure = value or "0"  # a total that is left out says that there is none
            try:
                told = int(figure) if name in _COUNTS else abs(self.read_amount(figure, currency))
            except (KeyError, ValueError) as error:
                raise refuse(line_no, f"has a total that is none: {figure[:32]!r}") from error
            if told != (counted if name in _COUNTS else abs(counted)):
                raise refuse(line_no, f"says {name} {told}, the lines {counted}")


@dataclass(frozen=True, slots=True)
class _BoundKind:
    """A kind's rule with the numbers of its columns."""

    rule: KindRule
    amount_at: int
    fee_at: int
    trade_at: int
    request_at: int

    def read_amounts(
        self, row: Row, currency: str, read_amount: AmountReader, line_no: int
    ) -> tuple[int, int]:
        """Return amount and fee in minor units."""
        try:
            amount = read_amount(row[self.amount_at], currency) * self.rule.amount_sign
            fee = (
                read_amount(row[self.fee_at], currency) * self.rule.fee_sign
                if self.fee_at >= 0
                else 0
            )
        except ValueError as error:
            raise refuse(line_no, f"has an amount that is none: {str(error)[:32]!r}") from error
        least = 0 if self.rule.may_be_nothing else 1
        if not least <= amount <= MAX_LINE_AMOUNT or not -amount <= fee <= amount:
            raise refuse(line_no, f"has impossible amounts: {amount}, fee {fee}")
        return amount, fee

    def read_numbers(self, row: Row, line_no: int) -> tuple[str, str, str]:
        """Return what the line is known by, the institution's number and ours."""
        trade_no, request_no = row[self.trade_at], row[self.request_at]
        key = (request_no or trade_no) if self.rule.kind is LineKind.REFUND else trade_no
        together = trade_no + request_no
        if (
            not key
            or len(trade_no) > _MAX_NUMBER
            or len(request_no) > _MAX_NUMBER
            or not together.isprintable()
        ):
            raise refuse(line_no, "has no usable number")
        return key, trade_no, request_no


def _counted(name: str, currency: str, reading: Reading) -> int:
    """Return what the lines say about one named total."""
    if name == "lines":
        return reading.lines
    if name == "fees":
        return sum(total.fee for (code, _), total in reading.totals.items() if code == currency)
    kind, attribute = _TOTALS[name]
    total = reading.totals.get((currency, kind))
    return getattr(total, attribute) if total is not None else 0


def _check_account(account: str, reading: Reading, line_no: int) -> None:
    if reading.head.account is None:
        reading.head.account = account
    if account != reading.head.account:
        raise refuse(line_no, "is of another account")


def _read_time(text: str, zone: timezone, line_no: int) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise refuse(line_no, f"has no time: {text[:32]!r}") from error
    return text if moment.tzinfo is not None else moment.replace(tzinfo=zone).isoformat()
