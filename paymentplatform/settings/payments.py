"""The platform's own settings; seconds carry ``_S``."""

from __future__ import annotations

from paymentplatform.settings.environment import (
    PROJECT_DIR,
    env,
    in_production,
    kind,
    outside_production,
    tunable_int,
    tunable_ints,
)

BUSINESS_TIME_ZONE = env.str("BUSINESS_TIME_ZONE", default="Asia/Shanghai")

FIELD_ENCRYPTION_KEY = env.str(
    "FIELD_ENCRYPTION_KEY",
    default=outside_production("ZGVtby1vbmx5LWZpZWxkLWVuY3J5cHRpb24ta2V5ISE="),
)
"""Fernet key of secrets at rest; several, comma-separated, while one is being replaced (newest first)."""

SUPPORT_CONTACT = env.str(
    "SUPPORT_CONTACT", default=outside_production("mailto:support@pay.example")
)
"""How payers reach the support, on their pages: text, or a link by mailto:, tel:, http: or https:. Empty: not shown."""

_SANDBOX_CHANNELS = [
    "engine.channels.sandbox.adapter.SANDBOX",
    "engine.channels.sandbox.adapter.SANDBOX2",
]
CHANNELS = env.list("CHANNELS", default=[] if in_production else _SANDBOX_CHANNELS)
CHANNEL_CALL_SLOTS = env.int("CHANNEL_CALL_SLOTS", default=8)
"""Request threads of one web process that may wait for channels at once: half of its threads (16 by default).

The others leave their attempt to a worker and answer PAYING, so that a silent institution cannot stop the API.
"""

SANDBOX_URL = env.str("SANDBOX_URL", default=outside_production("http://127.0.0.1:8100")).rstrip(
    "/"
)
SANDBOX_SIGNING_KEY = env.str(
    "SANDBOX_SIGNING_KEY", default=outside_production("demo-only-sandbox-signing-key")
)
SANDBOX_API_URL = env.str("SANDBOX_API_URL", default="")
"""Where the institution's API is; by default the port after that of SANDBOX_URL."""

CHANNEL_PAGE_ORIGINS = env.list(
    "CHANNEL_PAGE_ORIGINS", default=[SANDBOX_URL] if SANDBOX_URL else []
)
"""Origins of institutions' own pages: cashier forms may lead there, card fields may be framed from there."""

MERCHANT_RATE_LIMIT_PER_S = env.int(
    "MERCHANT_RATE_LIMIT_PER_S", default=100 if in_production else 10_000
)
"""Requests a second of a merchant for whom operators have set no other number."""

PLATFORM_RATE_LIMIT_PER_S = env.int("PLATFORM_RATE_LIMIT_PER_S", default=0)
"""Requests a second of all merchants together: what the machine can do, so that nobody waits long; 0: no limit."""

WRONG_KEYS_PER_MINUTE = env.int("WRONG_KEYS_PER_MINUTE", default=60 if in_production else 0)
"""Keys that do not exist, from one address, before it must wait; 0: no limit."""

WRONG_PASSWORDS_PER_ADDRESS = env.int(
    "WRONG_PASSWORDS_PER_ADDRESS", default=30 if in_production else 0
)
"""Wrong payment passwords from one address in ten minutes, over all payers, before it must wait; 0: no limit."""

ORDER_MAX_TRIES = tunable_int("ORDER_MAX_TRIES", 5)
SWEEP_BATCH = tunable_int("SWEEP_BATCH", 500)
PROPOSAL_EXPIRES_S = tunable_int("PROPOSAL_EXPIRES_S", 7 * 86_400)
NOT_FOUND_GRACE_S = tunable_int("NOT_FOUND_GRACE_S", 30)
INQUIRY_SCHEDULE_S = tunable_ints(
    "INQUIRY_SCHEDULE_S",
    (3, 5, 10, 15, 30, 60, 120, 300, 600, 1800, *(3600,) * 24, 86_400),
)
"""Seconds between inquiries; the last one repeats for ever, and reaching it opens a Case for people."""

