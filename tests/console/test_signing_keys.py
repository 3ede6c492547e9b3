"""Operators and keys that sign: the command and the pages, what they show once, what a refusal leaves alone."""

from __future__ import annotations

import re
import sys
from functools import partial
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as make_ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as make_rsa_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.contrib.auth.models import User
from django.test import Client

from acquiring.admin.merchants import MerchantForm
from acquiring.models import Credential, Merchant
from acquiring.services.callers import authenticate_bearer
from acquiring.services.credentials import revoke_credential
from acquiring.services.key_grants import COLLECT_WITHIN, collect_secret
from paymentplatform.api_handler import ApiHandler
from paymentplatform.console.contracts import SecondPersonRequired
from paymentplatform.console.models import AuditLog, Proposal
from paymentplatform.console.services.proposals import get_proposal
from paymentplatform.kernel import numbers
from paymentplatform.kernel.errors import Conflict, Unauthenticated
from paymentplatform.kernel.roles import Role
from tests.barrier import run_together
from tests.clock import VirtualClock
from tests.console.proposals import approve, operator
from tests.console.test_admin import act_page, log_in, operator_with, page
from tests.console.test_commands import run
from tests.makers import make_merchant
from tests.signing import Algorithm, Signer, at_home, make_signer, send

API = ApiHandler()


def pem(key: Any) -> str:
    spki = PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(Encoding.PEM, spki).decode()


def works(signer: Signer) -> bool:
    return send(API, signer.sign("GET", at_home("orders"))).status == 200


def keys_of(merchant: dict[str, str]) -> list[tuple[Any, ...]]:
    found = Credential.objects.filter(merchant=merchant["merchant_no"]).order_by("key_id")
    return list(found.values_list("key_id", "algorithm", "public_key", "revoked_at"))


