"""The signed API: verify, dispatch, answer (or misbehave as the scenario says)."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs, urlsplit

from engine.channels.sandbox import codec
from engine.channels.sandbox.institution.acquirer import Acquirer
from engine.channels.sandbox.institution.book import Book
from engine.channels.sandbox.institution.documents import Document, refused
from engine.channels.sandbox.institution.replies import Answer
from engine.channels.sandbox.institution.requests import BadRequest
from engine.channels.sandbox.institution.scenarios import Reply
from engine.channels.sandbox.institution.server import Request, Response
from engine.channels.sandbox.institution.statement import NotReady, write_statement

SLOW_SCENARIO_S: Final = 10.0


class Api:
    """The API of all acquirers, at ``/api/{channel}/{call}``."""

    def __init__(self, *, acquirers: dict[str, Acquirer], book: Book, secret: str) -> None:
        self._acquirers = acquirers
        self._book = book
        self._secret = secret
        self._nonces = Nonces()

    def answer(self, request: Request) -> Response | None:
        """Answer one request; None hangs up without a word. Unauthentic requests get an unsigned 401."""
        target = urlsplit(request.path)
        segments = target.path.split("/")
        if len(segments) != 4 or segments[1] != "api" or segments[2] not in self._acquirers:
            return Response(404, b"{}")
        _, _, channel, call = segments
        try:
            nonce = codec.verify_request(
                key=self._key(channel, codec.Purpose.REQUEST),
                account=codec.ACCOUNTS[channel],
                method=request.method,
                path=request.path,
                headers=request.headers,
                body=request.body,
            )
        except codec.CodecError:
            return Response(401, b"{}")
        if not self._nonces.take(f"{channel}/{nonce}"):
            return Response(401, b"{}")
        if (request.method, call) == ("GET", "statement"):
            return self._send_statement(request, channel, target.query)
        return self._call(request, channel, call)

    def _call(self, request: Request, channel: str, call: str) -> Response | None:
        acquirer = self._acquirers[channel]
        calls: dict[str, Callable[[Document], Answer]] = {
            "pay": acquirer.pay,
            "query": acquirer.query,
            "close": acquirer.close,
            "refund": acquirer.refunds.refund,
            "query-refund": acquirer.refunds.query_refund,
        }
        if request.method != "POST" or call not in calls:
            return Response(404, b"{}")
        try:
            document = codec.decode(request.body)
            if document.get("merchant_account") != codec.ACCOUNTS[channel]:
                raise BadRequest("merchant_account")
            answer = calls[call](document)
        except (BadRequest, codec.CodecError) as error:
            answer = Answer(refused(channel, "", "BAD_REQUEST") | {"detail": str(error)})
        return self._misbehave(request, channel, answer)

    def _misbehave(self, request: Request, channel: str, answer: Answer) -> Response | None:
        good = self._sign(request, channel, codec.encode(answer.document))
        if answer.reply is Reply.MISSING:
            return None
        if answer.reply is Reply.GARBLED:
            return Response(
                200, good.body[: len(good.body) // 2] + b"\x00\xff<html>", headers=good.headers
            )
        if answer.reply is Reply.UNSIGNED:
            return Response(200, good.body)
        if answer.reply is Reply.SLOW:
            time.sleep(SLOW_SCENARIO_S)
        return good

    def _send_statement(self, request: Request, channel: str, query: str) -> Response:
        try:
            body = write_statement(
                self._book, channel=channel, day=parse_qs(query).get("date", [""])[0]
            )
        except NotReady as error:
            document = refused(channel, "", "STATEMENT_NOT_READY") | {"detail": str(error)}
            return self._sign(request, channel, codec.encode(document), status=404)
        return self._sign(request, channel, body, content_type="text/csv; charset=utf-8")

    def _sign(
        self,
        request: Request,
        channel: str,
        body: bytes,
        *,
        status: int = 200,
        content_type: str = "application/json",
    ) -> Response:
        signature = next(
            value
            for name, value in request.headers.items()
            if name.lower() == codec.SIGNATURE_HEADER.lower()
        )
        headers = codec.sign_response(
            key=self._key(channel, codec.Purpose.RESPONSE),
            account=codec.ACCOUNTS[channel],
            request_signature=signature,
            status=status,
            body=body,
        )
        return Response(status, body, content_type=content_type, headers=headers)

    def _key(self, channel: str, purpose: codec.Purpose) -> bytes:
        return codec.derive_key(secret=self._secret, channel=channel, purpose=purpose)


class Nonces:
    """Nonces seen while their requests could still be fresh; each is taken once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self._order: deque[tuple[float, str]] = deque()

    def take(self, nonce: str) -> bool:
        """Return False when the nonce was taken before."""
        now = time.monotonic()
        with self._lock:
            while self._order and self._order[0][0] < now - 2 * codec.MAX_AGE_S:
                self._seen.discard(self._order.popleft()[1])
            if nonce in self._seen:
                return False
            self._seen.add(nonce)
            self._order.append((now, nonce))
            return True
