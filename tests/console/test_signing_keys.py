"""Operators and keys that sign: the command and the pages, what they show once, what a refusal leaves alone."""

from __future__ import annotations

import sys
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
from acquiring.services.credentials import replace_credential, revoke_credential
from paymentplatform.api_handler import ApiHandler
from paymentplatform.console.models import AuditLog
from paymentplatform.kernel import numbers
from paymentplatform.kernel.errors import InvalidRequest, Unauthenticated
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
    def client(self) -> Client:
        client = log_in(User.objects.create_superuser(username=numbers.new_number("op")))
        client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
        return client

    def test_a_key_that_signs_is_added_with_a_reason(self, client: Client):
        merchant, key = make_merchant(), Ed25519PrivateKey.generate()
        address = act_page(Merchant, merchant["merchant_no"], "issue-key")
        form = {"algorithm": "ED25519", "public_key": pem(key), "reason": "because"}
        shown = client.post(address, form).content.decode()
        (issued,) = Credential.objects.filter(merchant=merchant["merchant_no"], algorithm="ED25519")
        assert issued.key_id in shown
        assert works(Signer(issued.key_id, Algorithm.ED25519, key))
        line = AuditLog.objects.get(action="issue_credential", object_no=merchant["merchant_no"])
        assert line.reason == "because"
        looked = client.get(page(Credential, "change", issued.pk)).content.decode()
        assert pem(key).splitlines()[1] in looked

    def test_an_hmac_secret_is_shown_once(self, client: Client):
        merchant = make_merchant()
        address = act_page(Merchant, merchant["merchant_no"], "issue-key")
        shown = client.post(address, {"algorithm": "HMAC_SHA256", "reason": "because"})
        assert "no-store" in shown["Cache-Control"]
        secret = "hk_" + shown.content.decode().split("hk_")[1].split("<")[0]
        (issued,) = Credential.objects.filter(
            merchant=merchant["merchant_no"], algorithm="HMAC_SHA256"
        )
        assert works(Signer(issued.key_id, Algorithm.HMAC_SHA256, secret.encode()))
        pages = client.get(page(Credential, "change", issued.pk)).content.decode()
        assert secret not in pages + str(list(AuditLog.objects.values()))
        assert (issued.hmac_secret or "x") not in pages + str(list(AuditLog.objects.values()))

    def test_rotating_ends_the_old_key_in_the_same_moment(self, client: Client):
        merchant = make_merchant()
        old, key = make_signer(merchant["merchant_no"]), Ed25519PrivateKey.generate()
        address = act_page(Credential, old.key_id, "rotate")
        assert '<option value="ED25519" selected>' in client.get(address).content.decode()
        before = keys_of(merchant)
        wrong = client.post(address, {"algorithm": "ED25519", "reason": "because"}, follow=True)
        assert "needs the merchant" in wrong.content.decode()
        assert keys_of(merchant) == before
        form = {"algorithm": "ED25519", "public_key": pem(key), "reason": "because"}
        assert client.post(address, form).status_code == 200
        newest = Credential.objects.filter(merchant=merchant["merchant_no"]).latest("key_id")
        assert works(Signer(newest.key_id, Algorithm.ED25519, key))
        assert not works(old)
        line = AuditLog.objects.get(action="rotate_credential", object_no=old.key_id)
        assert set(line.after) == {"revoked_at"}

    def test_a_weak_key_is_refused_at_its_field_and_what_was_typed_stays(self, client: Client):
        merchant = make_merchant()
        before = keys_of(merchant)
        address = act_page(Merchant, merchant["merchant_no"], "issue-key")
        weak = pem(make_rsa_key(65537, 1024))
        form = {"algorithm": "RSA_V1_5_SHA256", "reason": "because of it", "public_key": weak}
        shown = client.post(address, form)
        assert shown.status_code == 200
        (said,) = shown.context["form"].errors["public_key"]
        assert "this one has 1024" in said
        text = shown.content.decode()
        assert "this one has 1024" in text
        assert weak.splitlines()[1] in text
        assert "because of it" in text
        assert '<option value="RSA_V1_5_SHA256" selected>' in text
        assert keys_of(merchant) == before

    def test_a_leaked_key_does_not_come_back(self, client: Client):
        merchant = make_merchant()
        leaked = make_signer(merchant["merchant_no"])
        before = keys_of(merchant)
        form = {"algorithm": "ED25519", "public_key": pem(leaked.private_key), "reason": "because"}
        for address in (
            act_page(Credential, leaked.key_id, "rotate"),
            act_page(Merchant, merchant["merchant_no"], "issue-key"),
        ):
            shown = client.post(address, form)
            (said,) = shown.context["form"].errors["public_key"]
            assert f"key of this merchant already: {leaked.key_id}" in said
        assert keys_of(merchant) == before
        assert not AuditLog.objects.filter(object_no=leaked.key_id).exists()

    def test_a_revoked_key_is_neither_rotated_nor_revoked_again(self, client: Client):
        merchant = make_merchant()
        revoke_credential(key_id=merchant["key_id"])
        before = keys_of(merchant)
        for act in ("rotate", "revoke"):
            address = act_page(Credential, merchant["key_id"], act)
            shown = client.post(address, {"algorithm": "BEARER", "reason": "x"}, follow=True)
            assert "There is nothing to do" in shown.content.decode()
            assert address not in shown.content.decode()
            assert client.get(address).status_code == 302
        assert keys_of(merchant) == before
        assert not AuditLog.objects.filter(object_no=merchant["key_id"]).exists()
        with pytest.raises(InvalidRequest, match="revoked already"):
            replace_credential(key_id=merchant["key_id"])

    def test_what_is_said_fits_the_kind_of_key(self, client: Client):
        merchant = make_merchant()
        rotate = act_page(Credential, merchant["key_id"], "rotate")
        at_once = "The old key stops working at once"
        assert at_once in client.get(rotate).content.decode()
        made = client.post(rotate, {"algorithm": "BEARER", "reason": "because"}).content.decode()
        assert "Copy it now" in made
        assert f"{merchant['key_id']} has stopped working" in made
        form = {"algorithm": "ED25519", "public_key": pem(Ed25519PrivateKey.generate())}
        issue = act_page(Merchant, merchant["merchant_no"], "issue-key")
        told = client.post(issue, form | {"reason": "because"}).content.decode()
        assert "Copy it now" not in told
        assert "Tell the merchant the new key id" in told

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
            act_page(Merchant, merchant["merchant_no"], "issue-key"),
            act_page(Credential, merchant["key_id"], "rotate"),
        ):
            answer = viewer.post(address, {"algorithm": "HMAC_SHA256", "reason": "because"})
            assert answer.status_code == 403
        assert keys_of(merchant) == before
