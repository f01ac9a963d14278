"""What watches all pages of these tests: it hears, and nobody passes it by."""

import re
from functools import partial
from pathlib import Path

import pytest
from playwright.async_api import Browser, ConsoleMessage

from tests.page.browser import POLICY, check_all, opened
from tests.page.houses import Home

BREACHES = {
    "style-src-attr": "document.body.setAttribute('style', 'color: red')",
    "require-trusted-types-for": "document.body.insertAdjacentHTML('beforeend', '<b>b</b>')",
    "img-src": "document.body.append(Object.assign(new Image(), { src: 'http://127.0.0.1:9/x' }))",
    "connect-src": "void fetch('http://127.0.0.1:9/').catch(() => {})",
    "trusted-types": "trustedTypes.createPolicy('any', {})",
}


def _begins(text: str, said: ConsoleMessage) -> bool:
    return said.text.startswith(text)


async def test_breach_of_the_policy_is_heard_and_fails_a_test(
    browser: Browser, home155: Home
) -> None:
    """Each kind of breach is a complaint, even where complaints are forgiven."""
    async with opened(browser, forgives=("",)) as found:
        await found.page.goto(f"{home155.base}/nodes")
        for directive, breach in BREACHES.items():
            wanted = f"{POLICY}: {directive}"
            async with found.page.expect_console_message(partial(_begins, wanted)):
                await found.page.evaluate(f"() => {{ try {{ {breach} }} catch {{}} }}")
    with pytest.raises(AssertionError) as raised:
        check_all()
    for directive in BREACHES:
        assert f"{POLICY}: {directive}" in str(raised.value)


async def test_error_that_nobody_catches_fails_a_test(browser: Browser, home155: Home) -> None:
    """What a module throws, and what it says is wrong, are complaints."""
    async with opened(browser) as found:
        await found.page.goto(f"{home155.base}/nodes")
        async with found.page.context.expect_event("weberror"):
            await found.page.evaluate("() => { setTimeout(() => { throw new Error('oh') }) }")
        await found.page.evaluate("() => console.error('no')")
    with pytest.raises(AssertionError, match=r"uncaught: oh.*'no'"):
        check_all()


def test_no_page_is_opened_where_nobody_listens() -> None:
    """Every context of a browser is made in one place."""
    here = Path(__file__).parent
    makers = {
        path.name
        for path in here.glob("*.py")
        if re.search(r"\.new_(context|page)\(", path.read_text())
    }
    assert makers == {"browser.py"}
