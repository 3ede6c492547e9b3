"""Statement files as tests write them: the sandbox's form, whole or broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from engine.channels.sandbox import codec

HEADER = "type,channel_trade_no,request_no,payment_no,order_no,amount,currency,fee,occurred_at"
COST_PPM = 1_000


@dataclass(frozen=True)
class Line:
    """One line; ``fee`` None is what the sandbox keeps."""

    trade_no: str
    request_no: str
    amount: int
    kind: str = "CHARGE"
    currency: str = "CNY"
    fee: int | None = None

    @property
    def kept(self) -> int:
        """The fee as it stands in the file."""
        if self.fee is not None:
            return self.fee
        return (self.amount * COST_PPM + 500_000) // 1_000_000 if self.kind == "CHARGE" else 0

    def but(self, **changes: object) -> Line:
        """The same line with something else in it."""
        return replace(self, **changes)


def sandbox_text(day: date, lines: Sequence[Line], *, channel: str = "sandbox") -> str:
    """The file with true totals."""
    rows = [
        f"#STATEMENT,1,{channel},{codec.ACCOUNTS[channel]},{day},{day}T23:59:59+08:00",
        HEADER,
        *(
            f"{line.kind},{line.trade_no},{line.request_no},,,{line.amount},{line.currency},{line.kept},"
            f"{day}T12:00:00+08:00"
            for line in lines
        ),
    ]
    for currency in sorted({line.currency for line in lines}):
        totals = []
        for kind in ("CHARGE", "REFUND"):
            of_kind = [one.amount for one in lines if (one.kind, one.currency) == (kind, currency)]
            totals += [len(of_kind), sum(of_kind)]
        totals.append(sum(line.kept for line in lines if line.currency == currency))
        pulled = [
            one.amount for one in lines if (one.kind, one.currency) == ("CHARGEBACK", currency)
        ]
        totals += ["CHARGEBACKS", len(pulled), sum(pulled)] * bool(pulled)
        rows.append(",".join(map(str, ["#TOTAL", currency, *totals])))
    rows.append(f"#END,{len(lines)}")
    return "\n".join(rows) + "\n"


def write_statement(
    folder: Path, day: date, lines: Sequence[Line], *, name: str = "file.csv"
) -> Path:
    """The file on disk."""
    path = folder / name
    path.write_text(sandbox_text(day, lines), encoding="utf-8")
    return path
