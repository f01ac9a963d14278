"""The page kept current over a cluster that changes: what comes, what stays, what is said."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Request, Route, expect

from consul_edge.demo.churn import Churn
from consul_edge.web import feed
from tests.page.browser import watched
from tests.page.cluster import drop, drop_node, make_node, put, set_status, told
from tests.page.houses import Home, home
from tests.page.sightings import begin, sightings, watch
from tests.relay import Relay
from tests.waiting import eventually

EVENTS: Final = "/api/v1/events"

TOKEN: Final = "0000ce11-5ec2-e75e-c25e-c2e75ec2e75e"

LOST: Final = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")
"""What the browser itself says of an edge that is away."""

SHOWN: Final = "#rows[role=grid]"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have changes told ten times a second: what a page does with one does not depend on that."""
    monkeypatch.setattr(feed, "PACE", 0.1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lively() -> AsyncIterator[Home]:
    """Give an edge over a cluster that tests change."""
    async with home(155) as found:
        make_node(found.standin, "n-1")
        make_node(found.standin, "n-2", "10.9.9.8")
        yield found


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def tidy(lively: Home) -> AsyncIterator[None]:
    """Take away what a test has put there."""
    yield
    for name in ("n-1", "n-2"):
        shelf = lively.standin.state.catalog.node(name)
        assert shelf is not None
        drop(lively.standin, name, *list(shelf.services))


@pytest_asyncio.fixture(loop_scope="session")
async def live(page: Page, lively: Home) -> Page:
    """Give its page, once it follows."""
    await follow(page, lively)
    return page


async def follow(page: Page, lively: Home, target: str = "/") -> None:
    """Go to a page, and wait until it follows the edge."""
    await page.goto(lively.base + target)
    await following(page)


async def following(page: Page, way: str = "stream") -> None:
    """Wait until the page gets what comes in a way."""
    await expect(page.locator(f"body[data-way={way}] {SHOWN}")).to_be_visible()


async def until(page: Page, told: str) -> None:
    """Wait until an expression is true in the page, whose policy lets nobody wait in there."""
    await eventually(lambda: page.evaluate(told), told)


async def ids(page: Page) -> list[str]:
    """List the ids of the rows in view."""
    return await page.locator(".grid-row .c-id").all_inner_texts()


async def place_of(page: Page, instance: str) -> float:
    """Tell how far down in the window a row is."""
    box = await page.locator(f".grid-row:has-text('{instance}')").bounding_box()
    assert box is not None, instance
    return box["y"]


async def focused(page: Page) -> str | None:
    """Give the text of the cell that the grid points to."""
    text: str | None = await page.evaluate(
        "document.getElementById(document.getElementById('rows')"
        ".getAttribute('aria-activedescendant'))?.textContent ?? null"
    )
    return text


def is_stream(request: Request) -> bool:
    """Tell whether a request is for events."""
    return request.url.endswith(EVENTS)


class TestChanges:
    """What comes is shown, and nothing else moves."""

    async def test_instance_comes_fails_and_goes(self, live: Page, lively: Home) -> None:
        """Rows, the count below and the summary above follow without a new page."""
        total = live.locator("#strip .total b")
        before = int(await total.inner_text())
        put(lively.standin, "n-1", "a-new-one")
        await expect(total).to_have_text(str(before + 1))
        await expect(live.locator("#count")).to_have_text(f"{before + 1} rows")
        await live.fill("#search input[name=q]", "a-new-one")
        row = live.locator(".grid-row:has-text('a-new-one')")
        await expect(row.locator(".status")).to_have_text("passing")
        critical = live.locator(".healths a:has-text('critical') b")
        failing = int(await critical.inner_text())
        set_status(lively.standin, "n-1", "a-new-one", "critical")
        await expect(row.locator(".status")).to_have_text("critical")
        await expect(critical).to_have_text(str(failing + 1))
        drop(lively.standin, "n-1", "a-new-one")
        await expect(row).to_have_count(0)
        await expect(total).to_have_text(str(before))

    async def test_reader_in_the_middle_keeps_the_line(self, live: Page, lively: Home) -> None:
        """Rows that come and go above leave those in view where they are."""
        await live.evaluate("document.getElementById('rows').scrollTop = 1600")
        await expect(live.locator(".grid-row[aria-rowindex='52']")).to_be_attached()
        await until(live, "document.getElementById('rows').scrollTop === 1600")
        await live.evaluate("() => new Promise((done) => requestAnimationFrame(done))")
        held = (await ids(live))[5]
        before = await place_of(live, held)
        put(lively.standin, "n-1", "above-1", "above-2", "above-3", status="critical")
        await until(live, "document.getElementById('rows').scrollTop === 1696")
        assert await place_of(live, held) == before
        drop(lively.standin, "n-1", "above-1", "above-2", "above-3")
        await until(live, "document.getElementById('rows').scrollTop === 1600")
        assert await place_of(live, held) == before

    async def test_at_the_top_what_comes_first_is_seen(self, page: Page, lively: Home) -> None:
        """Who looks at the first rows sees another one come before them."""
        await follow(page, lively, "/?sort=id&columns=status,id")
        put(lively.standin, "n-1", "001-first")
        await expect(page.locator(".grid-row .c-id").first).to_have_text("001-first")
        put(lively.standin, "n-1", "000-before")
        await expect(page.locator(".grid-row .c-id").first).to_have_text("000-before")
        assert await page.evaluate("document.getElementById('rows').scrollTop") == 0

    async def test_focus_and_selection_follow_their_row(self, page: Page, lively: Home) -> None:
        """The logical row has them, wherever it is in the order."""
        await follow(page, lively, "/?sort=id&columns=status,id")
        await page.locator(".grid-row .c-id").nth(6).click()
        held = await focused(page)
        assert held
        selected = page.locator(".grid-row[aria-selected=true]")
        await expect(selected).to_have_attribute("aria-rowindex", "8")
        before = await place_of(page, held)
        put(lively.standin, "n-1", "000-before")
        await expect(selected).to_have_attribute("aria-rowindex", "9")
        assert await focused(page) == held
        assert await selected.locator(".c-id").inner_text() == held
        assert await page.evaluate("document.activeElement.id") == "rows"
        drop(lively.standin, "n-1", "000-before")
        await expect(selected).to_have_attribute("aria-rowindex", "8")
        assert await place_of(page, held) == before

    async def test_filter_and_search_hold_for_what_comes(self, page: Page, lively: Home) -> None:
        """A row that is let in is shown, and one that is not is only counted."""
        await follow(page, lively, "/?q=let-in&status=critical")
        put(lively.standin, "n-1", "let-in-1", "left-out", status="critical")
        put(lively.standin, "n-1", "let-in-2")
        await expect(page.locator(".grid-row")).to_have_count(1)
        assert await ids(page) == ["let-in-1"]
        assert await page.evaluate("location.search") == "?q=let-in&status=critical"
        drop(lively.standin, "n-1", "let-in-1", "let-in-2", "left-out")
        await expect(page.locator(".empty")).to_be_visible()

    async def test_value_in_an_open_menu_keeps_its_element(self, live: Page, lively: Home) -> None:
        """Who is about to press it presses it, while its number changes."""
        put(lively.standin, "n-1", "counted-0")
        await live.click("[data-facet=node] summary")
        link = live.locator("[data-facet=node] a[data-value=n-1]")
        await expect(link.locator("em")).to_have_text("1")
        element = await link.element_handle()
        put(lively.standin, "n-1", "counted-1")
        await expect(link.locator("em")).to_have_text("2")
        assert await live.evaluate(
            "(one) => one === document.querySelector('[data-facet=node] a[data-value=n-1]')",
            element,
        )
        drop(lively.standin, "n-1", "counted-0", "counted-1")
        await expect(link.locator("em")).to_have_text("0")

    async def test_group_in_the_summary_keeps_its_element(self, live: Page, lively: Home) -> None:
        """The same above the rows."""
        link = live.locator(".groups a[data-value=web-probes]")
        element = await link.locator(".label").element_handle()
        number = link.locator("b")
        before = int(await number.inner_text())
        put(lively.standin, "n-1", "probe", service="blackbox", meta={"module": "http_2xx"})
        await expect(number).to_have_text(str(before + 1))
        assert await live.evaluate("(one) => one.isConnected", element)
        drop(lively.standin, "n-1", "probe")
        await expect(number).to_have_text(str(before))


class TestDetails:
    """The open drawer."""

    async def test_open_row_changes_goes_and_comes_back(self, live: Page, lively: Home) -> None:
        """It shows what is; of what is gone it shows what was, and says so."""
        put(lively.standin, "n-1", "looked-at", meta={"company": "Acme"})
        await live.fill("#search input[name=q]", "looked-at")
        await live.click(".grid-row .c-id")
        drawer = live.locator("#drawer")
        await expect(drawer.locator(".check.passing")).to_have_count(1)
        await drawer.locator("summary:has-text('JSON')").click()
        put(lively.standin, "n-1", "looked-at", meta={"company": "Beta"}, status="critical")
        await expect(drawer.locator("dl.mono")).to_contain_text("Beta")
        await expect(drawer.locator(".check.critical")).to_have_count(1)
        await expect(drawer.locator("pre.raw")).to_be_visible()
        drop(lively.standin, "n-1", "looked-at")
        await expect(drawer.locator(".notice")).to_contain_text("This row is gone")
        await expect(drawer.locator("dl.mono")).to_contain_text("Beta")
        put(lively.standin, "n-1", "looked-at")
        await expect(drawer.locator(".notice")).to_have_count(0)
        await expect(drawer.locator("h2")).to_have_text("web")
        drop(lively.standin, "n-1", "looked-at")

    async def test_focus_in_the_drawer_stays(self, live: Page, lively: Home) -> None:
        """Who goes through its buttons by keys goes on where he was."""
        put(lively.standin, "n-1", "kept-open")
        await live.fill("#search input[name=q]", "kept-open")
        await live.click(".grid-row .c-id")
        await live.locator("#drawer button:has-text('curl')").focus()
        set_status(lively.standin, "n-1", "kept-open", "warning")
        await expect(live.locator("#drawer dl .status").first).to_have_text("warning")
        assert await live.evaluate("document.activeElement.textContent") == "Copy as curl"
        drop(lively.standin, "n-1", "kept-open")


class TestPause:
    """Rows held still."""

    async def test_paused_page_counts_what_waits_and_then_shows_it(
        self, live: Page, lively: Home
    ) -> None:
        """Each row once, however often it changes."""
        count = live.locator("#count")
        before = await count.inner_text()
        await live.keyboard.press("p")
        button = live.locator("#pause")
        await expect(button).to_have_attribute("aria-pressed", "true")
        await expect(live.locator("#waiting")).to_have_text("no changes wait")
        put(lively.standin, "n-1", "waits-1")
        await expect(live.locator("#waiting")).to_have_text("1 change waits")
        put(lively.standin, "n-1", "waits-1", status="critical")
        put(lively.standin, "n-1", "waits-2")
        await expect(live.locator("#waiting")).to_have_text("2 changes wait")
        assert await count.inner_text() == before
        await button.click()
        await expect(count).not_to_have_text(before)
        await expect(button).to_have_attribute("aria-pressed", "false")
        await expect(live.locator("#waiting")).to_have_text("")
        await live.fill("#search input[name=q]", "waits-")
        assert await live.locator(".grid-row .c-status").all_inner_texts() == [
            "critical",
            "passing",
        ]
        drop(lively.standin, "n-1", "waits-1", "waits-2")

    async def test_search_in_a_paused_page_is_of_the_rows_that_are_shown(
        self, live: Page, lively: Home
    ) -> None:
        """Held still means that nothing slips in by another way."""
        await live.click("#pause")
        put(lively.standin, "n-1", "slips-in")
        await expect(live.locator("#waiting")).to_have_text("1 change waits")
        await live.fill("#search input[name=q]", "slips-in")
        await expect(live.locator(".empty")).to_be_visible()
        await live.keyboard.press("Escape")
        await live.keyboard.press("p")
        await expect(live.locator(".grid-row")).to_have_count(1)
        drop(lively.standin, "n-1", "slips-in")


class TestNodeSelector:
    """One node out of all."""

    async def test_choice_acts_on_the_rows_of_now_after_the_list_was_another(
        self, live: Page, lively: Home
    ) -> None:
        """A node that came since is chosen like any other, and shows what came since."""
        table = "(await import(document.querySelector('script[type=module]').src))"
        put(lively.standin, "n-1", "on-1")
        select = live.locator("#node-selector")
        await expect(select.locator("option[value=n-1]")).to_be_attached()
        await select.select_option("n-1")
        assert await ids(live) == ["on-1"]
        assert await live.evaluate("location.search") == "?node=n-1"
        # All rows are loaded anew, as after a change that is too large: another table is there.
        assert await live.evaluate(
            f"async () => {{ const {{ now, load }} = {table}; const before = now().table;"
            " await load(); return now().table !== before; }"
        )
        await following(live)
        make_node(lively.standin, "n-3", "10.9.9.7")
        put(lively.standin, "n-3", "on-3")
        put(lively.standin, "n-1", "on-1-too")
        await expect(live.locator(".grid-row")).to_have_count(2)
        await expect(select.locator("option[value=n-3]")).to_be_attached()
        await select.select_option("n-3")
        assert await ids(live) == ["on-3"]
        put(lively.standin, "n-3", "on-3-too")
        await expect(live.locator(".grid-row")).to_have_count(2)
        drop_node(lively.standin, "n-3")
        await expect(live.locator(".empty")).to_be_visible()
        assert await select.locator("option:checked").inner_text() == "n-3 (no rows)"
        await select.select_option("n-1")
        assert set(await ids(live)) == {"on-1", "on-1-too"}
        await expect(select.locator("option[value=n-3]")).to_have_count(0)
        await select.select_option("")
        assert await live.evaluate("location.search") == ""
        assert len(await ids(live)) > 10
        drop(lively.standin, "n-1", "on-1", "on-1-too")

    async def test_selector_shows_what_the_address_chooses(self, page: Page, lively: Home) -> None:
        """One node by its name in any case, several by their number."""
        await follow(page, lively, "/?node=RIO-host-05")
        chosen = page.locator("#node-selector option:checked")
        await expect(chosen).to_have_text("rio-host-05")
        await follow(page, lively, "/?node=rio-host-05,palmas-host-10")
        await expect(chosen).to_have_text("2 nodes")


class TestOutages:
    """What is said when nothing is told any more."""

    async def test_consul_dies_and_comes_back(self, live: Page, lively: Home) -> None:
        """A loud banner with an age that grows, the servers named; then it goes."""
        await lively.standin.refuse()
        try:
            banner = live.locator("#stale")
            await expect(banner).to_contain_text("No Consul server answers")
            await expect(banner).to_contain_text("(out)")
            await expect(live.locator("#pulse")).to_have_class("pulse stale")
            age = banner.locator(".age")
            first = int((await age.inner_text()).removesuffix(" s"))
            await expect(age).to_have_text(f"{first + 1} s")
            assert await banner.get_attribute("role") == "alert"
            assert await age.get_attribute("aria-live") == "off"
        finally:
            await lively.standin.listen()
        await expect(live.locator("#stale")).to_have_count(0, timeout=20_000)
        await expect(live.locator("#pulse")).to_have_class("pulse live", timeout=20_000)

    async def test_servers_and_hit_ratio_are_those_of_now(self, live: Page, lively: Home) -> None:
        """Asked for by who looks again, and every few seconds."""
        for _ in range(3):
            await lively.house.ask("GET", "/v1/catalog/nodes")
        await hide(live, is_hidden=False)
        await expect(live.locator("#ratio")).to_have_text(re.compile(r"\d+\.\d%"))
        await live.click("#about summary")
        await expect(live.locator("#about .server")).to_have_class("server active")

    async def test_edge_is_lost_and_found(self, browser: Browser, lively: Home) -> None:
        """It is said, tried again, and what came meanwhile is shown."""
        async with (
            Relay(lively.base.removeprefix("http://"), 8510) as relay,
            watched(browser, forgives=LOST) as page,
        ):
            await page.goto(f"http://{relay.server}/?q=meanwhile")
            await following(page)
            relay.refuse()
            banner = page.locator("#lost")
            await expect(banner).to_contain_text("This edge cannot be reached")
            await expect(page.locator("#certainty")).to_have_text("edge lost")
            put(lively.standin, "n-1", "meanwhile")
            first = int((await banner.locator(".age").inner_text()).removesuffix(" s"))
            await expect(banner.locator(".age")).to_have_text(f"{first + 1} s")
            relay.restore()
            await following(page)
            await expect(banner).to_have_count(0)
            await expect(page.locator(".grid-row:has-text('meanwhile')")).to_have_count(1)
        drop(lively.standin, "n-1", "meanwhile")


class TestConnection:
    """One, in the name of who looks, while somebody looks."""

    async def test_hidden_page_has_none_and_a_shown_one_has_what_came(
        self, live: Page, lively: Home
    ) -> None:
        """Closed at once, opened again from where it was."""
        async with live.expect_event("requestfailed", is_stream):
            await hide(live, is_hidden=True)
        put(lively.standin, "n-1", "unseen")
        async with live.expect_request(is_stream) as coming:
            await hide(live, is_hidden=False)
        headers = await (await coming.value).all_headers()
        assert int(headers["last-event-id"])
        await live.fill("#search input[name=q]", "unseen")
        await expect(live.locator(".grid-row")).to_have_count(1)
        drop(lively.standin, "n-1", "unseen")

    async def test_token_is_in_a_header_and_in_no_address(self, page: Page, lively: Home) -> None:
        """A browser's own event source could not do that."""
        asked: list[Request] = []

        def note(request: Request) -> None:
            asked.append(request)

        page.on("request", note)
        await follow(page, lively)
        await page.evaluate("(token) => sessionStorage.setItem('consul-edge.token', token)", TOKEN)
        asked.clear()
        await follow(page, lively)
        (stream,) = [one for one in asked if is_stream(one)]
        assert (await stream.all_headers())["x-consul-token"] == TOKEN
        assert not [one.url for one in asked if TOKEN in one.url]


class TestMany:
    """A cluster that changes all the time."""

    async def test_five_hundred_changes_a_second_leave_the_page_right(
        self, page: Page, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They are shown once a second, in few elements, and end at what the API has."""
        monkeypatch.undo()
        async with home(600) as busy:
            await watch(page)
            await follow(page, busy)
            await page.evaluate("document.getElementById('rows').scrollTop = 4000")
            await begin(page)
            churn = asyncio.create_task(Churn(busy.standin.state, 500).run())
            await until(page, "seen.orders >= 3")
            churn.cancel()
            await eventually(lambda: _agree(page, busy), "the page and the API to agree")
            seen = await sightings(page)
            assert await page.evaluate("document.getElementById('rows').scrollTop") > 0
        assert seen["orders"] <= min(seen["seconds"] / feed.PACE + 2, seen["frames"])
        assert seen["mostRows"] <= 80

    async def test_changes_that_come_together_are_painted_together(
        self, page: Page, lively: Home
    ) -> None:
        """However many events there are in a frame, rows are put in order once."""
        document = (await lively.house.ask("GET", "/api/v1/services")).json()
        row = document["data"][0]
        many = [
            {"services": {"changed": [row | {"ID": f"many-{number}"}], "removed": []}}
            for number in range(300)
        ]
        hello = {"cache": document["cache"], "active_server": document["active_server"]}
        body = _event("hello", hello) + "".join(_event("changes", one) for one in many)

        async def give(route: Route) -> None:
            await route.fulfill(content_type="text/event-stream", body=body)

        await page.route(f"**{EVENTS}", give, times=1)
        await watch(page)
        await page.goto(f"{lively.base}/?q=many-")
        await expect(page.locator("#count")).to_contain_text("300 of")
        seen = await sightings(page)
        assert seen["orders"] <= 3


def _event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


async def _agree(page: Page, busy: Home) -> Any:
    shown = await page.evaluate(
        """async () => {
          const script = document.querySelector("script[type=module]").src;
          const { table } = (await import(script)).now();
          return [...table.select([])].map((row) => table.row(row));
        }"""
    )
    document = (await busy.house.ask("GET", "/api/v1/services")).json()
    return told(shown) == told(document["data"])


async def hide(page: Page, *, is_hidden: bool) -> None:
    """Have the page be hidden, or seen again, as a browser tells it."""
    await page.evaluate(
        """(isHidden) => {
          Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )
