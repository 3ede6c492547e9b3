"""The forms of statement files that can be read: declared here, so that a new bill is data and no code. Pure.

The bills of WeChat Pay and Alipay are declared after their public descriptions; a word or a column that stands there
in another way is refused, never guessed.
"""

from __future__ import annotations

import re
from typing import Final

from engine.statements.amounts import read_minor
from engine.statements.camt053 import Camt053
from engine.statements.csv_layout import CsvLayout, KindRule
from engine.statements.records import Layout, LineKind, StatementRefused

_SANDBOX_END: Final = re.compile(r"#END,(?P<lines>\d+)")
SANDBOX: Final = CsvLayout(
    code="sandbox",
    columns=("type", "channel_trade_no", "request_no", "amount", "currency", "fee", "occurred_at"),
    kind_column="type",
    kinds={
        kind.value: KindRule(kind, "amount", "channel_trade_no", "request_no", fee="fee")
        for kind in (LineKind.CHARGE, LineKind.REFUND, LineKind.CHARGEBACK)
    },
    time_column="occurred_at",
    currency_column="currency",
    read_amount=read_minor,
    exact=True,
    head=(re.compile(r"#STATEMENT,1,[^,]*,(?P<account>[^,]+),(?P<date>[\d-]+),"),),
    totals=(
        re.compile(
            r"#TOTAL,(?P<currency>[A-Z]{3}),(?P<charges>\d+),(?P<charged>\d+),(?P<refunds>\d+),(?P<refunded>\d+),"
            r"(?P<fees>\d+)(?:,CHARGEBACKS,(?P<chargebacks>\d+),(?P<charged_back>\d+))?"
        ),
        _SANDBOX_END,
    ),
    end=_SANDBOX_END,
)

# 已撤销: an order that was paid and then cancelled appears under its own number, and what went back is its refund; one
# that was cancelled before anything was taken moves no money.
_WECHAT_REVOKED: Final = KindRule(
    LineKind.REFUND,
    "申请退款金额",
    "微信订单号",
    "商户订单号",
    fee="手续费",
    may_be_nothing=True,
)
_WECHAT_END: Final = re.compile(
    r"(?P<lines>\d+),[\d.]+,[\d.]+,[\d.]+,(?P<fees>-?[\d.]+),(?P<charged>[\d.]+),(?P<refunded>[\d.]+)"
)
WECHAT: Final = CsvLayout(
    code="wechat",
    columns=(
        "交易时间",
        "商户号",
        "微信订单号",
        "商户订单号",
        "交易状态",
        "商户退款单号",
        "订单金额",
        "手续费",
    ),
    kind_column="交易状态",
    kinds={
        "SUCCESS": KindRule(LineKind.CHARGE, "订单金额", "微信订单号", "商户订单号", fee="手续费"),
        "REFUND": KindRule(
            LineKind.REFUND, "申请退款金额", "微信退款单号", "商户退款单号", fee="手续费"
        ),
        "REVOKED": _WECHAT_REVOKED,
    },
    time_column="交易时间",
    currency_column="货币种类",
    account_column="商户号",
    tick="`",
    totals=(_WECHAT_END,),
    end=_WECHAT_END,
    trailers=(re.compile(r"总交易单数,.*"),),
)

_ALIPAY_END: Final = re.compile(
    r"#退款合计：(?P<refunds>\d+)笔，商家实收退款共(?P<refunded>-?[\d.]+)元，.*"
)
ALIPAY: Final = CsvLayout(
    code="alipay",
    columns=(
        "支付宝交易号",
        "商户订单号",
        "业务类型",
        "完成时间",
        "订单金额（元）",
        "服务费（元）",
    ),
    kind_column="业务类型",
    kinds={
        "交易": KindRule(
            LineKind.CHARGE,
            "订单金额（元）",
            "支付宝交易号",
            "商户订单号",
            fee="服务费（元）",
            fee_sign=-1,
        ),
        "退款": KindRule(
            LineKind.REFUND,
            "订单金额（元）",
            "支付宝交易号",
            "退款批次号/请求号",
            fee="服务费（元）",
            amount_sign=-1,
            fee_sign=-1,
        ),
    },
    time_column="完成时间",
    head=(
        re.compile(r"#账号：\[(?P<account>\d+)\]"),
        re.compile(r"#起始日期：\[(?P<date>\d{4}年\d\d月\d\d日)"),
    ),
    totals=(
        re.compile(r"#交易合计：(?P<charges>\d+)笔，商家实收共(?P<charged>[\d.]+)元，.*"),
        _ALIPAY_END,
    ),
    end=_ALIPAY_END,
    trailers=(re.compile(r"#-+业务明细列表结束-+"), re.compile(r"#导出时间：.*")),
)

LAYOUTS: Final[dict[str, Layout]] = {
    layout.code: layout for layout in (SANDBOX, WECHAT, ALIPAY, Camt053())
}


def choose_layout(*, beginning: str, code: str | None = None) -> Layout:
    """Return the layout of this code, or the only one that recognises the beginning. Raises StatementRefused."""
    if code is not None:
        if code not in LAYOUTS:
            raise StatementRefused(f"There is no layout {code}; there are {', '.join(LAYOUTS)}.")
        return LAYOUTS[code]
    fitting = [layout for layout in LAYOUTS.values() if layout.recognises(beginning)]
    if len(fitting) != 1:
        raise StatementRefused("The file has none of the known forms; name its layout.")
    return fitting[0]
