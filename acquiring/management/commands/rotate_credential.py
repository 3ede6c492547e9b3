"""``manage.py rotate_credential``: one more key for a merchant; the old ones go on until they are revoked."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from acquiring.services.credentials import rotate_credential
from paymentplatform.kernel.commands import OperatorCommand, Report
from paymentplatform.kernel.errors import InvalidRequest

BEARER = "bearer"


class Command(OperatorCommand):
    """Add a key. 0 added, 1 no such merchant or key, 2 wrong use."""

    help = "Add a credential to a merchant; revokes nothing unless --revoke names a key."

    def add_options(self, parser: ArgumentParser) -> None:
        """Name the merchant and the kind of key."""
        parser.add_argument("--merchant", required=True, metavar="MERCHANT_NO")
        parser.add_argument("--algorithm", required=True, help=BEARER)
        parser.add_argument("--revoke", metavar="KEY_ID", help="end this key in the same moment")

    def perform(self, options: dict[str, Any]) -> Report:
        """Add the key and show its secret, once."""
        if options["algorithm"] != BEARER:
            raise InvalidRequest(
                f"--algorithm {options['algorithm']} comes with signed requests; today there is {BEARER}."
            )
        issued = rotate_credential(merchant_no=options["merchant"], revoke_key_id=options["revoke"])
        return Report(
            {
                "merchant_no": options["merchant"],
                "key_id": issued.key_id,
                "secret_key": issued.secret,
                "revoked": options["revoke"],
            }
        )
