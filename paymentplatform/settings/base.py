"""Django itself: apps, database, cache, languages, static files."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from django.utils.translation import gettext_lazy as _

from paymentplatform import logging
from paymentplatform.settings.environment import (
    PROJECT_DIR,
    env,
    in_production,
    kind,
    outside_production,
)

PLATFORM_ENV = kind
LOGGING = logging.LOGGING
DEBUG = env.bool("DEBUG", default=False)
BASE_URL = env.str("BASE_URL", default=outside_production("http://127.0.0.1:8000")).rstrip("/")
ROOT_URLCONF = "paymentplatform.urls"
WSGI_APPLICATION = "paymentplatform.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = False
PLATFORM_FAILPOINT_DIR = env.str("PLATFORM_FAILPOINT_DIR", default="")
"""Where tests arm failpoints (kernel.failpoints); production refuses it."""
TEST_RUNNER = "django.test.runner.DiscoverRunner"

_OURS = ["paymentplatform.console", "checkout", "acquiring", "engine", "ledger"]
if not in_production and find_spec("paymentplatform.demo") is not None:
    _OURS.append("paymentplatform.demo")

INSTALLED_APPS = [
    *_OURS,
    "unfold.apps.BasicAppConfig",
    "paymentplatform.console.admin_app.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "pgtrigger",
    "django_fsm",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_structlog",
    "axes",
    "csp",
]

MIDDLEWARE = [
    "paymentplatform.middleware.RequestContext",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "paymentplatform.middleware.ContentSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "paymentplatform.middleware.OperatorActor",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
_NOT_FOR_PAYERS = {
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "paymentplatform.middleware.OperatorActor",
    "django.contrib.messages.middleware.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
}
"""Static files, and everything about those who log in at the console."""
PAYER_MIDDLEWARE = [name for name in MIDDLEWARE if name not in _NOT_FOR_PAYERS]
"""Of ``paymentplatform.payer_handler``."""

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PROJECT_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ],
        },
    },
]

_SESSION_LIMITS = (
    "-c statement_timeout=15000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000"
)


def _database(role: str, url: str, session_options: str) -> dict[str, Any]:
    """Describe one role's connections: prepared statements, kept open, never checked by a query."""
    config = env.db_url_config(url)
    config["CONN_MAX_AGE"] = None
    config["CONN_HEALTH_CHECKS"] = False
    config["OPTIONS"] = {
        **config.get("OPTIONS", {}),
        "server_side_binding": True,
        "prepare_threshold": 1,
        "connect_timeout": 5,
        "application_name": f"paymentplatform-{role}",
        "options": session_options,
    }
    return dict(config)


DATABASE_URL = env.str("DATABASE_URL", default="")
DATABASES = {
    "default": _database(
        "app", DATABASE_URL or "postgresql://platform_app@127.0.0.1:5432/platform", _SESSION_LIMITS
    ),
}
MIGRATION_DATABASE_URL = env.str("MIGRATION_DATABASE_URL", default="")
if MIGRATION_DATABASE_URL:
    DATABASES["owner"] = _database("owner", MIGRATION_DATABASE_URL, "-c lock_timeout=30000")

REDIS_URL = env.str("REDIS_URL", default=outside_production("redis://127.0.0.1:6379/0"))
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "paymentplatform",
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 1, "health_check_interval": 30},
    },
}

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
FORMAT_MODULE_PATH = ["paymentplatform.formats"]
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [PROJECT_DIR / "locale"]

STATIC_URL = "/static/"
STATIC_ROOT = PROJECT_DIR / "staticfiles" if in_production else None
STATICFILES_DIRS = [path for path in (PROJECT_DIR / "static",) if path.is_dir()]
WHITENOISE_USE_FINDERS = not in_production
WHITENOISE_KEEP_ONLY_HASHED_FILES = in_production
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {
        "BACKEND": (
            "whitenoise.storage.CompressedManifestStaticFilesStorage"
            if in_production
            else "django.contrib.staticfiles.storage.StaticFilesStorage"
        ),
    },
}

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "paymentplatform.kernel.openapi_schema.StructSchema",
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "paymentplatform.exception_handler.handle_exception",
    "UNAUTHENTICATED_USER": None,
}
