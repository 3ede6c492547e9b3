"""Production refuses unsafe values, all at once, and says which."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from paymentplatform.settings.production import find_faults, refuse_faults
from tests.environment import ROOT

KEY = "Zm9ydHktdHdvIGFuZCB0aGUgcmVzdCBpcyBzaWxlbmM="
SECRET = "p3Vw8kXq-7Lz2Nf9bRt6Jd4Hs1Gc5Ym0Qa-uEoIiPpZzKkTtWwSs"
SAFE = {
    "PLATFORM_ENV": "production",
    "DEBUG": False,
    "SECRET_KEY": SECRET,
    "SECRET_KEY_FALLBACKS": [],
    "FIELD_ENCRYPTION_KEY": KEY,
    "ALLOWED_HOSTS": ["pay.merchant-bank.com"],
    "BASE_URL": "https://pay.merchant-bank.com",
    "CSRF_TRUSTED_ORIGINS": ["https://pay.merchant-bank.com"],
    "WEBHOOK_ALLOW_LOOPBACK": False,
    "OPERATOR_SECOND_FACTOR_REQUIRED": True,
    "CHANNELS": ["engine.channels.realbank.adapter.REALBANK"],
    "SANDBOX_URL": "",
    "SANDBOX_SIGNING_KEY": "",
    "INSTALLED_APPS": ["ledger"],
    "DATABASE_URL": "postgresql://app:secret@db/platform",
    "DATABASES": {"default": {"USER": "app", "PASSWORD": "secret", "HOST": "db"}},
    "REDIS_URL": "redis://:secret@redis/0",
    "BUSINESS_TIME_ZONE": "Asia/Shanghai",
    "SWEEP_BATCH": 500,
    "ORDER_MAX_TRIES": 5,
    "NOT_FOUND_GRACE_S": 30,
    "INQUIRY_SCHEDULE_S": (3, 5, 10),
    "WEBHOOK_LADDER_S": (0, 15, 30),
}


def test_safe_values_have_no_fault() -> None:
    assert list(find_faults(SAFE)) == []


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("DEBUG", True, "DEBUG"),
        ("SECRET_KEY", "", "SECRET_KEY is missing"),
        ("SECRET_KEY", "short", "SECRET_KEY is too weak"),
        ("SECRET_KEY", "a" * 80, "SECRET_KEY is too weak"),
        ("SECRET_KEY", "django-insecure-" + SECRET, "known example"),
        ("SECRET_KEY", "demo-only-secret-key-that-production-refuses-to-use", "known example"),
        ("SECRET_KEY_FALLBACKS", ["short"], "SECRET_KEY_FALLBACKS[0]"),
        ("FIELD_ENCRYPTION_KEY", "", "FIELD_ENCRYPTION_KEY is missing"),
        ("FIELD_ENCRYPTION_KEY", "not a key", "FIELD_ENCRYPTION_KEY"),
        (
            "FIELD_ENCRYPTION_KEY",
            "ZGVtby1vbmx5LWZpZWxkLWVuY3J5cHRpb24ta2V5ISE=",
            "FIELD_ENCRYPTION_KEY",
        ),
        ("FIELD_ENCRYPTION_KEY", f"{KEY},x", "FIELD_ENCRYPTION_KEY"),
        ("ALLOWED_HOSTS", [], "ALLOWED_HOSTS is empty"),
        ("ALLOWED_HOSTS", [""], "ALLOWED_HOSTS is empty"),
        ("ALLOWED_HOSTS", ["*"], "'*'"),
        ("BASE_URL", "", "BASE_URL is missing"),
        ("BASE_URL", "http://pay.merchant-bank.com", "https://"),
        ("BASE_URL", "https://127.0.0.1", "this machine"),
        ("BASE_URL", "https://localhost", "this machine"),
        ("BASE_URL", "https://[::1]", "this machine"),
        ("BASE_URL", "https://pay.merchant-bank.com/app", "without a path"),
        ("CSRF_TRUSTED_ORIGINS", ["http://pay.merchant-bank.com"], "CSRF_TRUSTED_ORIGINS"),
        ("WEBHOOK_ALLOW_LOOPBACK", True, "WEBHOOK_ALLOW_LOOPBACK"),
        ("OPERATOR_SECOND_FACTOR_REQUIRED", False, "OPERATOR_SECOND_FACTOR_REQUIRED"),
        ("CHANNELS", ["engine.channels.Sandbox.adapter.SANDBOX"], "CHANNELS"),
        ("SANDBOX_URL", "http://127.0.0.1:1", "SANDBOX_URL"),
        ("SANDBOX_SIGNING_KEY", "x", "SANDBOX_SIGNING_KEY"),
        ("PLATFORM_FAILPOINT_DIR", "/tmp/x", "PLATFORM_FAILPOINT_DIR"),
        ("INSTALLED_APPS", ["paymentplatform.demo"], "demo shop"),
        ("INSTALLED_APPS", ["paymentplatform.demo.apps.DemoConfig"], "demo shop"),
        ("BUSINESS_TIME_ZONE", "Asia/Shangai", "BUSINESS_TIME_ZONE"),
        ("BUSINESS_TIME_ZONE", "", "BUSINESS_TIME_ZONE"),
        ("BUSINESS_TIME_ZONE", "../etc", "BUSINESS_TIME_ZONE"),
        ("SWEEP_BATCH", 0, "SWEEP_BATCH"),
        ("ORDER_MAX_TRIES", 0, "ORDER_MAX_TRIES"),
        ("NOT_FOUND_GRACE_S", 0, "NOT_FOUND_GRACE_S"),
        ("INQUIRY_SCHEDULE_S", (), "INQUIRY_SCHEDULE_S"),
        ("INQUIRY_SCHEDULE_S", (3, 0), "INQUIRY_SCHEDULE_S"),
        ("WEBHOOK_LADDER_S", (-1,), "WEBHOOK_LADDER_S"),
        ("DATABASE_URL", "", "DATABASE_URL is missing"),
        ("DATABASES", {"default": {"USER": "app", "HOST": "db"}}, "password"),
        (
            "DATABASES",
            {"default": {"USER": "app", "PASSWORD": "x"}, "owner": {"USER": "app"}},
            "MIGRATION_DATABASE_URL",
        ),
        ("REDIS_URL", "", "REDIS_URL"),
    ],
)
def test_unsafe_value_is_refused(name: str, value: object, word: str) -> None:
    faults = list(find_faults({**SAFE, name: value}))
    assert len(faults) == 1
    assert word in faults[0]


def test_other_environments_are_left_alone() -> None:
    refuse_faults({**SAFE, "PLATFORM_ENV": "demo", "DEBUG": True})


def load_settings(**environment: str) -> subprocess.CompletedProcess[str]:
    """Load the settings in a process that knows only this environment."""
    code = (
        "from django.conf import settings as s;"
        "print(s.PLATFORM_ENV, s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE,"
        " s.CSRF_COOKIE_SECURE, s.SECURE_SSL_REDIRECT, s.SECURE_HSTS_SECONDS > 10**7, sorted(s.DATABASES),"
        " 'paymentplatform.demo' in s.INSTALLED_APPS);"
        "print(s.OPERATOR_REFUND_LIMIT, s.OPERATOR_REFUND_DAY_LIMIT)"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "paymentplatform.settings",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


PRODUCTION = {
    "SECRET_KEY": SECRET,
    "FIELD_ENCRYPTION_KEY": KEY,
    "ALLOWED_HOSTS": "pay.merchant-bank.com",
    "BASE_URL": "https://pay.merchant-bank.com",
    "DATABASE_URL": "postgresql://app:secret@db/platform",
    "REDIS_URL": "redis://redis/0",
}


def test_an_empty_environment_is_production_and_every_fault_is_named_at_once() -> None:
    done = load_settings()
    assert done.returncode != 0
    for word in (
        "SECRET_KEY",
        "FIELD_ENCRYPTION_KEY",
        "ALLOWED_HOSTS",
        "BASE_URL",
        "DATABASE_URL",
        "REDIS_URL",
    ):
        assert f"{word} is " in done.stderr


def test_complete_production_starts_with_hard_cookies() -> None:
    done = load_settings(**PRODUCTION)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == (
        "production __Host-session __Host-csrftoken True True True True ['default'] False"
    )


def test_demo_comforts_do_not_leak_into_production() -> None:
    done = load_settings(
        **PRODUCTION, WEBHOOK_ALLOW_LOOPBACK="1", CHANNELS="engine.channels.sandbox.adapter.SANDBOX"
    )
    assert done.returncode != 0
    assert "WEBHOOK_ALLOW_LOOPBACK" in done.stderr
    assert "CHANNELS" in done.stderr


def test_schedules_of_tests_are_not_read_in_production() -> None:
    done = load_settings(**PRODUCTION, PLATFORM_TEST_NOT_FOUND_GRACE_S="not a number")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPERATOR_REFUND_LIMIT", "50000"),
        ("OPERATOR_REFUND_DAY_LIMIT", "JPY=1.5"),
        ("OPERATOR_REFUND_DAY_LIMIT", "CNY=1,XXX=1"),
        ("PROOF_AT_UTC", "25:00"),
        ("PROOF_AT_UTC", "19:30:01"),
        ("PROOF_AT_UTC", "19:30+08:00"),
        ("PROOF_AT_UTC", "7"),
    ],
)
def test_a_value_that_says_nothing_is_refused_by_its_name(name: str, value: str) -> None:
    done = load_settings(**PRODUCTION, **{name: value})
    assert done.returncode != 0
    assert f"ImproperlyConfigured: {name}" in done.stderr


def test_limits_are_written_as_people_write_them() -> None:
    done = load_settings(
        **PRODUCTION, OPERATOR_REFUND_LIMIT="CNY=500.5, JPY=10000", OPERATOR_REFUND_DAY_LIMIT=""
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "{'CNY': 50050, 'JPY': 10000} {}"


def test_an_unknown_kind_of_environment_is_refused() -> None:
    done = load_settings(PLATFORM_ENV="staging")
    assert done.returncode != 0
    assert "PLATFORM_ENV must be one of" in done.stderr
