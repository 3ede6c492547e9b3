"""``manage.py verify_dossier``: is this file what the platform signed?"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from paymentplatform.console.dossier import NoDossier, verify_dossier
from paymentplatform.kernel.commands import OperatorCommand, Report
from paymentplatform.kernel.errors import InvalidRequest


class Command(OperatorCommand):
    """Verify. 0 it is, 1 it is not, or is no dossier at all; 2 wrong use."""

    help = "Tell whether a dossier, exported as JSON, is exactly what this platform signed."
    writes = ""
    ends_1 = "it is not what this platform signed"

    def add_options(self, parser: ArgumentParser) -> None:
        """Name the file."""
        parser.add_argument("file", metavar="FILE", type=Path)

    def perform(self, options: dict[str, Any]) -> Report:
        """Read and verify."""
        try:
            text = options["file"].read_text(encoding="utf-8")
        except OSError as error:
            raise InvalidRequest(f"{options['file']}: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise NoDossier("This is no dossier.") from None
        try:
            signed = json.loads(text)
        except ValueError:
            raise NoDossier("This is no dossier.") from None
        return Report({"order_no": verify_dossier(signed), "signed": True})