class TestCommand:
    def rotate(self, merchant: dict[str, str], *arguments: object) -> tuple[int, Any]:
        return run("rotate_credential", "--merchant", merchant["merchant_no"], *arguments)

    @pytest.mark.parametrize("algorithm", [Algorithm.ED25519, Algorithm.RSA_V1_5_SHA256])
    def test_a_public_key_is_added_and_its_owner_gets_in(self, tmp_path: Path, algorithm: str):
        merchant = make_merchant()
        key: Any = (
            Ed25519PrivateKey.generate()
            if algorithm == Algorithm.ED25519
            else make_rsa_key(65537, 2048)
        )
        (tmp_path / "key.pem").write_text(pem(key))
        code, made = self.rotate(
            *(merchant, "--algorithm", Algorithm(algorithm).label),
            *("--public-key", tmp_path / "key.pem"),
        )
        assert code == 0
        assert made == {
            "merchant_no": merchant["merchant_no"],
            "algorithm": Algorithm(algorithm).label,
            "key_id": made["key_id"],
            "revoked": None,
            "dry_run": False,
        }
        assert works(Signer(made["key_id"], algorithm, key))
        assert authenticate_bearer(secret=merchant["secret_key"])

    def test_an_hmac_secret_is_shown_once_and_kept_encrypted(self):
        merchant = make_merchant()
        old = make_signer(merchant["merchant_no"])
        code, made = self.rotate(merchant, "--algorithm=hmac-sha256", "--revoke", old.key_id)
        assert (code, made["revoked"]) == (0, old.key_id)
        assert works(Signer(made["key_id"], Algorithm.HMAC_SHA256, made["secret_key"].encode()))
        assert not works(old)
        kept = Credential.objects.filter(pk=made["key_id"]).values().get()
        assert made["secret_key"] not in str(kept)
        assert made["secret_key"].endswith(kept["hint"])

    def test_a_key_comes_through_standard_input(self, monkeypatch: pytest.MonkeyPatch):
        merchant, key = make_merchant(), Ed25519PrivateKey.generate()
        monkeypatch.setattr(sys, "stdin", StringIO(pem(key)))
        code, made = self.rotate(merchant, "--algorithm=ed25519", "--public-key=-")
        assert code == 0
        assert works(Signer(made["key_id"], Algorithm.ED25519, key))

    def test_a_dry_run_checks_everything_and_writes_nothing(self, tmp_path: Path):
        merchant = make_merchant()
        before = keys_of(merchant)
        code, said = self.rotate(
            merchant, "--algorithm=hmac-sha256", "--revoke", merchant["key_id"], "--dry-run"
        )
        assert (code, said["key_id"], said["dry_run"]) == (0, None, True)
        assert "secret_key" not in said
        assert self.rotate(merchant, "--algorithm=bearer", "--revoke=key_x", "--dry-run")[0] == 1
        (tmp_path / "bad").write_text("bad")
        code, _ = self.rotate(
            merchant, "--algorithm=ed25519", f"--public-key={tmp_path}/bad", "--dry-run"
        )
        assert code == 2
        assert keys_of(merchant) == before

    @pytest.mark.parametrize(
        ("algorithm", "given", "words"),
        [
            ("ed25519", None, "needs the merchant's public key"),
            ("bearer", pem(Ed25519PrivateKey.generate()), "has no public key"),
            ("hmac-sha256", pem(Ed25519PrivateKey.generate()), "has no public key"),
            ("ed25519", pem(make_ec_key(SECP256R1())), "elliptic curve key (secp256r1)"),
            ("rsa-v1_5-sha256", pem(make_rsa_key(65537, 1024)), "this one has 1024"),
            (
                "ed25519",
                Ed25519PrivateKey.generate()
                .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
                .decode(),
                "private key",
            ),
            ("ed25519", "\u5bc6", "not text"),
            ("rsa-pss-sha512", None, "bearer, ed25519, rsa-v1_5-sha256, hmac-sha256"),
            ("ED25519", None, "There is no algorithm ED25519"),
        ],
        ids=range(9),
    )
    def test_what_is_wrong_changes_nothing(
        self, tmp_path: Path, algorithm: str, given: str | None, words: str
    ):
        merchant = make_merchant()
        before = keys_of(merchant)
        arguments: list[object] = ["--algorithm", algorithm, "--revoke", merchant["key_id"]]
        if given is not None:
            (tmp_path / "key").write_text(given, encoding="utf-8")
            arguments += ["--public-key", tmp_path / "key"]
        code, answer = self.rotate(merchant, *arguments)
        assert (code, answer["error"]["code"]) == (2, "invalid_request")
        assert words in answer["error"]["detail"]
        assert keys_of(merchant) == before

    @pytest.mark.parametrize("dry_run", [(), ("--dry-run",)])
    def test_a_key_that_was_once_this_merchants_is_refused(self, tmp_path: Path, dry_run: Any):
        merchant, key = make_merchant(), Ed25519PrivateKey.generate()
        (tmp_path / "key.pem").write_text(pem(key))
        arguments = ("--algorithm=ed25519", "--public-key", tmp_path / "key.pem")
        _code, leaked = self.rotate(merchant, *arguments)
        revoke_credential(key_id=leaked["key_id"])
        before = keys_of(merchant)
        code, answer = self.rotate(merchant, *arguments, *dry_run)
        assert (code, answer["error"]["code"]) == (2, "invalid_request")
        assert f"key of this merchant already: {leaked['key_id']}" in answer["error"]["detail"]
        assert keys_of(merchant) == before
        assert self.rotate(make_merchant(), *arguments)[0] == 0

    def test_a_revoked_key_is_not_put_out_of_use_by_a_new_one_again(self):
        merchant = make_merchant()
        revoke_credential(key_id=merchant["key_id"])
        before = keys_of(merchant)
        for extra in ((), ("--dry-run",)):
            code, answer = self.rotate(
                merchant, "--algorithm=bearer", "--revoke", merchant["key_id"], *extra
            )
            assert (code, "revoked already" in answer["error"]["detail"]) == (2, True)
        assert keys_of(merchant) == before

    def test_a_file_that_is_not_there(self):
        merchant = make_merchant()
        code, answer = self.rotate(merchant, "--algorithm=ed25519", "--public-key=/nowhere/key")
        assert (code, "No such file" in answer["error"]["detail"]) == (2, True)


