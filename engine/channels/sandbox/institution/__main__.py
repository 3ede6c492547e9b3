"""Start the institution: ``python -m engine.channels.sandbox.institution --port N --book FILE``.

Two doors: pages, control and health on ``--port`` (that address is the platform's SANDBOX_URL); the signed
API on the next port, which the fault ``refuse`` really closes.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from engine.channels.sandbox import codec
from engine.channels.sandbox.institution.acquirer import Acquirer
from engine.channels.sandbox.institution.api import Api
from engine.channels.sandbox.institution.book import Book
from engine.channels.sandbox.institution.control import Control
from engine.channels.sandbox.institution.faults import Faults
from engine.channels.sandbox.institution.outbox import LADDER_S, Outbox
from engine.channels.sandbox.institution.payer import PAGES, PayerDesk
from engine.channels.sandbox.institution.server import Door, Request, Response

_ENDINGS = (signal.SIGTERM, signal.SIGINT)


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m engine.channels.sandbox.institution")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--port", type=int, required=True, help="pages and control; the API: one up"
    )
    parser.add_argument("--book", type=Path, required=True, help="file of the durable book")
    parser.add_argument("--public-url", default="", help="address of the pages as payers reach it")
    parser.add_argument(
        "--ladder",
        type=lambda text: [float(seconds) for seconds in text.split(",")],
        default=os.environ.get("SANDBOX_LADDER_S") or None,
        help="seconds between tries of a notification that nobody acknowledges: 1,2,4",
    )
    return parser.parse_args()


def main() -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code."""
    arguments = read_arguments()
    secret = os.environ.get("SANDBOX_SIGNING_KEY", "")
    if not secret:
        sys.stderr.write("SANDBOX_SIGNING_KEY is missing\n")
        return 2
    sys.setswitchinterval(0.001)
    # Blocked in every thread and taken by this one: a signal that another thread receives wakes nobody.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    arguments.book.parent.mkdir(parents=True, exist_ok=True)
    book = Book(arguments.book)
    outbox = Outbox(book=book, secret=secret, ladder_s=arguments.ladder or LADDER_S)
    try:
        doors = build_doors(arguments, book=book, outbox=outbox, secret=secret)
    except OSError as error:
        sys.stderr.write(f"ports {arguments.port} and {arguments.port + 1}: {error}\n")
        return 2
    for door in doors:
        door.open()
    sys.stdout.write(f"institution ready on http://{arguments.host}:{arguments.port}\n")
    sys.stdout.flush()
    signal.sigwait(_ENDINGS)
    for door in doors:
        door.close()
    outbox.stop()
    book.close()
    return 0


def build_doors(
    arguments: argparse.Namespace, *, book: Book, outbox: Outbox, secret: str
) -> tuple[Door, ...]:
    """Put the parts together; the doors are bound and not open yet. Raises OSError for a taken port."""
    base_url = os.environ.get("BASE_URL", "").rstrip("/")
    public_url = arguments.public_url or f"http://{arguments.host}:{arguments.port}"
    acquirers = {
        channel: Acquirer(
            channel=channel,
            book=book,
            public_url=public_url.rstrip("/"),
            base_url=base_url,
            secret=secret,
            wake=outbox.wake,
        )
        for channel in codec.ACCOUNTS
    }
    faults = Faults()
    control = Control(book=book, acquirers=acquirers, faults=faults)
    payer = PayerDesk(book=book, acquirers=acquirers, base_url=base_url)

    def answer_front(request: Request) -> Response:
        first = request.path.split("?")[0].split("/")[1]
        if first == "control":
            return control.answer(request)
        if first in PAGES:
            return payer.answer(request)
        if first == "healthz":
            return Response(200, b'{"status":"ok"}')
        return Response(404, b"{}")

    front = Door(host=arguments.host, port=arguments.port, answer=answer_front)
    api = Api(acquirers=acquirers, book=book, secret=secret)
    back = Door(host=arguments.host, port=arguments.port + 1, answer=faults.wrap(api.answer))
    faults.guard(back)
    outbox.start(acquirers)
    return back, front


if __name__ == "__main__":
    sys.exit(main())
