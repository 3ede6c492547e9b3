"""The platform's database and its two roles, made the same way for running and for testing.

`platform_owner` owns the database and changes its structure; `platform_app` logs in for daily work
and owns nothing, so that no mistake in the application can drop a trigger that guards the ledger.
What the application may touch is granted by the platform's own migrations.
"""

from deploy.local.postgres import ADMIN, Cluster

DATABASE = "platform"
OWNER = "platform_owner"
APPLICATION = "platform_app"

PREPARE = f"""
SELECT 'CREATE ROLE {OWNER}' WHERE to_regrole('{OWNER}') IS NULL \\gexec
SELECT 'CREATE ROLE {APPLICATION}' WHERE to_regrole('{APPLICATION}') IS NULL \\gexec
ALTER ROLE {OWNER} LOGIN NOSUPERUSER NOCREATEROLE :owner_rights PASSWORD :'owner_password';
ALTER ROLE {APPLICATION} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB PASSWORD :'app_password';
SELECT 'CREATE DATABASE {DATABASE} OWNER {OWNER}'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec
REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE {DATABASE} TO {APPLICATION};
\\connect {DATABASE}
ALTER SCHEMA public OWNER TO {OWNER};
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
"""  # noqa: S608 (our own constants; passwords come in as psql variables)


def prepare(
    cluster: Cluster, *, owner_password: str, app_password: str, owner_makes_databases: bool = False
) -> dict[str, str]:
    """Make or correct roles and database; return the addresses as environment variables.

    Tests make databases of their own, so only there the owner may do that.
    """
    rights = "CREATEDB" if owner_makes_databases else "NOCREATEDB"
    cluster.execute(
        f"\\set owner_password '{owner_password}'\n\\set app_password '{app_password}'\n"
        f"\\set owner_rights {rights}\n{PREPARE}"
    )
    return {
        "DATABASE_URL": _url(cluster, APPLICATION, app_password),
        "MIGRATION_DATABASE_URL": _url(cluster, OWNER, owner_password),
    }


def admin_url(cluster: Cluster) -> str:
    """Return the superuser's address, which only the test environment is given."""
    return _url(cluster, ADMIN, cluster.admin_password)


def _url(cluster: Cluster, role: str, password: str) -> str:
    return f"postgresql://{role}:{password}@127.0.0.1:{cluster.port}/{DATABASE}"
