"""The words on the institution's own pages, in Simplified Chinese and English. Pure."""

from __future__ import annotations

from typing import Final

LANGUAGES: Final = ("zh", "en")

WORDS: Final[dict[str, dict[str, str]]] = {
    "zh": {
        "phone": "扫码付款",
        "wallet": "钱包付款",
        "bank": "网上银行",
        "card": "银行卡付款",
        "3ds": "3-D Secure 验证",
        "notice": "沙箱机构，不会发生真实扣款",
        "payee": "收款方",
        "payee_name": "演示支付平台",
        "subject": "商品",
        "order": "订单号",
        "expires": "请在此时间前付款",
        "pay": "确认付款",
        "decline": "拒绝付款",
        "back": "返回商户",
        "account": "账号",
        "password": "密码",
        "any": "沙箱中任意内容均可",
        "login": "登录",
        "card_number": "卡号",
        "card_expiry": "有效期（月/年）",
        "card_code": "安全码",
        "card_bad": "卡号无效，请检查后重试",
        "code": "短信验证码",
        "done": "付款成功",
        "done_text": "可以关闭此页面，结果以商户页面为准",
        "failed": "付款未成功",
        "failed_text": "没有扣款",
        "closed": "此笔付款已关闭",
        "closed_text": "没有扣款，请回到商户重新下单",
        "waiting": "正在处理",
        "waiting_text": "您已确认，机构正在处理",
        "missing": "没有这笔付款",
        "missing_text": "请核对二维码或链接",
        "banks": "选择银行",
        "save_card": "保存此卡，下次付款免填",
        "test_cards": "测试卡号",
        "by_hand": "沙箱：选择这笔付款的结果",
        "as_ordered": "按订单设定",
        "other": "English",
    },
    "en": {
        "phone": "Scan to pay",
        "wallet": "Wallet payment",
        "bank": "Online banking",
        "card": "Card payment",
        "3ds": "3-D Secure check",
        "notice": "Sandbox institution: no real money moves",
        "payee": "Pay to",
        "payee_name": "Demo payment platform",
        "subject": "For",
        "order": "Order",
        "expires": "Pay before",
        "pay": "Pay",
        "decline": "Decline",
        "back": "Back to the merchant",
        "account": "Account",
        "password": "Password",
        "any": "Anything will do in the sandbox",
        "login": "Log in",
        "card_number": "Card number",
        "card_expiry": "Expiry (MM/YY)",
        "card_code": "Security code",
        "card_bad": "This card number is not valid",
        "code": "Code from the text message",
        "done": "Paid",
        "done_text": "You may close this page; the merchant's page tells the result",
        "failed": "Not paid",
        "failed_text": "Nothing was charged",
        "closed": "This payment is closed",
        "closed_text": "Nothing was charged; order again at the merchant",
        "waiting": "In progress",
        "waiting_text": "You have agreed; the institution is working on it",
        "missing": "There is no such payment",
        "missing_text": "Please check the QR code or the link",
        "banks": "Choose your bank",
        "save_card": "Save this card for the next payment",
        "test_cards": "Test card numbers",
        "by_hand": "Sandbox: choose what becomes of this payment",
        "as_ordered": "As the order says",
        "other": "中文",
    },
}

BANKS: Final[dict[str, tuple[str, str]]] = {
    "ICBC": ("中国工商银行（沙箱）", "ICBC (sandbox)"),
    "CCB": ("中国建设银行（沙箱）", "CCB (sandbox)"),
    "ABC": ("中国农业银行（沙箱）", "ABC (sandbox)"),
    "BOC": ("中国银行（沙箱）", "Bank of China (sandbox)"),
    "CMB": ("招商银行（沙箱）", "CMB (sandbox)"),
}

WALLETS: Final[dict[str, tuple[str, str]]] = {
    "BLUE_WALLET": ("蓝色钱包（沙箱）", "Blue Wallet (sandbox)"),
    "GREEN_WALLET": ("绿色钱包（沙箱）", "Green Wallet (sandbox)"),
}

SCENARIO_WORDS: Final[dict[str, tuple[str, str]]] = {
    "success": ("付款成功", "succeeds"),
    "decline": ("拒绝", "is declined"),
    "insufficient_funds": ("余额不足", "lacks funds"),
    "3ds": ("需 3-D Secure 验证", "asks for the 3-D Secure step"),
    "amount_mismatch": ("少扣最小单位 1", "charges one minor unit less"),
    "duplicate_notifications": ("重复通知 5 次", "notifies five times"),
    "out_of_order": ("旧通知后到", "notifies older states after newer"),
    "forged_notification": ("先来一条伪造通知", "a forged notification comes first"),
    "unknown_then_success": ("扣款成功，20 秒后才通知", "charges, and says so 20 s later"),
    "success_after_close": ("关闭后仍扣款", "charges after it was closed"),
    "refund_unknown": ("退款成功但不应答", "refunds without an answer"),
    "refund_decline": ("退款被拒", "refuses the refund"),
    "statement_missing": ("对账单缺此笔", "is missing in the statement"),
    "statement_extra": ("对账单多一笔", "stands twice in the statement"),
    "statement_amount_differs": ("对账单金额不符", "has another amount in the statement"),
}

EXPONENTS: Final = {"JPY": 0, "KRW": 0, "VND": 0, "BHD": 3, "KWD": 3, "OMR": 3}


def choose_language(accepted: str, wished: str = "") -> str:
    """Choose by the ``lang`` parameter, else by the first language of ``Accept-Language`` that we speak."""
    if wished in LANGUAGES:
        return wished
    for entry in accepted.lower().split(","):
        language = entry.split(";")[0].strip()[:2]
        if language in LANGUAGES:
            return language
    return "en"


def write_amount(amount: int, currency: str) -> str:
    """Write minor units for people."""
    exponent = EXPONENTS.get(currency, 2)
    whole, fraction = divmod(amount, 10**exponent)
    return f"{whole:,}" + (f".{fraction:0{exponent}d}" if exponent else "")
