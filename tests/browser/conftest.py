"""A real browser before the live platform, and the demo shop with keys of its own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from tests import environment
from tests.live import LivePlatform
from tests.makers import PASSWORD

_PATIENCE_MS = 30_000
expect.set_options(timeout=_PATIENCE_MS)
SIZES = {"phone": (360, 740), "desktop": (1440, 900)}
MANUAL = environment.ROOT / "docs" / "images" / "manual"
SCREENSHOTS = Path(os.environ.get("SCREENSHOTS", environment.ROOT / ".run-test" / "screenshots"))
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium; without one the test is skipped, or fails where CI=true."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        message = "no Chromium found: apt-get install chromium fonts-wqy-microhei"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's loop stays in this thread; Django would take it for asynchronous code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(
            executable_path=program, headless=True, args=list(_FLAGS)
        )
        yield browser
        browser.close()


@dataclass
class Shop:
    """The demo shop of the live platform, and a payer with money."""

    platform: LivePlatform
    payer_no: str
    payer_password: str = PASSWORD

    @property
    def url(self) -> str:
        """The shop's front page."""
        return f"{self.platform.base_url}/demo/"


@pytest.fixture
def shop(platform: LivePlatform) -> Shop:
    """Give the demo shop a merchant's keys, as seeding does, and open a payer's wallet."""
    merchant = platform.merchant(return_origin=platform.base_url, name="Lantern 灯笼小铺")
    made = Shop(platform, platform.payer(balance=1_000_00))
    keys = {
        "shop_secret_key": merchant.secret_key,
        "shop_webhook_secret": merchant.webhook_secret,
        "payer_no": made.payer_no,
        "payer_password": made.payer_password,
    }
    Path(platform.environment["DEMO_SHOP_FILE"]).write_text(json.dumps(keys), "utf-8")
    return made


@dataclass
class Window:
    """One browser window with its own cookies; collects what a page must never do."""

    page: Page
    name: str
    faults: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def keep(self, step: str) -> None:
        """Keep a picture of this step for people to look at."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{self.name}-{step}.png")

    def keep_for_manual(self, name: str) -> None:
        """Take a picture for the user manual; into the manual itself, in both languages, where MANUAL_SCREENSHOTS=1."""
        if os.environ.get("MANUAL_SCREENSHOTS") == "1":
            self._keep_in("zh-CN", MANUAL / "zh", name)
            self._keep_in("en-US", MANUAL, name)
        else:
            self.keep(name)

    def keep_for_operations(self, name: str) -> None:
        """Take a picture for docs/operations.md, likewise, of the page as it stands."""
        wanted = os.environ.get("MANUAL_SCREENSHOTS") == "1"
        folder = environment.ROOT / "docs" / "operations" if wanted else SCREENSHOTS
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{name}.png")

    def _keep_in(self, language: str, folder: Path, name: str) -> None:
        """Ask for this page again as a browser of that language does: Playwright fixes a window's own when it opens."""

        def ask(route: Route) -> None:
            route.continue_(headers=route.request.headers | {"accept-language": language})

        self.page.route("**/*", ask)
        self.page.reload(wait_until="networkidle")
        self.page.unroute("**/*", ask)
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{name}.png")

    def overflows(self) -> bool:
        """Tell whether the page is wider than the window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


@pytest.fixture
def open_window(
    chromium: Browser, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Window]]:
    """``open_window("phone", locale="zh-CN", javascript=False)``; closed at the end in any case."""
    contexts: list[Any] = []

    def opener(size: str, *, locale: str = "en-US", javascript: bool = True, **more: Any) -> Window:
        width, height = SIZES[size]
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            is_mobile=size == "phone",
            has_touch=size == "phone",
            locale=locale,
            java_script_enabled=javascript,
            **more,
        )
        contexts.append(context)
        context.set_default_timeout(_PATIENCE_MS)
        page = context.new_page()
        window = Window(page, f"{request.node.originalname.removeprefix('test_')}-{size}")
        page.on("pageerror", lambda error: window.faults.append(str(error)))
        page.on("console", lambda line: line.type == "error" and window.faults.append(line.text))
        page.on("request", lambda asked: window.hosts.add(asked.url.split("/")[2]))
        return window

    try:
        yield opener
    finally:
        for context in contexts:
            context.close()
