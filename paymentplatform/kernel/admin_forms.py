"""What every act of an operator asks for."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

REASON_MAX_CHARACTERS: Final = 500


class ReasonForm(forms.Form):
    """Every act of an operator has a reason. Subclasses add what else the act needs to know."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=REASON_MAX_CHARACTERS,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )

    @classmethod
    def read_initial(cls, _obj: Any) -> dict[str, Any]:
        """Return what the other fields show at first."""
        return {}
