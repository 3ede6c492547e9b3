"""Statement files of every form are read fully, or refused whole with a sentence that names the line."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engine.channels.sandbox import codec
from engine.models import Statement, StatementLine
from engine.services.statements import StatementFile, import_statement
from engine.statement_contracts import StatementRefused
from engine.statements.encodings import inspect_file, open_text
from engine.statements.layouts import LAYOUTS, choose_layout
from engine.statements.records import Reading
from engine.statements.records import StatementLine as ReadLine
from paymentplatform.kernel.errors import InvalidRequest, NotFound
from tests.statements import Line, sandbox_text

DAY = date(2026, 3, 14)
ACCOUNT = codec.ACCOUNTS["sandbox"]
LINES = [
    Line("SBX1", "att_1", 10_00),
    Line("SBX2", "att_2", 5_50, fee=1),
    Line("SBR1", "rfd_1", 2_00, kind="REFUND"),
    Line("SBX3", "att_3", 700, currency="JPY"),
]
GOOD = sandbox_text(DAY, LINES)

WECHAT_COLUMNS = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,"
    "微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
WECHAT = f"""{WECHAT_COLUMNS}
`2026-03-14 10:01:02,`wx1,`19001,`0,`,`4200001,`att_1,`o1,`NATIVE,`SUCCESS,`OTHERS,`CNY,`10.00,`0.00,`0,`0,`0.00,`0.00\
,`,`,`茶,`,`0.06000,`0.60%,`10.00,`0.00,`
`2026-03-14 11:00:00,`wx1,`19001,`,`,`4200001,`att_1,`o1,`NATIVE,`REFUND,`OTHERS,`CNY,`0.00,`0.00,`5030001,`rfd_1,`4.00\
,`0.00,`ORIGINAL,`SUCCESS,`茶,`,`-0.02000,`0.60%,`0.00,`4.00,`
总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额
`2,`10.00,`4.00,`0.00,`0.04000,`10.00,`4.00
""".replace("\n", "\r\n")
ALIPAY_COLUMNS = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,"
    "支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
    "退款批次号/请求号,服务费（元）,分润（元）,备注"
)
ALIPAY = f"""#支付宝业务明细查询
#账号：[20880001]
#起始日期：[2026年03月14日 00:00:00]   终止日期：[2026年03月15日 00:00:00]
#-----------------------------------------业务明细列表----------------------------------------
{ALIPAY_COLUMNS}
2026031422001\t,att_1\t,交易\t,茶,2026-03-14 09:00:00,2026-03-14 09:00:05,,,,,a***@b.c,10.00,10.00,0.00,0.00,0.00,0.00\
,0.00,,0.00,0.00,,-0.06,0.00,
2026031422001\t,att_1\t,退款\t,茶,2026-03-14 19:00:00,2026-03-14 19:00:05,,,,,a***@b.c,-4.00,-4.00,0.00,0.00,0.00,0.00\
,0.00,,0.00,0.00,rfd_1\t,0.02,0.00,
#-----------------------------------------业务明细列表结束------------------------------------
#交易合计：1笔，商家实收共10.00元，商家优惠共0.00元
#退款合计：1笔，商家实收退款共-4.00元，商家优惠退款共0.00元
#导出时间：[2026年03月15日 05:01:01]
"""
CAMT = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>m1</MsgId></GrpHdr>
<Stmt><Id>s1</Id><FrToDt><FrDtTm>2026-03-14T00:00:00</FrDtTm><ToDtTm>2026-03-14T23:59:59</ToDtTm></FrToDt>
<Acct><Id><Othr><Id>BANK-1</Id></Othr></Id></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">100.00</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">107.50</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
<Ntry><Amt Ccy="CNY">9.99</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-03-14</Dt></BookgDt>
<NtryDtls><TxDtls><Refs><EndToEndId>SETTLE-1</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="CNY">2.49</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-03-14</Dt></BookgDt>
<AcctSvcrRef>REF-2</AcctSvcrRef></Ntry>
<Ntry><Amt Ccy="CNY">5.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>PDNG</Cd></Sts><AcctSvcrRef>R3</AcctSvcrRef></Ntry>
</Stmt></BkToCstmrStmt></Document>
"""


def read(text: str, layout: str | None = None) -> tuple[list[ReadLine], Reading]:
    """Read a text fully."""
    reading = Reading()
    found = choose_layout(beginning=text[:8_192], code=layout)
    return list(found.read(io.StringIO(text, newline=None), reading)), reading


def facts(lines: list[ReadLine]) -> list[tuple[Any, ...]]:
    return [(one.kind, one.match_key, one.amount, one.currency, one.fee) for one in lines]


def test_the_sandboxes_own_form():
    lines, reading = read(GOOD)
    assert facts(lines) == [
        ("CHARGE", "SBX1", 10_00, "CNY", 1),
        ("CHARGE", "SBX2", 5_50, "CNY", 1),
        ("REFUND", "rfd_1", 2_00, "CNY", 0),
        ("CHARGE", "SBX3", 700, "JPY", 1),
    ]
    assert (reading.head.account, reading.head.statement_date) == (ACCOUNT, DAY)
    assert reading.totals["CNY", "CHARGE"].amount == 15_50


def test_a_bill_in_the_form_of_wechat_pay():
    lines, reading = read(WECHAT)
    assert facts(lines) == [
        ("CHARGE", "4200001", 10_00, "CNY", 6),
        ("REFUND", "rfd_1", 4_00, "CNY", -2),
    ]
    assert lines[0].request_no == "att_1"
    assert lines[0].occurred_at == "2026-03-14T10:01:02+08:00"
    assert reading.head.account == "19001"


def revoked(*, ordered: str, returned: str) -> str:
    """The bill with one order more that was cancelled."""
    line = (
        "`2026-03-14 12:00:00,`wx1,`19001,`,`,`4200009,`att_9,`o1,`MICROPAY,`REVOKED,`OTHERS,`CNY,`0.00,`0.00,`0,`0,"
        f"`{returned},`0.00,`ORIGINAL,`SUCCESS,`茶,`,`0.00000,`0.60%,`{ordered},`{returned},`\r\n"
    )
    bill = WECHAT.replace("总交易单数,", line + "总交易单数,")
    back = f"{4 + float(returned):.2f}"
    return bill.replace(
        "`2,`10.00,`4.00,`0.00,`0.04000,`10.00,`4.00",
        f"`3,`10.00,`{back},`0.00,`0.04000,`10.00,`{back}",
    )


