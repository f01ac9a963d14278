"""
A real Chromium, and pages of it that must not complain.

Rule 1: a page that says an error, throws one, or breaks its security policy fails its test,
whoever opened it: ``opened`` is the only way to a page, and the end of each test asks all of them.
Rule 2: a module of the page is tried alone on a blank page: the page's own headers, none of its
scripts.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.async_api import Browser, Page, Route, async_playwright

from consul_edge.web.pages import SECURITY_HEADERS
from tests.peers import require

SIZE: Final = (1280, 800)

BLANK: Final = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>blank</title>"
    "<link rel=icon href=data:,><main><div id=place></div></main>"
)

_TELL_VIOLATIONS: Final = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy broken: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""


@asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Browser]:
    """Run the browser, headless, with more *flags* of its own."""
    program = require("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=["--enable-precise-memory-info", *flags]
        )
        try:
            yield browser
        finally:
            await browser.close()


POLICY: Final = "policy broken"
"""What a complaint about the security policy begins with."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A page, and what it has complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    forgives: tuple[str, ...] = ()

    def hear(self, text: str) -> None:
        """Note a complaint, unless it is forgiven; a broken policy never is."""
        if text.startswith(POLICY) or not any(part in text for part in self.forgives):
            self.complaints.append(text)

    def check(self) -> None:
        """Fail if there is anything, and forget it."""
        found = list(self.complaints)
        self.complaints.clear()
        assert not found, f"the page complained: {found}"


_watched: Final[list[Watched]] = []


def check_all() -> None:
    """Fail if any page complained since this was asked last."""
    pages, _watched[:] = list(_watched), [one for one in _watched if not one.page.is_closed()]
    found = [text for one in pages for text in one.complaints]
    for one in pages:
        one.complaints.clear()
    assert not found, f"pages complained: {found}"


@asynccontextmanager
async def opened(
    browser: Browser, forgives: tuple[str, ...] = (), **options: Any
) -> AsyncIterator[Watched]:
    """
    Open a page of its own context, and watch it.

    Args:
        browser: Where to.

        forgives: Parts of complaints that are meant: the browser tells of each answer that is an
            error.

        options: Of the context: ``locale``, ``viewport``, ``color_scheme`` and the like.
    """
    width, height = SIZE
    options = {"viewport": {"width": width, "height": height}, "locale": "en-US"} | options
    context = await browser.new_context(**options)
    try:
        await context.add_init_script(_TELL_VIOLATIONS)
        found = Watched(await context.new_page(), forgives=forgives)
        _watched.append(found)
        heard = found.hear
        # Of the context: what its page opens is heard, too.
        context.on("console", lambda said: heard(said.text) if said.type == "error" else None)
        context.on("weberror", lambda failed: heard(f"uncaught: {failed.error}"))
        yield found
    finally:
        await context.close()


@asynccontextmanager
async def watched(
    browser: Browser, forgives: tuple[str, ...] = (), **options: Any
) -> AsyncIterator[Page]:
    """Open a page likewise, and raise what it complained of at the end."""
    async with opened(browser, forgives, **options) as found:
        yield found.page
    found.check()


async def go_blank(page: Page, base: str, height: int = 640) -> None:
    """Go to an empty page of an edge; ``#place`` is an element of so many pixels."""

    async def give(route: Route) -> None:
        headers = {**SECURITY_HEADERS, "Content-Type": "text/html"}
        await route.fulfill(status=200, headers=headers, body=BLANK)

    await page.route(f"{base}/blank", give)
    await page.goto(f"{base}/blank")
    await page.evaluate(
        "(height) => { document.getElementById('place').style.height = `${height}px` }", height
    )
