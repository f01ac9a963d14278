"""Names that are markup: text in every place that shows one."""

import json
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.page.browser import watched
from tests.page.houses import Home, home
from tests.page.test_page import opened

EVIL: Final = "<img src=x onerror=alert(1)>"
WRITTEN: Final = quote(EVIL)

_WITH_A_VALUE: Final = json.dumps(
    {
        "Node": EVIL,
        "Address": "10.9.9.9",
        "Service": {
            "ID": EVIL,
            "Service": EVIL,
            "Address": EVIL,
            "Tags": [EVIL, "javascript:alert(1)"],
            "Meta": {"company": EVIL, "name": EVIL, "module": EVIL, "env": "javascript:alert(1)"},
        },
        "Check": {
            "Node": EVIL,
            "CheckID": "c",
            "Name": EVIL,
            "Status": "critical",
            "Output": EVIL,
            "ServiceID": EVIL,
        },
    }
).encode()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def evil() -> AsyncIterator[Home]:
    """Give an edge over a cluster in which everything that has a name has that one."""
    async with home(3) as found:
        answer = await found.house.ask("PUT", "/v1/catalog/register", (), _WITH_A_VALUE)
        assert answer.status == 200, answer.body
        yield found


async def _is_harmless(page: Page) -> None:
    assert await page.locator("img, [onerror]").count() == 0
    assert await page.locator("a[href^='javascript:' i]").count() == 0


async def test_service_that_is_named_like_markup_is_text_everywhere(
    browser: Browser, evil: Home
) -> None:
    """Table, details, filters, chips, messages and files: it can be read, and does nothing."""
    asked: list[str] = []
    async with watched(browser) as page:
        page.on("dialog", lambda dialog: asked.append(dialog.message))
        target = f"/?service={WRITTEN}&company={WRITTEN}&status={WRITTEN}&columns=service,id,node"
        await opened(page, evil, target)
        title = await page.title()
        await expect(page.locator(".grid-row")).to_have_count(1)
        for column in ("service", "id", "node"):
            await expect(page.locator(f".grid-row .c-{column}")).to_have_text(EVIL)
        await expect(page.locator("[data-problem]")).to_contain_text(EVIL)
        await expect(page.locator(".chip span").first).to_have_text(f"Service: {EVIL}")
        await page.click("[data-facet=company] summary")
        await expect(page.locator("[data-facet=company] ul")).to_contain_text(EVIL)
        await page.keyboard.press("Escape")
        await expect(page.locator("#node-selector")).to_contain_text(EVIL)
        await page.locator(".grid-row").click()
        drawer = page.locator("#drawer")
        await expect(drawer.locator("h2")).to_have_text(EVIL)
        await expect(drawer.locator(".check.critical pre")).to_have_text(EVIL)
        await expect(drawer.locator(".why")).to_be_visible()
        await _is_harmless(page)
        await page.fill("#search input[name=q]", f"/({EVIL}/")
        await expect(page.locator("[data-query]")).to_be_visible()
        await page.fill("#search input[name=q]", f'"{EVIL}"')
        await expect(page.locator(".grid-row")).to_have_count(1)
        await page.click("#export summary")
        async with page.expect_download() as coming:
            await page.click("#export a:text-is('CSV')")
        assert (await coming.value).suggested_filename == "services.csv"
        await _is_harmless(page)
        assert await page.title() == title
        await opened(page, evil, f"/nodes?node={WRITTEN}&name={WRITTEN}")
        await expect(page.locator(".grid-row .c-name")).to_have_text(EVIL)
        await page.locator(".grid-row").click()
        await expect(drawer.locator(".check.critical pre")).to_have_text(EVIL)
        await _is_harmless(page)
    assert asked == []


async def test_service_that_is_named_like_markup_is_text_without_scripts(
    browser: Browser, evil: Home
) -> None:
    """The server's own HTML has it as text, too, details and messages included."""
    async with watched(browser, java_script_enabled=False) as page:
        await page.goto(f"{evil.base}/?q=%22{WRITTEN}%22&service={WRITTEN}&status={WRITTEN}")
        await expect(page.locator("td.c-service")).to_have_text(EVIL)
        await expect(page.locator("[data-problem]")).to_contain_text(EVIL)
        await expect(page.locator(".chip span").first).to_contain_text(EVIL)
        await page.click("td.c-service a")
        await expect(page.locator("#drawer h2")).to_have_text(EVIL)
        await _is_harmless(page)