def test_an_order_of_wechat_pay_that_was_cancelled_is_what_went_back_of_it():
    lines, reading = read(revoked(ordered="0.00", returned="3.00"))
    assert facts(lines)[2:] == [("REFUND", "att_9", 3_00, "CNY", 0)]
    assert (lines[2].channel_trade_no, reading.lines) == ("4200009", 3)


def test_an_order_of_wechat_pay_that_was_cancelled_unpaid_is_a_line_without_money():
    lines, reading = read(revoked(ordered="0.00", returned="0.00"))
    assert facts(lines) == facts(read(WECHAT)[0])
    assert (reading.lines, reading.totals) == (3, read(WECHAT)[1].totals)


def test_a_bill_in_the_form_of_alipay():
    lines, reading = read(ALIPAY)
    assert facts(lines) == [
        ("CHARGE", "2026031422001", 10_00, "CNY", 6),
        ("REFUND", "rfd_1", 4_00, "CNY", -2),
    ]
    assert (reading.head.account, reading.head.statement_date) == ("20880001", DAY)


def test_a_bank_statement_in_camt_053():
    lines, reading = read(CAMT)
    assert facts(lines) == [
        ("CREDIT", "SETTLE-1", 9_99, "CNY", 0),
        ("DEBIT", "REF-2", 2_49, "CNY", 0),
    ]
    assert (reading.head.account, reading.head.statement_date) == ("BANK-1", DAY)


