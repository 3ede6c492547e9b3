"""The migrations say the same as the models."""

from __future__ import annotations

import io

from django.core.management import call_command


def test_no_model_has_changed_without_a_migration():
    output = io.StringIO()
    try:
        call_command("makemigrations", "--check", "--dry-run", "--verbosity", "3", stdout=output)
    except SystemExit:
        raise AssertionError(output.getvalue()) from None
