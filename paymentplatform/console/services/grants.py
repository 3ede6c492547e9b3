"""Give the application's database role what each model declares, and nothing more.

The owner's role runs this after every migration. The application owns nothing: it can neither change a table
nor drop a trigger, and it has TRUNCATE nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.apps import apps
from django.conf import settings
from django.db import connections, models, transaction

from paymentplatform.kernel import grants

OUR_APPS: Final = frozenset({"ledger", "engine", "acquiring", "checkout", "console", "demo"})
RIGHTS: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})


def application_role() -> str:
    """Return the role of DATABASE_URL."""
    return str(settings.DATABASES["default"].get("USER") or "")


def apply_grants(*, using: str = "owner") -> None:
    """Set the application role's rights on every table, sequence and function of the schema ``public``.

    Starts its own transaction. Does nothing when the application logs in as the owner itself: rights
    that one has by owning cannot be taken away.
    """
    role = application_role()
    connection = connections[using]
    with transaction.atomic(using=using), connection.cursor() as cursor:
        cursor.execute("SELECT current_user, to_regrole(%s) IS NOT NULL", [role])
        owner, role_exists = cursor.fetchone()
        if not role_exists or owner == role:
            return
        cursor.execute(_OUR_RELATIONS)
        relations = cursor.fetchall()
        cursor.execute(_OUR_FUNCTIONS)
        functions = [signature for (signature,) in cursor.fetchall()]
        cursor.execute(
            "; ".join(_statements(connection.ops.quote_name(role), relations, functions))
        )


_OUR_RELATIONS: Final = """
SELECT relname, format('public.%I', relname), relkind FROM pg_class
 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
   AND pg_get_userbyid(relowner) = current_user ORDER BY relname"""
_OUR_FUNCTIONS: Final = """
SELECT format('public.%I(%s)', proname, pg_get_function_identity_arguments(oid)) FROM pg_proc
 WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
   AND pg_get_userbyid(proowner) = current_user ORDER BY 1"""


CLOSE_BACK_DOOR: Final = """
DO $$ BEGIN
    IF to_regprocedure('public._pgtrigger_should_ignore(name)') IS NOT NULL THEN
        CREATE OR REPLACE FUNCTION public._pgtrigger_should_ignore(trigger_name name) RETURNS boolean
        LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT false';
    END IF;
END $$"""
"""pgtrigger lets any session switch guards off by a setting. Ours are never off, and asking costs time."""


def _statements(
    role: str, relations: list[tuple[str, str, str]], functions: list[str]
) -> Iterator[str]:
    """Yield the statements; the names come quoted out of the catalogue."""
    declared = declared_rights()
    yield CLOSE_BACK_DOOR
    yield "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    yield f"GRANT USAGE ON SCHEMA public TO {role}"
    for name, quoted, kind in relations:
        what = f"SEQUENCE {quoted}" if kind == "S" else f"TABLE {quoted}"
        rights = ("USAGE", "SELECT") if kind == "S" else declared.get(name, grants.READ_ONLY)
        yield f"REVOKE ALL ON {what} FROM PUBLIC, {role}"
        yield f"GRANT {', '.join(rights)} ON {what} TO {role}"
    for signature in functions:
        yield f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC"
        yield f"GRANT EXECUTE ON FUNCTION {signature} TO {role}"


def declared_rights() -> dict[str, tuple[str, ...]]:
    """Map each table to the rights its model declares.

    Our models default to MUTABLE, those of libraries (and many-to-many tables) to FULL. A table that no model
    knows can only be read. Raises ValueError for a right that is not one of RIGHTS.
    """
    declared: dict[str, tuple[str, ...]] = {}
    for model in apps.get_models(include_auto_created=True):
        default = grants.MUTABLE if model._meta.app_label in OUR_APPS else grants.FULL  # noqa: SLF001
        rights = tuple(getattr(model, "database_access", default))
        if not set(rights) <= RIGHTS or "SELECT" not in rights:
            message = f"{model.__name__}.database_access = {rights!r}"
            raise ValueError(message)
        declared[_table(model)] = rights
    return declared


def _table(model: type[models.Model]) -> str:
    return model._meta.db_table  # noqa: SLF001
