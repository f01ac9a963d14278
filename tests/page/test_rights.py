"""Who looks: tokens are entered and forgotten, and caches flushed by those who may."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest_asyncio
from playwright.async_api import Browser, Page, Request, Route, expect

from tests.page.browser import watched
from tests.page.grids import frames
from tests.page.houses import Home, home
from tests.waiting import eventually

TOKEN: Final = "0000ce11-5ec2-e75e-c25e-c2e75ec2e75e"
"""Of one who may see everything."""

OWN: Final = "0000ed6e-5ec2-e75e-c25e-c2e75ec2e75e"
"""The edge's, which nobody else gets."""

ADMIN: Final = "0000adm1-5ec2-e75e-c25e-c2e75ec2e75e"

REFUSED: Final = ("403 (Forbidden)", "401 (Unauthorized)", "503 (Service Unavailable)")
"""What the browser itself says of calls that are refused."""


COUNT_READ: Final = """
const { json } = Response.prototype;
window.read = 0;
Response.prototype.json = async function () {
  const told = await json.call(this);
  if (this.url.endsWith("=columns")) setTimeout(() => { window.read += 1; });
  return told;
};
"""
"""Counts the documents of rows that a page has made use of."""


def _only_leaders(_method: str, path: str) -> bool:
    return path.startswith("/v1/status/")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def guarded() -> AsyncIterator[Home]:
    """Give an edge whose anonymous callers see no rows, and whose admin calls need a token."""
    tokens = {"": _only_leaders, TOKEN: None, OWN: None}
    async with home(155, tokens=tokens, ADMIN__TOKEN=ADMIN, CONSUL__TOKEN=OWN) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(browser: Browser, guarded: Home) -> AsyncIterator[Page]:
    """Give the page of somebody without a token, with the panel open."""
    async with watched(browser, forgives=REFUSED) as page:
        await shown(page, guarded)
        await page.click(".rights")
        yield page


async def shown(page: Page, guarded: Home, target: str = "/") -> None:
    """Go to a page, and wait for its scripts."""
    await page.goto(guarded.base + target)
    await expect(page.locator("#rows[role=grid]")).to_be_attached()


async def enter(page: Page, name: str, token: str) -> None:
    """Type a token into its field of the panel, and use it."""
    await page.fill(f"#field-token_{name}", token)
    await page.press(f"#field-token_{name}", "Enter")


async def count(page: Page, rows: int) -> None:
    """Wait until there are so many rows."""
    await expect(page.locator("#rows")).to_have_attribute("aria-rowcount", str(rows + 1))


def asked_by(page: Page) -> list[Request]:
    """Give what the page asks for from now on."""
    asked: list[Request] = []

    def note(one: Request) -> None:
        asked.append(one)

    page.on("request", note)
    return asked


async def stored(page: Page) -> dict[str, str]:
    """Give all that the tab keeps."""
    found: str = await page.evaluate("JSON.stringify({ ...sessionStorage, ...localStorage })")
    kept: dict[str, str] = json.loads(found)
    return kept


