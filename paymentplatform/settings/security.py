"""Everything whose only purpose is that others cannot do what they should not."""

from __future__ import annotations

from urllib.parse import urlsplit

from csp.constants import NONCE, NONE, SELF

from paymentplatform.settings.base import BASE_URL
from paymentplatform.settings.environment import (
    env,
    in_production,
    outside_production,
    smaller_in_tests,
)
from paymentplatform.settings.payments import CHANNEL_PAGE_ORIGINS

SECRET_KEY = env.str(
    "SECRET_KEY", default=outside_production("demo-only-secret-key-that-production-refuses-to-use")
)
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])

_LOCAL_HOSTS = ["127.0.0.1", "localhost", "[::1]", "testserver", urlsplit(BASE_URL).hostname or ""]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[] if in_production else _LOCAL_HOSTS)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[BASE_URL] if BASE_URL else [])

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
_VALIDATION = "django.contrib.auth.password_validation"
PAYMENT_PASSWORD_MEMORY_KIB = smaller_in_tests("PAYMENT_PASSWORD_MEMORY_KIB", 65536)
"""What one guess at a payer's payment password costs. Tests open hundreds of wallets; they pay less."""
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
    {"NAME": f"{_VALIDATION}.NumericPasswordValidator"},
]

# TLS ends at a proxy; the platform itself speaks plain HTTP. The proxy must overwrite these headers.
BEHIND_TLS_PROXY = env.bool("BEHIND_TLS_PROXY", default=in_production)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS_PROXY else None
SECURE_SSL_REDIRECT = BEHIND_TLS_PROXY
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if in_production else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = in_production
SECURE_HSTS_PRELOAD = in_production
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

COOKIE_PREFIX = "__Host-" if in_production else ""
"""Of every cookie: browsers then take it over TLS, from this host and for every path alone."""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}session"
SESSION_COOKIE_SECURE = in_production
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 8 * 3600
WALLET_COOKIE_NAME = f"{COOKIE_PREFIX}wallet"
"""Of payers in their wallet; nothing to do with operators' sessions."""
CSRF_FAILURE_VIEW = "paymentplatform.exception_handler.handle_csrf_failure"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrftoken"
CSRF_COOKIE_SECURE = in_production
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_NAME = f"{COOKIE_PREFIX}language"
LANGUAGE_COOKIE_SECURE = in_production
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"

DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
FILE_UPLOAD_HANDLERS: list[str] = []

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        # A browser checks every redirect that follows a form, and the payer is sent on to an institution.
        "form-action": [SELF, *CHANNEL_PAGE_ORIGINS],
        "frame-src": list(CHANNEL_PAGE_ORIGINS) or [NONE],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "object-src": [NONE],
    },
}
ADMIN_CONTENT_SECURITY_POLICY = {
    "script-src": [SELF, NONCE, "'unsafe-eval'"],
    "style-src": [SELF, "'unsafe-inline'"],
    "form-action": [SELF],
    "frame-src": [NONE],
}
"""What differs under /admin/: its widgets evaluate expressions that stand in attributes."""
