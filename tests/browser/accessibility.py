"""What a page must be for everybody: axe-core's rules, targets of 44 px, no shift of what is already there."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Frame, Page

_AXE = Path(__file__).with_name("axe") / "axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_SMALL_TARGETS = """() => [...document.querySelectorAll("a[href], button, select, input:not([type=hidden])")]
  .filter((one) => one.checkVisibility() && !one.closest("p.hint, li"))
  .map((one) => [one.outerHTML.slice(0, 90), one.getBoundingClientRect()])
  .filter(([, box]) => box.height < 43.5 || box.width < 43.5)
  .map(([html, box]) => `${html} ${box.width} x ${box.height}`)"""
_SHIFT = """() => new Promise((done) => {
  let sum = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((one) => { sum += one.hadRecentInput ? 0 : one.value; }))
    .observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => requestAnimationFrame(() => done(sum)));
})"""


@cache
def _read_axe() -> str:
    return _AXE.read_text("utf-8")


def find_faults(page: Page | Frame, *, with_shifts: bool = True) -> list[str]:
    """Return what is wrong with the page that stands in the window, or in a frame of it; nothing when all is well.

    ``with_shifts`` looks whether what was there has moved: not after the window itself was made larger.
    """
    page.evaluate(_read_axe())
    asked = {"runOnly": {"type": "tag", "values": _RULES}, "resultTypes": ["violations"]}
    result: dict[str, Any] = page.evaluate(
        "(asked) => axe.run(document, {...asked, iframes: false})", asked
    )
    faults = [
        f"{found['impact']} {found['id']}: {node['html'][:120]} {node['failureSummary']}"
        for found in result["violations"]
        for node in found["nodes"]
        if found["impact"] in {"serious", "critical", "moderate"}
    ]
    faults += [f"small target: {target}" for target in page.evaluate(_SMALL_TARGETS)]
    shift = page.evaluate(_SHIFT) if with_shifts else 0
    return [*faults, f"the layout shifts by {shift}"] if shift > 0.01 else faults