CHANNEL_COST_PPM: dict[str, int] = env.json(
    "CHANNEL_COST_PPM", default={} if in_production else {"sandbox": 1_000, "sandbox2": 1_500}
)
"""What a channel keeps of a charge by contract, in millionths, half up; fees of others are not compared."""

PLATFORM_BANK_ACCOUNT = env.str("PLATFORM_BANK_ACCOUNT", default=outside_production("BANK-1"))
"""The account (IBAN or number) that A20 stands for, as the bank's statements name it; empty: none is compared."""

CUTOFF_GRACE_DAYS = tunable_int("CUTOFF_GRACE_DAYS", 3)
"""Days whose files may still show money of ours that its own day's file does not, before it is a difference."""

RECONCILE_DAYS_BACK = tunable_int("RECONCILE_DAYS_BACK", 0 if kind == "test" else 3)
"""How many days before today the clock fetches and reconciles by itself; 0: only by command."""

LATE_MONEY_SLA_HOURS = env.int("LATE_MONEY_SLA_HOURS", default=24)
"""Hours after which late money that has not ended is shown as overdue."""

CHANNEL_EXPOSURE_LIMIT = tunable_int("CHANNEL_EXPOSURE_LIMIT", 0)
"""Minor units per channel and currency whose result may be unknown before nothing new goes there; 0: no limit."""

CHANNEL_EXPOSURE_EXEMPT = frozenset() if in_production else frozenset({"sandbox", "sandbox2"})
"""Channels without that limit and without breakers: what the sandbox's scenarios do on purpose must close neither.

None in production.
"""

BREAKER_WINDOW_S = tunable_int("BREAKER_WINDOW_S", 60)
"""Seconds of requests that a circuit breaker looks at."""

BREAKER_MIN_BAD = tunable_int("BREAKER_MIN_BAD", 5)
"""Requests of a channel and method without a usable answer that open its breaker, if they are half of all."""

BREAKER_OPEN_S = tunable_int("BREAKER_OPEN_S", 30)
"""Seconds for which a breaker stays open the first time; twice as long each next time, ten minutes at most."""

WEBHOOK_LADDER_S = tunable_ints(
    "WEBHOOK_LADDER_S", (0, 15, 30, 180, 600, 1200, 1800, 3600, 7200, 21600, 54000)
)
WEBHOOK_ALLOW_LOOPBACK = env.bool("WEBHOOK_ALLOW_LOOPBACK", default=kind != "production")
"""Webhooks to 127.0.0.0/8 and ::1 by plain http, for a merchant's server on the same machine."""

DEMO_SHOP_SECRET_KEY = env.str("DEMO_SHOP_SECRET_KEY", default="")
DEMO_SHOP_WEBHOOK_SECRET = env.str("DEMO_SHOP_WEBHOOK_SECRET", default="")
DEMO_SHOP_FILE = env.str("DEMO_SHOP_FILE", default=str(PROJECT_DIR / ".run" / "demo.json"))
"""Where the demo shop finds its keys: the first two, or the file that ``run.py`` writes after seeding."""

RISK_DECISION_DAYS = env.int("RISK_DECISION_DAYS", default=400)
"""Days for which risk decisions are kept, with the addresses in them; 30 at least, whatever is set."""

CONSULT_RECORD_DAYS = env.int("CONSULT_RECORD_DAYS", default=90)
"""Days for which is kept what consult answered for an order; 30 at least."""

LAST_USE_DAYS = env.int("LAST_USE_DAYS", default=400)
"""Days for which is kept that a payer whom his merchant has named paid from a balance; 30 at least."""

RISK_COUNT_TIMEOUT_S = env.float("RISK_COUNT_TIMEOUT_S", default=0.1)
"""A payment waits no longer than this for its velocity counters in Redis."""

RISK_ALLOW_UNCOUNTED_UP_TO = {
    currency: int(amount)
    for currency, amount in env.dict("RISK_ALLOW_UNCOUNTED_UP_TO", default={"CNY": "20000"}).items()
}
"""Minor units by currency: while velocity counters cannot be read, enforced velocity rules let payments up to this
amount through and refuse larger ones; 0 for a currency that is not named."""