BROKEN = {
    "cut off in the lines": "\n".join(GOOD.splitlines()[:4]),
    "cut off in the totals": GOOD[: GOOD.index("#END")],
    "cut off in a word": GOOD[:-4],
    "no total of a currency": "\n".join(
        row for row in GOOD.splitlines() if "#TOTAL,JPY" not in row
    ),
    "wrong total": GOOD.replace("#TOTAL,CNY,2,1550", "#TOTAL,CNY,2,1551"),
    "wrong count": GOOD.replace("#TOTAL,CNY,2,", "#TOTAL,CNY,3,"),
    "wrong fees": GOOD.replace("1,200,2\n", "1,200,3\n"),
    "wrong chargebacks": GOOD.replace("1,200,2\n", "1,200,2,CHARGEBACKS,1,7\n"),
    "chargebacks that no total has": GOOD.replace("REFUND,", "CHARGEBACK,").replace(
        "1,200,2\n", "0,0,2\n"
    ),
    "wrong number of lines": GOOD.replace("#END,4", "#END,5"),
    "a line after the end": GOOD + GOOD.splitlines()[2] + "\n",
    "an altered amount": GOOD.replace(",1000,CNY", ",1001,CNY"),
    "a cell too many": GOOD.replace(",1000,CNY", ",1000,1,CNY"),
    "a fraction": GOOD.replace(",1000,CNY", ",1000.5,CNY"),
    "a minus": GOOD.replace(",1000,CNY", ",-1000,CNY"),
    "other digits": GOOD.replace(",1000,CNY", ",１０００,CNY"),
    "nothing": GOOD.replace(",1000,CNY", ",0,CNY"),
    "too much": GOOD.replace(",1000,CNY", f",{10**16},CNY"),
    "an unknown currency": GOOD.replace(",1000,CNY", ",1000,XXX"),
    "an unknown kind": GOOD.replace("CHARGE,SBX1", "GIFT,SBX1"),
    "no number": GOOD.replace("CHARGE,SBX1,", "CHARGE,,"),
    "a number too long": GOOD.replace("SBX1", "S" * 65),
    "an escape in a number": GOOD.replace("SBX1", "SB\x1b1"),
    "no time": GOOD.replace("T12:00:00+08:00", "Tnoon", 1),
    "an open quote": GOOD.replace("CHARGE,SBX1", 'CHARGE,"SBX1'),
    "no header": GOOD.replace("request_no", "request"),
    "wechat: another merchant in one line": WECHAT.replace("`19001", "`19002", 1),
    "wechat: a state nobody knows": WECHAT.replace("`SUCCESS,`OTHERS", "`CLOSED,`OTHERS"),
    "wechat: a cancelled order that counts as paid": revoked(
        ordered="3.00", returned="0.00"
    ).replace("`0.04000,`10.00", "`0.04000,`13.00"),
    "wechat: a refund of nothing": WECHAT.replace("`4.00,`\r", "`0.00,`\r"),
    "wechat: a fraction of a fen": WECHAT.replace("`0.06000", "`0.06100"),
    "wechat: wrong fees": WECHAT.replace("`0.04000", "`0.05000"),
    "wechat: cut off": WECHAT[: WECHAT.index("总交易单数")],
    "alipay: wrong refunds": ALIPAY.replace("共-4.00元", "共-4.01元"),
    "alipay: cut off": ALIPAY[: ALIPAY.index("#退款合计")],
    "camt: balances do not fit": CAMT.replace("107.50", "107.51"),
    "camt: cut off": CAMT[:-40],
    "camt: no reference": CAMT.replace("<AcctSvcrRef>REF-2</AcctSvcrRef>", ""),
    "camt: entities": CAMT.replace("<Document", "<!DOCTYPE d [<!ENTITY a 'b'>]><Document", 1),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_file_that_is_not_whole_is_refused(text: str):
    layout = next(
        (code for code in LAYOUTS if code in ("wechat", "alipay") and text in _of(code)), None
    )
    with pytest.raises(StatementRefused):
        read(text, layout)


def _of(code: str) -> list[str]:
    return [text for name, text in BROKEN.items() if name.startswith(code)]


ENCODED = {
    "utf-8": GOOD.encode(),
    "with BOM": GOOD.encode("utf-8-sig"),
    "CRLF": GOOD.replace("\n", "\r\n").encode(),
    "quoted": GOOD.replace("CHARGE,SBX1,", '"CHARGE","SBX1",').encode(),
}


@pytest.mark.parametrize("body", ENCODED.values(), ids=ENCODED.keys())
def test_encodings_and_line_ends_make_no_difference(tmp_path: Path, body: bytes):
    assert facts(_read_bytes(tmp_path, body)) == facts(read(GOOD)[0])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk"])
@pytest.mark.parametrize("text", [WECHAT, ALIPAY], ids=["wechat", "alipay"])
def test_chinese_bills_in_chinas_encodings(tmp_path: Path, encoding: str, text: str):
    assert facts(_read_bytes(tmp_path, text.encode(encoding))) == facts(read(text)[0])


def _read_bytes(folder: Path, body: bytes) -> list[ReadLine]:
    path = folder / "file"
    path.write_bytes(body)
    found = inspect_file(path)
    with open_text(path, found) as stream:
        layout = choose_layout(beginning=stream.read(8_192))
    with open_text(path, found) as stream:
        return list(layout.read(stream, Reading()))


@pytest.mark.parametrize(
    "body",
    [b"", GOOD.encode() + b"\0", b"\xff\xfe\xfa" * 20, b"\x81"],
    ids=["empty", "NUL", "noise", "half"],
)
def test_what_is_no_text_is_refused(tmp_path: Path, body: bytes):
    path = tmp_path / "file"
    path.write_bytes(body)
    with pytest.raises(StatementRefused):
        inspect_file(path)


class TestImport:
    """Into the database: one transaction, one row for one file."""

    def file(
        self, folder: Path, text: str, *, day: date = DAY, name: str = "f.csv"
    ) -> StatementFile:
        path = folder / name
        path.write_text(text, encoding="utf-8")
        return StatementFile("sandbox", day, path)

    def kept(self, day: date) -> list[tuple[int, int]]:
        rows = Statement.objects.filter(channel_code="sandbox", statement_date=day)
        return [
            (row.version, StatementLine.objects.filter(statement_no=row.pk).count())
            for row in rows.order_by("version")
        ]

    def test_the_same_file_again_is_the_same_statement(self, tmp_path: Path):
        day = date(2025, 1, 1)
        file = self.file(tmp_path, sandbox_text(day, LINES), day=day)
        first, again = import_statement(file), import_statement(file)
        assert (first.repeated, again.repeated) == (False, True)
        assert again.statement_no == first.statement_no
        assert self.kept(day) == [(1, 4)]
        assert first.totals["CNY"]["CHARGE"] == {"count": 2, "amount": 15_50, "fee": 2}

    def test_a_corrected_file_is_the_next_version_and_says_what_changed(self, tmp_path: Path):
        day = date(2025, 1, 2)
        import_statement(self.file(tmp_path, sandbox_text(day, LINES), day=day))
        corrected = [LINES[0].but(amount=11_00), *LINES[2:], Line("SBX9", "att_9", 1_00)]
        done = import_statement(self.file(tmp_path, sandbox_text(day, corrected), day=day))
        assert done.version == 2
        assert {name: done.changes[name] for name in ("added", "changed", "removed")} == {
            "added": 1,
            "changed": 1,
            "removed": 1,
        }
        counting = Statement.objects.get(statement_date=day, superseded_at__isnull=True)
        assert counting.version == 2
        old = import_statement(self.file(tmp_path, sandbox_text(day, LINES), day=day))
        assert (old.repeated, old.superseded) == (True, True)

    @pytest.mark.parametrize(
        ("text", "day", "channel", "error"),
        [
            (BROKEN["wrong total"], DAY, "sandbox", StatementRefused),
            (GOOD, date(2025, 1, 3), "sandbox", StatementRefused),
            (GOOD, DAY, "sandbox2", StatementRefused),
            (CAMT, DAY, "sandbox", StatementRefused),
            (GOOD, DAY, "nobody", NotFound),
            (GOOD, date(2999, 1, 1), "sandbox", InvalidRequest),
        ],
        ids=["broken", "another day", "another account", "a bank's", "no channel", "not yet"],
    )
    def test_a_refused_file_leaves_nothing(
        self, tmp_path: Path, text: str, day: date, channel: str, error: type[Exception]
    ):
        before = (Statement.objects.count(), StatementLine.objects.count())
        path = tmp_path / "f"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(error):
            import_statement(StatementFile(channel, day, path))
        assert (Statement.objects.count(), StatementLine.objects.count()) == before

    def test_an_absent_file_is_refused(self, tmp_path: Path):
        with pytest.raises(StatementRefused):
            import_statement(StatementFile("sandbox", DAY, tmp_path / "nowhere"))

    def test_a_dry_run_reads_everything_and_keeps_nothing(self, tmp_path: Path):
        day = date(2025, 1, 4)
        done = import_statement(
            self.file(tmp_path, sandbox_text(day, LINES), day=day), dry_run=True
        )
        assert (done.statement_no, done.line_count) == (None, 4)
        assert self.kept(day) == []

    def test_a_file_that_changes_while_it_is_read_is_refused(self, tmp_path: Path):
        day = date(2025, 1, 5)
        lines = [Line(f"SBX{n}", f"att_{n}", 100) for n in range(10_001)]
        file = self.file(tmp_path, sandbox_text(day, lines), day=day)

        def touch(read_lines: int) -> None:
            if read_lines == 10_000:
                with file.path.open("a", encoding="utf-8") as stream:
                    stream.write("\n")

        with pytest.raises(StatementRefused):
            import_statement(file, on_progress=touch)
        assert self.kept(day) == []