class TestPages:
    @pytest.fixture
    def maker(self) -> User:
        return User.objects.get(username=operator(Role.ADMIN))

    @pytest.fixture
    def client(self, maker: User) -> Client:
        client = log_in(maker)
        client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
        return client

    def grant(self, client: Client, address: str, **form: str) -> str:
        """Propose on a page, have another person approve; returns the key's number."""
        before = set(Proposal.objects.values_list("pk", flat=True))
        answer = client.post(address, {"reason": "asked by the merchant"} | form)
        assert answer.status_code == 302
        made = Proposal.objects.exclude(pk__in=before).get(kind="merchant_key")
        done = approve(get_proposal(proposal_no=made.pk), checker=operator(Role.OPERATOR))
        assert done.proposal.result
        return done.proposal.result

    def collect(self, client: Client, key_id: str) -> str:
        shown = client.post(act_page(Credential, key_id, "collect"), {"reason": "because"})
        assert "no-store" in shown["Cache-Control"]
        return re.search(r"[sh]k_[\w-]+(?=<)", shown.content.decode())[0]  # type: ignore[index]

    def test_one_admin_alone_gets_no_key_that_works(self, client: Client, maker: User):
        merchant = make_merchant()
        before = keys_of(merchant)
        address = act_page(Merchant, merchant["merchant_no"], "propose-key")
        shown = client.post(address, {"algorithm": "BEARER", "reason": "because"}, follow=True)
        assert "another person must approve" in shown.content.decode()
        assert "sk_" not in shown.content.decode()
        made = get_proposal(proposal_no=Proposal.objects.get(maker=maker.username).pk)
        with pytest.raises(SecondPersonRequired):
            approve(made, checker=maker.username)
        assert keys_of(merchant) == before

    @pytest.mark.parametrize("algorithm", ["BEARER", "HMAC_SHA256"])
    def test_a_granted_secret_is_collected_once_by_its_proposer(
        self, client: Client, maker: User, algorithm: str
    ):
        merchant = make_merchant()
        address = act_page(Merchant, merchant["merchant_no"], "propose-key")
        key_id = self.grant(client, address, algorithm=algorithm)
        waiting = Credential.objects.filter(pk=key_id).values().get()
        assert (waiting["secret_hash"], waiting["hmac_secret"]) == (None, None)
        assert not works(Signer(key_id, Algorithm.HMAC_SHA256, b""))
        other = log_in(User.objects.create_superuser(username=numbers.new_number("op")))
        refused = other.post(act_page(Credential, key_id, "collect"), {"reason": "x"}, follow=True)
        assert not re.search(r"[sh]k_[\w-]+<", refused.content.decode())
        assert Credential.objects.filter(pk=key_id).values().get() == waiting
        secret = self.collect(client, key_id)
        if algorithm == "BEARER":
            assert authenticate_bearer(secret=secret).merchant_no == merchant["merchant_no"]
        else:
            assert works(Signer(key_id, Algorithm.HMAC_SHA256, secret.encode()))
        kept = Credential.objects.filter(pk=key_id).values().get()
        again = client.post(act_page(Credential, key_id, "collect"), {"reason": "x"}, follow=True)
        assert "There is nothing to do" in again.content.decode()
        with pytest.raises(Conflict):
            collect_secret(key_id=key_id, collector=maker.username)
        assert Credential.objects.filter(pk=key_id).values().get() == kept
        pages = client.get(page(Credential, "change", key_id)).content.decode()
        written = pages + str(list(AuditLog.objects.values()))
        assert secret not in written
        assert (kept["secret_hash"] or kept["hmac_secret"]) not in written
        assert AuditLog.objects.get(action="collect_secret", object_no=key_id).reason == "because"

    def test_two_collections_at_once_give_one_secret(self, client: Client, maker: User):
        merchant = make_merchant()
        address = act_page(Merchant, merchant["merchant_no"], "propose-key")
        key_id = self.grant(client, address, algorithm="BEARER")
        ended = run_together([partial(collect_secret, key_id=key_id, collector=maker.username)] * 3)
        got = [one for one in ended if not isinstance(one, BaseException)]
        assert len(got) == 1
        assert {type(one) for one in ended if isinstance(one, BaseException)} == {Conflict}
        assert authenticate_bearer(secret=got[0].secret)

    def test_what_is_not_collected_in_time_never_exists(
        self, client: Client, maker: User, clock: VirtualClock
    ):
        merchant = make_merchant()
        address = act_page(Merchant, merchant["merchant_no"], "propose-key")
        late, ended = (self.grant(client, address, algorithm="BEARER") for _ in range(2))
        revoke_credential(key_id=ended)
        clock.advance(COLLECT_WITHIN.total_seconds() + 1)
        for key_id in (late, ended):
            with pytest.raises(Conflict):
                collect_secret(key_id=key_id, collector=maker.username)
            assert Credential.objects.get(pk=key_id).is_waiting

    def test_the_old_key_works_until_its_successor_is_collected(self, client: Client):
        merchant = make_merchant()
        address = act_page(Credential, merchant["key_id"], "propose-successor")
        assert '<option value="BEARER" selected>' in client.get(address).content.decode()
        key_id = self.grant(client, address, algorithm="BEARER")
        assert authenticate_bearer(secret=merchant["secret_key"])
        asked = client.get(act_page(Credential, key_id, "collect")).content.decode()
        assert f"{merchant['key_id']} stops working at once" in asked
        secret = self.collect(client, key_id)
        assert authenticate_bearer(secret=secret)
        with pytest.raises(Unauthenticated):
            authenticate_bearer(secret=merchant["secret_key"])

    def test_a_public_key_works_when_granted_and_ends_the_old_one(self, client: Client):
        merchant = make_merchant()
        old, key = make_signer(merchant["merchant_no"]), Ed25519PrivateKey.generate()
        address = act_page(Credential, old.key_id, "propose-successor")
        before = keys_of(merchant)
        wrong = client.post(address, {"algorithm": "ED25519", "reason": "because"}, follow=True)
        assert "needs the merchant" in wrong.content.decode()
        assert keys_of(merchant) == before
        key_id = self.grant(client, address, algorithm="ED25519", public_key=pem(key))
        assert works(Signer(key_id, Algorithm.ED25519, key))
        assert not works(old)
        shown = Proposal.objects.get(result=key_id).preview["effects"]
        der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert shown["fingerprint"] == sha256(der).hexdigest()
        assert (
            act_page(Credential, key_id, "collect")
            not in client.get(page(Credential, "change", key_id)).content.decode()
        )

    def test_a_weak_key_is_refused_at_its_field_and_what_was_typed_stays(self, client: Client):
        merchant = make_merchant()
        address = act_page(Merchant, merchant["merchant_no"], "propose-key")
        weak = pem(make_rsa_key(65537, 1024))
        form = {"algorithm": "RSA_V1_5_SHA256", "reason": "because of it", "public_key": weak}
        shown = client.post(address, form)
        assert shown.status_code == 200
        (said,) = shown.context["form"].errors["public_key"]
        assert "this one has 1024" in said
        text = shown.content.decode()
        assert weak.splitlines()[1] in text
        assert "because of it" in text
        assert '<option value="RSA_V1_5_SHA256" selected>' in text
        assert not Proposal.objects.filter(subject_no=merchant["merchant_no"]).exists()

    def test_a_leaked_key_does_not_come_back(self, client: Client):
        merchant = make_merchant()
        leaked = make_signer(merchant["merchant_no"])
        form = {"algorithm": "ED25519", "public_key": pem(leaked.private_key), "reason": "because"}
        for address in (
            act_page(Credential, leaked.key_id, "propose-successor"),
            act_page(Merchant, merchant["merchant_no"], "propose-key"),
        ):
            shown = client.post(address, form)
            (said,) = shown.context["form"].errors["public_key"]
            assert f"key of this merchant already: {leaked.key_id}" in said
        assert not Proposal.objects.filter(subject_no=merchant["merchant_no"]).exists()

    def test_a_revoked_key_has_no_successor_and_is_not_revoked_again(self, client: Client):
        merchant = make_merchant()
        revoke_credential(key_id=merchant["key_id"])
        before = keys_of(merchant)
        for act in ("propose-successor", "revoke"):
            address = act_page(Credential, merchant["key_id"], act)
            shown = client.post(address, {"algorithm": "BEARER", "reason": "x"}, follow=True)
            assert "There is nothing to do" in shown.content.decode()
            assert address not in shown.content.decode()
            assert client.get(address).status_code == 302
        assert keys_of(merchant) == before
        assert not AuditLog.objects.filter(object_no=merchant["key_id"]).exists()

    def test_a_key_is_found_by_its_hint_and_by_its_merchants_name(self, client: Client):
        name = numbers.new_number("shop")
        merchant = make_merchant(name=name)
        key = Credential.objects.get(pk=merchant["key_id"])
        listed = page(Credential, "changelist")
        for typed in (name[3:], key.hint):
            found = client.get(listed, {"q": typed}).context["cl"].result_list
            assert key.pk in [row.pk for row in found], typed
        assert not client.get(listed, {"q": "no such"}).context["cl"].result_list

    def test_a_merchants_page_shows_its_rate_limit_beside_the_default(
        self, client: Client, settings: Any
    ):
        settings.MERCHANT_RATE_LIMIT_PER_S = 123
        merchant_no = make_merchant()["merchant_no"]
        address = page(Merchant, "change", merchant_no)
        assert "123 (the platform" in client.get(address).content.decode()
        Merchant.objects.filter(pk=merchant_no).update(rate_limit_per_s=45)
        assert "45 (the platform" in client.get(address).content.decode()

    def test_signed_only_is_a_field_and_works_at_once(self, client: Client):
        merchant = make_merchant()
        signer = make_signer(merchant["merchant_no"])
        shown = MerchantForm.read_initial(Merchant.objects.get(pk=merchant["merchant_no"]))
        fields = {name: value for name, value in shown.items() if value} | {
            "signed_only": "on",
            "reason": "because",
        }
        address = act_page(Merchant, merchant["merchant_no"], "change-settings")
        assert client.post(address, fields).status_code == 302
        with pytest.raises(Unauthenticated):
            authenticate_bearer(secret=merchant["secret_key"])
        assert works(signer)
        line = AuditLog.objects.get(action="change_merchant", object_no=merchant["merchant_no"])
        assert (line.before["signed_only"], line.after["signed_only"]) == (False, True)
        del fields["signed_only"]
        assert client.post(address, fields).status_code == 302
        assert authenticate_bearer(secret=merchant["secret_key"])

    def test_who_may_only_look_changes_no_key(self):
        merchant = make_merchant()
        viewer = log_in(operator_with("acquiring.view_merchant", "acquiring.view_credential"))
        before = keys_of(merchant)
        for address in (
            act_page(Merchant, merchant["merchant_no"], "propose-key"),
            act_page(Credential, merchant["key_id"], "propose-successor"),
            act_page(Credential, merchant["key_id"], "collect"),
        ):
            answer = viewer.post(address, {"algorithm": "HMAC_SHA256", "reason": "because"})
            assert answer.status_code == 403
        assert keys_of(merchant) == before
