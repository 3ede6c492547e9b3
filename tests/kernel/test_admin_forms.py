"""What an operator types as an amount is an amount or an error, never another amount."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from paymentplatform.kernel.admin_forms import MinorUnitsField


def test_whole_minor_units_are_taken():
    assert MinorUnitsField().clean(" 1280 ") == 1280


@pytest.mark.parametrize("typed", ["80.00", "80.", "80.0 ", "12.80", "1,280", "0", "-1", ""])
def test_anything_else_is_refused(typed):
    with pytest.raises(ValidationError):
        MinorUnitsField().clean(typed)
