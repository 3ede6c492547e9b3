"""``manage.py rotate_credential``: one more key for a merchant; the old ones go on until they are revoked."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from acquiring.models import Credential
from acquiring.services.credentials import parse_algorithm, rotate_credential
from paymentplatform.kernel.commands import OperatorCommand, Report
from paymentplatform.kernel.errors import InvalidRequest

_MAX_FILE_BYTES = 65_536


class Command(OperatorCommand):
    """Add a key. 0 added, 1 no such merchant or key, 2 wrong use; then nothing has changed."""

    writes = "a key; with --revoke the end of another"
    again = "with `--reference` the same key; a public key, or `--revoke`, is refused; else one more key"
    ends_1 = "no such merchant or key, or another key under this reference"
    help = "Add a credential to a merchant; revokes nothing unless --revoke names a key."

    def add_options(self, parser: ArgumentParser) -> None:
        """Name the merchant and the kind of key."""
        parser.add_argument("--merchant", required=True, metavar="MERCHANT_NO")
        parser.add_argument(
            "--algorithm", required=True, help=", ".join(Credential.Algorithm.labels)
        )
        parser.add_argument(
            "--public-key",
            metavar="FILE",
            help="the merchant's public key, PEM or base64; - reads standard input",
        )
        parser.add_argument(
            "--reference",
            help="your own number for this wish: again with it, no second key is made",
        )
        parser.add_argument("--revoke", metavar="KEY_ID", help="end this key in the same moment")

    def perform(self, options: dict[str, Any]) -> Report:
        """Add the key and show its secret, if it has one, once."""
        issued = rotate_credential(
            merchant_no=options["merchant"],
            algorithm=parse_algorithm(options["algorithm"]),
            public_key=_read_key(options["public_key"]),
            revoke_key_id=options["revoke"],
            reference=options["reference"],
            dry_run=options["dry_run"],
        )
        document = {
            "merchant_no": options["merchant"],
            "algorithm": options["algorithm"],
            "key_id": issued.key_id if issued is not None else None,
        }
        if issued is not None and issued.secret:
            document["secret_key"] = issued.secret
        if issued is not None and issued.repeated:
            document["repeated"] = True
        return Report(document | {"revoked": options["revoke"], "dry_run": options["dry_run"]})


def _read_key(name: str | None) -> str | None:
    """Return the file's text, as little of it as a key can need. Raises InvalidRequest."""
    if name is None:
        return None
    try:
        if name == "-":
            return sys.stdin.read(_MAX_FILE_BYTES)
        with Path(name).open(encoding="ascii") as file:
            return file.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise InvalidRequest(f"--public-key {name}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"--public-key {name}: neither PEM nor base64, not text at all."
        ) from error
