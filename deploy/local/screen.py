"""What the launcher says to a person. All of it goes through here and sounds like one voice."""

import sys
from pathlib import Path
from typing import Any


def say(line: str = "") -> None:
    """Print one line at once, also into a pipe."""
    print(line, flush=True)


def complain(line: str) -> None:
    """Print one line of bad news on the error stream."""
    print(line, file=sys.stderr, flush=True)


def show_addresses(demo: dict[str, Any], *, late: list[str], logs: Path) -> None:
    """Show what to open first, then the rest, then how to end it."""
    base = str(demo.get("base_url"))
    operator = f"{demo.get('admin_user')} / {demo.get('admin_password')}"
    say()
    say("  The payment platform is running, with demo data and demo keys. No real money moves.")
    say()
    say("  Open this first")
    _show(demo.get("demo_url"), "the demo shop: buy something and pay for it")
    say("  Then look behind the counter")
    _show(demo.get("admin_url"), f"the operators' console: {operator}")
    if "checker_user" in demo:
        second = f"{demo['checker_user']} / {demo.get('checker_password')}"
        _show("", f"who approves what the first proposes: {second}")
    _show(f"{base}/api/docs/", "the merchant API, to read and to try")
    say()
    say(f"  Demo merchant {demo.get('merchant_no')}")
    _show("API key", demo.get("secret_key"))
    _show("webhook secret", demo.get("webhook_secret"))
    _show("payer", f"{demo.get('payer_no')} / {demo.get('payer_password')}")
    if "small_payer_no" in demo:
        small = f"{demo['small_payer_no']} / {demo.get('small_payer_password')}"
        _show("payer with CNY 20.00 only", small)
    _show("payer token", demo.get("payer_token"))
    _show("sandbox bank", f"{demo.get('sandbox_url')} (its pages open during a payment)")
    say()
    say(f"  All of this for scripts: {logs.parent / 'demo.json'}; logs: {logs}")
    say("  Stop: Ctrl-C, or `python3 run.py stop` in another terminal.")
    if late:
        say(f"  Not there yet: {', '.join(late)}. If it stays so, look at the logs.")


def _show(left: object, right: object) -> None:
    say(f"    {left!s:<34} {right}")
