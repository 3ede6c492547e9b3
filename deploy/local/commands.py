"""The commands about a running platform: start or report it, stop, status, reset, prove, bench."""

import os
import shutil
import signal
import time

from deploy.local import processes
from deploy.local.checks import call
from deploy.local.children import answers, degraded_parts
from deploy.local.errors import EXIT_FAILED, EXIT_WRONG_USE, LauncherError
from deploy.local.files import Busy, locked, read_environment, read_json
from deploy.local.launch import Launch, chosen_port
from deploy.local.paths import PYTHON, ROOT, RUN_STATE, RUNTIME_LOCK
from deploy.local.places import forget_database, make_state_folder
from deploy.local.run_state import READY, Run
from deploy.local.screen import complain, say, show_addresses
from deploy.local.venv import install

PATIENCE_SECONDS = 900.0
STOP_SECONDS = 120.0
PROBES = 3
LOCK = RUN_STATE / "launcher.lock"


def run() -> int:
    """Run the platform until it is stopped; when it runs already, say where and be content."""
    make_state_folder(RUN_STATE)
    for _ in range(PROBES):
        try:
            with locked(LOCK, wait=False):
                return Launch(RUN_STATE, port=chosen_port()).until_stopped()
        except Busy:  # a launcher, or for a moment somebody who only looks whether there is one
            time.sleep(0.1)
    return _report_running()


def _report_running() -> int:
    """Show the running platform, waiting for it while another terminal is still starting it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    told = False
    while Run.load(RUN_STATE).phase != READY and _is_running():
        if not told:
            say("Another terminal is starting the platform; waiting for it …")
            told = True
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    if not _is_running() or Run.load(RUN_STATE).phase != READY:
        complain("run.py: the platform did not come up in the other terminal; look there.")
        return EXIT_FAILED
    say("It is already running; nothing to do.")
    show_addresses(read_json(RUN_STATE / "demo.json"), late=[], logs=RUN_STATE / "logs")
    return 0


def _is_running() -> bool:
    """Say whether a launcher holds the lock; it does for as long as it lives."""
    if not LOCK.exists():
        return False
    try:
        with locked(LOCK, wait=False):
            return False
    except Busy:
        return True


def stop() -> int:
    """End the platform, also what a killed launcher left behind. Nothing to end is no failure."""
    was_running = _is_running()
    if was_running:
        _ask_launcher_to_end()
    run_known = Run.load(RUN_STATE)
    left = run_known.alive()
    if left:
        say("The launcher is gone; ending what it left behind …")
    if RUN_STATE.exists() and run_known.children:
        run_known.end_children()
    say("Stopped." if was_running or left else "Nothing is running.")
    return 0


def _ask_launcher_to_end() -> None:
    """Send the launcher away and wait; when it does not go, end it by force (children follow)."""
    deadline = time.monotonic() + STOP_SECONDS
    asked = False
    while _is_running():
        launcher = Run.load(RUN_STATE).launcher
        if launcher is not None and launcher.is_alive() and not asked:
            processes.send(launcher, signal.SIGTERM)
            asked = True
        if time.monotonic() > deadline:
            if launcher is None or not launcher.is_alive():
                raise LauncherError("A launcher holds the state folder and cannot be named.")
            processes.send(launcher, signal.SIGKILL)
        time.sleep(0.1)


def reset() -> int:
    """Stop, then remove all state: database, queue, keys, logs."""
    stop()
    forget_database(RUN_STATE)
    shutil.rmtree(RUN_STATE, ignore_errors=True)
    say("All demo data are removed; the next start begins anew.")
    return 0


def status() -> int:
    """Show what runs. Exit 0 when the platform is ready, 1 otherwise."""
    known = Run.load(RUN_STATE)
    running = _is_running()
    if not running and not known.alive():
        say("Not running. Start it with `python3 run.py`.")
        return EXIT_FAILED
    for child in known.children:
        say(f"  {child.name:<10} pid {child.pid:<8} {'up' if child.is_alive() else 'DOWN'}")
    if not running:
        say("The launcher itself was killed. `python3 run.py` starts anew, `stop` ends the rest.")
        return EXIT_FAILED
    demo = read_json(RUN_STATE / "demo.json")
    code, body = answers(f"{read_environment(RUN_STATE / 'env').get('BASE_URL', '')}/readyz")
    if known.phase != READY or code != 200:
        say("Not ready (yet).")
        return EXIT_FAILED
    show_addresses(demo, late=degraded_parts(body), logs=RUN_STATE / "logs")
    return 0


def prove(arguments: list[str]) -> int:
    """Run `manage.py prove` against the running platform."""
    if not _is_running() or Run.load(RUN_STATE).phase != READY:
        raise LauncherError("The platform is not running. Start it first: python3 run.py")
    environment = dict(os.environ) | read_environment(RUN_STATE / "env")
    return call([str(PYTHON), "manage.py", "prove", *arguments], environment)


def bench(arguments: list[str]) -> int:
    """Run the benchmarks, which bring servers of their own."""
    if not (ROOT / "bench" / "__main__.py").exists():
        complain("run.py: this checkout has no benchmarks yet (no bench/ folder).")
        return EXIT_WRONG_USE
    make_state_folder(RUN_STATE)
    install(RUNTIME_LOCK, log=RUN_STATE / "logs" / "install.log")
    return call([str(PYTHON), "-m", "bench", *arguments], dict(os.environ))