class TestToken:
    """Of Consul."""

    async def test_token_shows_what_it_may_see_at_once(self, visitor: Page, guarded: Home) -> None:
        """Rows, checks and filters are those of the token, on the page as it is."""
        await count(visitor, 0)
        await visitor.evaluate("window.same = true")
        await enter(visitor, "consul", f"  {TOKEN} ")
        await count(visitor, 155)
        await expect(visitor.locator("#form-token_consul .held")).to_be_visible()
        assert await stored(visitor) == {"consul-edge.token": TOKEN}
        await visitor.keyboard.press("Escape")
        await visitor.locator(".grid-row").first.click()
        await expect(visitor.locator("#drawer .check").first).to_be_visible()
        assert await visitor.evaluate("window.same")
        await shown(visitor, guarded, f"/{await visitor.evaluate('location.search')}")
        await expect(visitor.locator("#drawer .check").first).to_be_visible()

    async def test_tokens_are_in_headers_and_nowhere_else(self, visitor: Page) -> None:
        """Each call has Consul's, admin calls the other; no address, element or word has one."""
        asked = asked_by(visitor)
        said: list[str] = []
        visitor.on("console", lambda message: said.append(message.text))
        await enter(visitor, "consul", TOKEN)
        await count(visitor, 155)
        await enter(visitor, "admin", ADMIN)
        await visitor.click("[data-flush=sites]")
        await expect(visitor.locator("#flushed")).to_have_text("Sites: loaded anew.")
        for field in ("consul", "admin"):
            assert await visitor.input_value(f"#field-token_{field}") == ""
        await visitor.keyboard.press("Escape")
        await visitor.locator(".grid-row").first.click()
        await expect(visitor.locator("#drawer .check").first).to_be_visible()
        await expect(visitor.locator("#drawer .why")).to_be_visible()
        calls = [one for one in asked if "/static/" not in one.url]
        assert len(calls) > 5
        assert any("/api/v1/events" in one.url for one in calls)
        for one in calls:
            is_admin = "/api/v1/admin/" in one.url
            wanted = (TOKEN, f"Bearer {ADMIN}" if is_admin else None)
            headers = await one.all_headers()
            given = (headers.get("x-consul-token"), headers.get("authorization"))
            assert given == wanted, one.url
        everything = await visitor.evaluate(
            "[document.documentElement.outerHTML, location.href,"
            " ...[...document.querySelectorAll('input')].map(({ value }) => value)].join()"
        )
        everything += " ".join([*said, *(one.url for one in asked)])
        assert TOKEN not in everything
        assert ADMIN not in everything

    async def test_refused_token_is_said_and_nothing_is_lost(self, visitor: Page) -> None:
        """Who mistypes still has the token of before, its rows, and the place in them."""
        await enter(visitor, "consul", TOKEN)
        await count(visitor, 155)
        await visitor.evaluate("sessionStorage.setItem('consul-edge.token', 'kept')")
        await visitor.evaluate(
            "document.querySelector('#form-token_consul .entering').hidden = false"
        )
        await enter(visitor, "consul", "0000bad0-5ec2-e75e-c25e-c2e75ec2e75e")
        said = visitor.locator("#form-token_consul .said")
        await expect(said).to_contain_text("nothing has changed")
        await expect(said).to_contain_text("Consul refuses it")
        assert await stored(visitor) == {"consul-edge.token": "kept"}
        await count(visitor, 155)
        await expect(visitor.locator("#failure")).to_have_count(0)

    async def test_answer_to_who_looked_before_comes_too_late(
        self, browser: Browser, guarded: Home
    ) -> None:
        """Rows that were asked for without the token do not take the place of those with it."""
        held, released = asyncio.Event(), asyncio.Event()

        async def hold(route: Route) -> None:
            if "x-consul-token" not in route.request.headers:
                held.set()
                await released.wait()
            await route.continue_()

        async with watched(browser) as page:
            await page.add_init_script(COUNT_READ)
            await page.route("**/api/v1/services?format=columns", hold)
            await page.goto(guarded.base)
            await held.wait()
            await page.click(".rights")
            await enter(page, "consul", TOKEN)
            await count(page, 155)
            released.set()
            await eventually(lambda: page.evaluate("window.read === 2"), "both are read")
            await frames(page)
            await count(page, 155)

    async def test_text_that_is_no_token_is_asked_of_nobody(self, visitor: Page) -> None:
        """A sentence, or a token with a line break in it, is told apart here."""
        asked = asked_by(visitor)
        for text in ("two words", "tökên", "", "x" * 5_000):
            await enter(visitor, "consul", text)
            await expect(visitor.locator("#form-token_consul .said")).to_contain_text("no token")
            assert await visitor.input_value("#field-token_consul") == ""
        assert asked == []

    async def test_forgotten_token_leaves_nothing_of_what_it_saw(self, visitor: Page) -> None:
        """The page is loaded anew, as anybody gets it."""
        await enter(visitor, "consul", TOKEN)
        await count(visitor, 155)
        await visitor.click("#form-token_consul .held button")
        await count(visitor, 0)
        assert await stored(visitor) == {}
        await expect(visitor.locator(".empty")).to_have_text("There is nothing here yet.")

    async def test_page_that_the_browser_kept_forgets_with_the_others(self, visitor: Page) -> None:
        """Who goes back to rows that a token saw gets those of anybody, once it is forgotten."""
        await enter(visitor, "consul", TOKEN)
        await count(visitor, 155)
        await visitor.evaluate(
            "() => { sessionStorage.clear(); setTimeout(() =>"
            " dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))); }"
        )
        await count(visitor, 0)

    async def test_token_that_is_refused_later_is_said_with_a_way_out(
        self, visitor: Page, guarded: Home
    ) -> None:
        """Whose token Consul has deleted is told so, and offered to enter another."""
        await visitor.evaluate("sessionStorage.setItem('consul-edge.token', 'deleted')")
        await visitor.goto(guarded.base)
        failure = visitor.locator("#failure")
        await expect(failure).to_contain_text("lets this token see nothing here")
        await failure.locator("button:has-text('Enter a token')").click()
        await visitor.click("#form-token_consul .held button")
        await count(visitor, 0)
        await expect(failure).to_have_count(0)

    async def test_who_may_see_nothing_has_all_tools_after_entering_a_token(
        self, browser: Browser
    ) -> None:
        """A page that came with a refusal alone is whole without being loaded again."""
        async with home(20) as refusing, watched(browser, forgives=REFUSED) as page:
            refusing.standin.faults.answer(403, "Permission denied", path="/v1/catalog/services")
            await page.goto(refusing.base)
            await expect(page.locator("#failure button")).to_have_count(2)
            await expect(page.locator("#tools")).to_be_hidden()
            refusing.standin.faults.clear()
            await page.click("#failure button:has-text('Enter a token')")
            await enter(page, "consul", TOKEN)
            await count(page, 20)
            await page.keyboard.press("Escape")
            await page.click("[data-facet=category] summary")
            await page.locator("[data-facet=category] a").first.click()
            await expect(page.locator(".chip").first).to_be_visible()
            await expect(page.locator(".groups a").first).to_be_visible()
            await expect(page.locator("#failure")).to_have_count(0)

    async def test_closed_panel_has_no_half_typed_token(self, visitor: Page) -> None:
        """Who comes to the keyboard next finds nothing in the field."""
        await visitor.fill("#field-token_admin", ADMIN)
        await visitor.keyboard.press("Escape")
        await expect(visitor.locator("#field-token_admin")).to_have_value("")

    async def test_files_are_exported_in_the_name_of_the_token(
        self, visitor: Page, tmp_path: Path
    ) -> None:
        """A link has no header: the file is fetched, and has the rows that are shown."""
        await enter(visitor, "consul", TOKEN)
        await count(visitor, 155)
        await visitor.keyboard.press("Escape")
        await visitor.fill("#search input[name=q]", "status:critical")
        await expect(visitor.locator("#count")).to_contain_text("of 155")
        shown_rows = int(await visitor.get_attribute("#rows", "aria-rowcount") or 0) - 1
        for name, text in {"services.csv": "CSV", "services.json": "JSON"}.items():
            await visitor.click("#export summary")
            async with visitor.expect_download() as coming:
                await visitor.click(f"#export a:text-is('{text}')")
            download = await coming.value
            assert download.suggested_filename == name
            assert TOKEN not in download.url
            await download.save_as(tmp_path / name)
            await visitor.keyboard.press("Escape")
        lines = (tmp_path / "services.csv").read_bytes().count(b"\r\n")
        assert lines == shown_rows + 1
        assert json.loads((tmp_path / "services.json").read_text())["total"] == shown_rows


