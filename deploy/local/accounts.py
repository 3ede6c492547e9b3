"""Which system account PostgreSQL runs as, and what that account can reach.

PostgreSQL refuses to run as root. When we are root, it runs as an account that already exists; we
make no accounts, and we never open anybody's folders to it.
"""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.errors import LauncherError

DEDICATED = ("postgres", "embedded_postgres", "pgserver", "nobody")


@dataclass(frozen=True)
class Account:
    """The account for a server; `user_id` None means: the one that we are."""

    user_id: int | None
    group_id: int | None

    def for_subprocess(self) -> dict[str, Any]:
        """Return the arguments that make `subprocess` become this account."""
        if self.user_id is None:
            return {}
        return {"user": self.user_id, "group": self.group_id, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give one file or folder to the account (not what is in it)."""
        if self.user_id is not None and self.group_id is not None:
            os.chown(path, self.user_id, self.group_id)

    def can(self, test: str, path: Path) -> bool:
        """Ask the system as this account: `-x` on a folder is 'may pass', on a file 'may run'."""
        return (
            subprocess.run(
                ["/bin/sh", "-c", f'test {test} "$1"', "sh", str(path)],
                cwd="/",
                check=False,
                **self.for_subprocess(),
            ).returncode
            == 0
        )


def account_for(data: Path) -> Account:
    """Choose the account: ourselves, or as root the owner of existing data, or a dedicated one."""
    if os.geteuid() != 0:
        return Account(user_id=None, group_id=None)
    if data.exists() and data.stat().st_uid != 0:
        return Account(user_id=data.stat().st_uid, group_id=data.stat().st_gid)
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in DEDICATED:
        if name in known:
            return Account(user_id=known[name].pw_uid, group_id=known[name].pw_gid)
    raise LauncherError("PostgreSQL cannot run as root, and there is no account 'nobody' to use.")
