"""Merchants' keys for operators: proposed by one, granted by another, collected once; revoked by one alone."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from acquiring.models import Credential
from acquiring.public_keys import MAX_CHARACTERS
from acquiring.services.credentials import revoke_credential
from acquiring.services.key_grants import collect_secret
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.admin import (
    ReadOnlyAdmin,
    ReasonForm,
    ShownOnce,
    confirmed_action,
    submit_proposal,
)
from paymentplatform.kernel.admin_tables import clean_number, link_number
from paymentplatform.kernel.clock import database_now


class KeyForm(ReasonForm):
    """What kind of key is wanted."""

    algorithm = forms.ChoiceField(
        label=_("Algorithm"),
        choices=Credential.Algorithm.choices,
        initial=Credential.Algorithm.BEARER,
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )
    public_key = forms.CharField(
        label=_("Public key"),
        help_text=_("PEM or base64, for ed25519 and rsa-v1_5-sha256; never a private key."),
        required=False,
        max_length=MAX_CHARACTERS,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
    )
    field_order = ["algorithm", "public_key", "reason"]


class SuccessorForm(KeyForm):
    """A key in the place of another, of the same kind unless told otherwise."""

    @classmethod
    def read_initial(cls, obj: Credential) -> dict[str, Any]:
        """Begin with the kind of the key that goes."""
        return {"algorithm": obj.algorithm}


def _propose(
    *,
    merchant_no: str,
    algorithm: str,
    public_key: str,
    operator: Any,
    reason: str,
    replaces: str | None = None,
) -> str:
    return submit_proposal(
        kind="merchant_key",
        payload={
            "merchant_no": merchant_no,
            "algorithm": algorithm or Credential.Algorithm.BEARER.value,
            "public_key": public_key or None,
            "replaces": replaces,
        },
        operator=operator,
        reason=reason,
    )


def _is_not_revoked(credential: Credential) -> bool:
    return credential.revoked_at is None


def _is_collectable(credential: Credential) -> bool:
    return credential.can_be_collected(now=database_now())


def _foretell_collecting(credential: Credential) -> str:
    told = say("Only %(name)s can, until %(time)s. The secret is shown once.") % {
        "name": credential.collector,
        "time": date_format(localtime(credential.collect_until), "Y-m-d H:i e"),
    }
    if credential.replaces is None:
        return told
    ends = say("%s stops working at once, in the moment you confirm.") % credential.replaces
    return f"{told} {ends}"


class KeysOfMerchant:
    """The act, for the merchant's page."""

    @confirmed_action(
        description=_("Propose a key"),
        permission="console.propose_merchant_key",
        url_path="propose-key",
        icon="key",
        form=KeyForm,
        service_audits=True,
        foretell=lambda _merchant: say(
            "The merchant's other keys go on working. Once it is approved, you collect its secret on the key's page."
        ),
    )
    def propose_key(
        self, *, object_no: str, algorithm: str, public_key: str, operator: Any, reason: str
    ) -> str:
        """Propose a key beside the existing ones; another person must agree to it."""
        return _propose(
            merchant_no=object_no,
            algorithm=algorithm,
            public_key=public_key,
            operator=operator,
            reason=reason,
        )


@admin.register(Credential)
class CredentialAdmin(ReadOnlyAdmin):
    """Keys; the secrets themselves are kept nowhere."""

    number_prefix = numbers.KEY
    list_display = (
        "key_id",
        "algorithm",
        "hint_or_state",
        "merchant_no",
        "created_at",
        "expires_at",
        "revoked_at",
    )
    list_filter = ("algorithm", ("revoked_at", admin.EmptyFieldListFilter))
    search_fields = ("key_id",)
    search_help_text = _(
        "A whole key id or merchant number, a key's hint, a part of a merchant's name"
    )
    searched = {numbers.KEY: "key_id", numbers.MERCHANT: "merchant_id"}
    ordering = ("-key_id",)
    fields = (
        ("key_id", "algorithm"),
        ("hint_or_state", "merchant_no"),
        ("created_at", "expires_at"),
        ("revoked_at", "replaces"),
        ("collector", "collect_until"),
        "public_key",
    )
    readonly_fields = (
        "hint_or_state",
        "merchant_no",
        "public_key",
        "collector",
        "collect_until",
        "replaces",
    )
    actions_detail = ("collect_secret", "propose_successor", "revoke_credential")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Credential], search_term: str
    ) -> tuple[QuerySet[Credential], bool]:
        """Find by a number, or else by the exact hint or a part of the merchant's name."""
        term = clean_number(search_term)
        if not term or term.partition("_")[0] in self.searched:
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(Q(hint=term) | Q(merchant__name__icontains=term)), False

    @confirmed_action(
        description=_("Propose a successor"),
        permission="console.propose_merchant_key",
        url_path="propose-successor",
        icon="autorenew",
        form=SuccessorForm,
        service_audits=True,
        offered=_is_not_revoked,
        foretell=lambda _key: say(
            "This key stops working when the new one begins: a public key when it is approved, "
            "a secret when you collect it."
        ),
    )
    def propose_successor(
        self, *, object_no: str, algorithm: str, public_key: str, operator: Any, reason: str
    ) -> str:
        """Propose another key in the place of this one, which ends in the moment in which that one begins."""
        key = Credential.objects.get(pk=object_no)
        return _propose(
            merchant_no=str(key.merchant_id),
            algorithm=algorithm or key.algorithm,
            public_key=public_key,
            operator=operator,
            reason=reason,
            replaces=object_no,
        )

    @confirmed_action(
        description=_("Collect the secret"),
        permission="acquiring.change_credential",
        url_path="collect",
        icon="key",
        offered=_is_collectable,
        foretell=_foretell_collecting,
    )
    def collect_secret(self, *, object_no: str, operator: Any, **_answers: Any) -> ShownOnce:
        """Draw the secret of a granted key and show it to the one who proposed it."""
        issued = transactions.join(collect_secret)(
            key_id=object_no, collector=operator.get_username()
        )
        return ShownOnce(
            say("The secret of %s") % object_no,
            {
                "key_id": issued.key_id,
                "algorithm": Credential.Algorithm(issued.algorithm).label,
                "secret_key": issued.secret,
            },
        )

    @confirmed_action(
        description=_("Revoke"),
        permission="acquiring.change_credential",
        url_path="revoke",
        icon="block",
        offered=_is_not_revoked,
        foretell=lambda _key: say("Requests with this key are refused at once, and for ever."),
    )
    def revoke_credential(self, *, object_no: str, **_answers: Any) -> str:
        """Make the key useless at once."""
        transactions.join(revoke_credential)(key_id=object_no)
        return say("The key is revoked.")

    def list_proposal_subjects(self, obj: Credential) -> list[str]:
        """A key is proposed about its merchant."""
        return [str(obj.merchant_id)]

    @admin.display(description=_("Hint"))
    def hint_or_state(self, credential: Credential) -> str:
        """Return the hint; of a key that nobody can use, that nobody has collected its secret."""
        return credential.hint or say("not collected")

    @admin.display(description=_("Merchant"))
    def merchant_no(self, credential: Credential) -> str:
        """Link the merchant."""
        return link_number(credential.merchant_id)