class TestCaches:
    """What the edge keeps, for those with the admin token."""

    async def test_wrong_admin_token_is_told_in_words(self, visitor: Page) -> None:
        """No status code, and no caches."""
        await enter(visitor, "admin", TOKEN)
        said = visitor.locator("#form-token_admin .said")
        await expect(said).to_contain_text("This is not the admin token of this edge.")
        await expect(visitor.locator("#caches")).to_be_hidden()
        assert await stored(visitor) == {}

    async def test_flush_is_done_and_said_and_seen_in_the_table(self, visitor: Page) -> None:
        """Each cache has its entries, its age, and when it was flushed last."""
        await enter(visitor, "admin", ADMIN)
        said = visitor.locator("#flushed")
        notices = {
            "services": "Services: ",
            "nodes": "Nodes: ",
            "sites": "Sites: loaded anew.",
            "rules": "Rules: there was nothing to flush.",
            "proxy": "Consul's answers: ",
        }
        for name, notice in notices.items():
            button = visitor.locator(f"#caches tbody [data-flush={name}]")
            await button.click()
            await expect(said).to_contain_text(notice)
            row = visitor.locator(f"#caches tbody tr:has([data-flush={name}])")
            await expect(row.locator("td").nth(2)).to_contain_text("ago")
            await expect(row.locator("td").nth(0)).to_have_text(re.compile(r"^[\d,]+$"))
            assert await button.evaluate("(one) => one === document.activeElement")

    async def test_everything_is_flushed_only_when_asked_twice(self, visitor: Page) -> None:
        """A slip of the hand costs no cluster its calm."""
        asked = asked_by(visitor)
        await enter(visitor, "admin", ADMIN)
        await visitor.click("#caches .acts [data-flush=all]")
        await expect(visitor.locator(".confirming")).to_contain_text("Forget everything?")
        await visitor.click(".confirming button:has-text('Cancel')")
        await expect(visitor.locator(".confirming")).to_be_hidden()
        assert [one.method for one in asked] == ["GET"]
        await visitor.click("#caches .acts [data-flush=all]")
        await visitor.click(".confirming [data-flush=all]")
        await expect(visitor.locator("#flushed")).to_contain_text("All caches: ")
        posted = [one.url.partition("/cache/")[2] for one in asked if one.method == "POST"]
        assert posted == ["all/flush"]

    async def test_token_that_was_changed_meanwhile_is_asked_for_again(
        self, visitor: Page
    ) -> None:
        """A flush that is refused says so, and the field for the new token is there."""
        await enter(visitor, "admin", ADMIN)
        await expect(visitor.locator("#caches")).to_be_visible()
        await visitor.evaluate("sessionStorage.setItem('consul-edge.admin', 'the-old-one')")
        await visitor.click("[data-flush=nodes]")
        said = visitor.locator("#form-token_admin .said")
        await expect(said).to_contain_text("asks for its admin token")
        await expect(visitor.locator("#field-token_admin")).to_be_focused()
        assert await stored(visitor) == {}
        await enter(visitor, "admin", ADMIN)
        await expect(visitor.locator("#caches")).to_be_visible()

    async def test_caller_who_is_trusted_is_asked_for_no_token(self, browser: Browser) -> None:
        """Where the operator trusts loopback, the buttons are there at once."""
        async with home(5, ADMIN__TRUST_LOOPBACK="true") as trusting, watched(browser) as page:
            await shown(page, trusting)
            await page.click(".rights")
            await page.click("[data-flush=services]")
            await expect(page.locator("#flushed")).to_contain_text("Services: ")
            await expect(page.locator("#form-token_admin")).to_contain_text("Not needed")
            await expect(page.locator("#field-token_admin")).to_be_hidden()

    async def test_edge_that_is_gone_is_told_in_the_panel(self, visitor: Page) -> None:
        """What could not be flushed is not silent."""
        await enter(visitor, "admin", ADMIN)
        await expect(visitor.locator("#caches")).to_be_visible()
        await visitor.route("**/flush", lambda route: route.fulfill(status=503, body="draining"))
        await visitor.click("[data-flush=nodes]")
        await expect(visitor.locator("#flushed")).to_have_text("Nodes: not flushed. draining")
