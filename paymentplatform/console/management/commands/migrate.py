"""``manage.py migrate``: as the owner's role when there is one, and never two at a time."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.core.management.commands.migrate import Command as DjangoCommand
from django.db import connections

LOCK = "SELECT pg_advisory_lock(hashtextextended('paymentplatform migrate', 0))"
UNLOCK = "SELECT pg_advisory_unlock(hashtextextended('paymentplatform migrate', 0))"


class Command(DjangoCommand):
    """Django's command with our defaults."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Let ``--database`` default to the owner; take the option that all commands of ours have."""
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="the same as --plan")
        parser.set_defaults(database="owner" if "owner" in settings.DATABASES else "default")

    def handle(self, *args: Any, **options: Any) -> None:
        """Wait for anybody else who migrates, then migrate; the second one finds nothing to do."""
        options["plan"] = options["plan"] or options.pop("dry_run", False)
        connection = connections[options["database"]]
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 0")
            cursor.execute(LOCK)
            cursor.execute("RESET lock_timeout")
        try:
            super().handle(*args, **options)
        finally:
            with connection.cursor() as cursor:
                cursor.execute(UNLOCK)
