"""The page in a browser: what scripts make of it, and that the address holds all of it."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from tests.page.browser import watched
from tests.page.houses import Home, home


async def opened(page: Page, home: Home, target: str = "/") -> None:
    """Go to a page of the edge, and wait until its scripts have taken over."""
    await page.goto(home.base + target)
    await expect(page.locator("#rows[role=grid]")).to_be_visible()


async def column(page: Page, name: str) -> list[str]:
    """List what a column says in the rows in view, from the first one on."""
    return await page.locator(f".grid-row .c-{name}").all_inner_texts()


async def count(page: Page) -> int:
    """Tell how many rows there are, whatever is in view."""
    rows = await page.locator("#rows").get_attribute("aria-rowcount")
    return int(rows or 0) - 1


async def _answer_nonsense(route: Route) -> None:
    await route.fulfill(status=200, body="no rows")


async def parameters(page: Page) -> str:
    """Give what the address asks for, as the page itself knows it: its driver learns it later."""
    found: str = await page.evaluate("location.search.slice(1)")
    return found


@pytest_asyncio.fixture(loop_scope="session")
async def shown(page: Page, home155: Home) -> Page:
    """Give the services of 155 instances."""
    await opened(page, home155)
    return page


@pytest_asyncio.fixture(loop_scope="session")
async def brazilian(browser: Browser) -> AsyncIterator[Page]:
    """Give a page of a Brazilian's browser."""
    async with watched(browser, locale="pt-BR") as found:
        yield found


class TestTakingOver:
    """From the HTML's table to the grid."""

    async def test_grid_begins_with_the_rows_of_the_html(
        self, browser: Browser, home155: Home, shown: Page
    ) -> None:
        """Nothing moves when scripts take over: the same rows in the same order."""
        async with watched(browser, java_script_enabled=False) as plain:
            await plain.goto(home155.base)
            ids = await plain.locator("td.c-id").all_inner_texts()
        in_view = await column(shown, "id")
        assert len(in_view) > 10
        assert in_view == ids[: len(in_view)]

    async def test_first_row_is_where_it_was(
        self, browser: Browser, home155: Home, shown: Page
    ) -> None:
        """The grid's rows lie where the table's lay, to the pixel in height."""
        async with watched(browser, java_script_enabled=False) as plain:
            await plain.goto(home155.base)
            before = await plain.locator("tbody tr").first.bounding_box()
        after = await shown.locator(".grid-row").first.bounding_box()
        assert before is not None
        assert after is not None
        assert (after["y"], after["height"]) == (before["y"], before["height"])

    async def test_page_without_scripts_filters_by_links_alone(
        self, browser: Browser, home155: Home
    ) -> None:
        """Menus open, values are links, and a search is a form."""
        async with watched(browser, java_script_enabled=False) as plain:
            await plain.goto(home155.base)
            await plain.click("[data-facet=category] summary")
            await plain.click("[data-facet=category] a:has-text('web-probes')")
            assert set(await plain.locator("td.c-category").all_inner_texts()) == {"web-probes"}
            await plain.fill("#search input[name=q]", "prod")
            await plain.press("#search input[name=q]", "Enter")
            assert await parameters(plain) == "q=prod&category=web-probes"
            assert all("prod" in text for text in await plain.locator("td.c-id").all_inner_texts())

    async def test_refused_rows_are_asked_for_again(self, page: Page, home155: Home) -> None:
        """What cannot be loaded is said, and the button loads it."""
        await page.route("**/api/v1/services?format=columns", _answer_nonsense)
        await page.goto(home155.base)
        await expect(page.locator("#failure")).to_contain_text("Loading failed")
        assert await page.locator("#rows tbody tr").count() == 50
        await page.unroute("**/api/v1/services?format=columns")
        await page.click("#failure button")
        await expect(page.locator("#rows[role=grid]")).to_be_visible()
        await expect(page.locator("#failure")).to_have_count(0)


class TestAddress:
    """Every control is in the URL, and comes back from it."""

    @pytest.mark.parametrize(
        ("target", "act", "wanted"),
        [
            ("/", ("type", "#search input[name=q]", "mysqld"), "q=mysqld"),
            ("/", ("click", ".healths a:has-text('critical')"), "status=critical"),
            ("/", ("click", ".groups a:has-text('web-probes')"), "category=web-probes"),
            ("/", ("click", ".grid-head .c-id button"), "sort=id&order=asc"),
            ("/", ("check", "#view label:has-text('Dense') input"), "dense=1"),
            (
                "/",
                ("uncheck", "#view label:has-text('ID') input"),
                "columns=status,service,node,addr,category,site,company",
            ),
            ("/", ("facet", "company", "Agropalma"), "company=Agropalma"),
            ("/", ("facet", "node", "rio-host-05"), "node=rio-host-05"),
            ("/nodes", ("facet", "type", "external"), "type=external"),
        ],
    )
    async def test_control_is_in_the_address_and_a_new_page_has_it(
        self, page: Page, home155: Home, target: str, act: tuple[str, ...], wanted: str
    ) -> None:
        """A view that is shared is the view that was seen."""
        await opened(page, home155, target)
        match act:
            case ("type", selector, text):
                await page.fill(selector, text)
            case ("facet", facet, value):
                await page.click(f"[data-facet={facet}] summary")
                await page.click(f"[data-facet={facet}] a:has-text('{value}')")
            case ("check" | "uncheck", selector):
                await page.click("#view summary")
                await page.set_checked(selector, act[0] == "check")
            case _:
                await page.click(act[1])
        assert (await parameters(page)).replace("%2C", ",") == wanted
        before = await page.locator(".grid-row").all_inner_texts()
        total = await count(page)
        await opened(page, home155, f"{target}?{wanted}")
        assert await page.locator(".grid-row").all_inner_texts() == before
        assert await count(page) == total

    async def test_back_and_forward_work(self, shown: Page) -> None:
        """Each commit is a step, and a word that was typed is one."""
        everything = await count(shown)
        await shown.locator("#search input[name=q]").press_sequentially("mysqld")
        found = await count(shown)
        await shown.press("#search input[name=q]", "Enter")
        await shown.click(".healths a:has-text('critical')")
        filtered = await count(shown)
        assert filtered < found < everything
        await shown.go_back()
        assert (await count(shown), await parameters(shown)) == (found, "q=mysqld")
        assert await shown.input_value("#search input[name=q]") == "mysqld"
        await shown.go_back()
        assert (await count(shown), await parameters(shown)) == (everything, "")
        await shown.go_forward()
        await shown.go_forward()
        assert await count(shown) == filtered

    async def test_parameter_that_means_nothing_is_told_above_the_rows(
        self, page: Page, home155: Home
    ) -> None:
        """It is named, and the rows are those of the others."""
        await opened(page, home155, "/?status=critcal&category=web-probes")
        await expect(page.locator("[data-problem]")).to_contain_text('status: "critcal"')
        assert set(await column(page, "category")) == {"web-probes"}
        await page.click(".groups a:has-text('system-exporters')")
        await expect(page.locator("[data-problem]")).to_have_count(0)

    async def test_search_that_means_nothing_says_where_and_what_is_before_holds(
        self, shown: Page
    ) -> None:
        """Who is still typing sees what the words before mean."""
        field = shown.locator("#search input[name=q]")
        await field.fill("mysqld")
        found = await count(shown)
        await field.press_sequentially(" statsu:critical")
        await expect(shown.locator("[data-query]")).to_contain_text("no field is called statsu")
        assert await count(shown) == found
        await field.fill("mysqld")
        await expect(shown.locator("[data-query]")).to_have_count(0)

    async def test_state_written_is_the_state_read(self, blank: Page) -> None:
        """Values with commas, quotes, slashes and blanks come back as they were."""
        told: Any = await blank.evaluate(
            """async () => {
              const { readState, writeState } = await import("/static/state.js");
              const page = { known: ["company", "node", "id"], choices: {}, languages: ["en"],
                             columns: [{ name: "id" }, { name: "node" }] };
              const state = {
                q: 'a "b c" -d', dense: true, lang: "en", columns: ["node"], problems: [],
                filters: new Map([
                  ["company", ["Beta, Inc", 'say "x"', "", "all", " y ", "Ágora"]],
                  ["meta.Os-1", ["<img>"]],
                ]),
                sort: [{ name: "id", descending: true }, { name: "node", descending: false }],
                row: ["dc1", "n/1%", "icmp/Acme & Co@x#1"],
              };
              const again = readState(writeState(state), page);
              const plain = (one) => ({ ...one, filters: [...one.filters] });
              return [plain(state), plain(again)];
            }"""
        )
        assert told[0] == told[1]


class TestFilters:
    """Facets, chips, and the summary."""

    async def test_facet_counts_what_its_value_would_leave(self, shown: Page) -> None:
        """The number beside a value is the number of rows after choosing it alone."""
        await shown.click(".healths a:has-text('critical')")
        await shown.click("[data-facet=node] summary")
        link = shown.locator("[data-facet=node] li a").first
        wanted = int(await link.locator("em").inner_text())
        await link.click()
        assert await count(shown) == wanted

    async def test_site_is_chosen_by_its_code_and_shown_by_its_name(self, shown: Page) -> None:
        """The menu has names alone, and the chip, too."""
        await shown.click("[data-facet=site] summary")
        names = await shown.locator("[data-facet=site] a span").all_inner_texts()
        assert "Rio de Janeiro" in names
        assert "rio" not in names
        await shown.click("[data-facet=site] a:has-text('Rio de Janeiro')")
        assert await parameters(shown) == "site=rio"
        await expect(shown.locator(".chip span").first).to_have_text("Site: Rio de Janeiro")

    async def test_chip_takes_its_filter_back(self, shown: Page) -> None:
        """And the reset takes all."""
        await shown.click(".groups a:has-text('web-probes')")
        await shown.click(".healths a:has-text('passing')")
        await shown.click(".chip:has-text('web-probes')")
        assert await parameters(shown) == "status=passing"
        await shown.click(".reset")
        assert await parameters(shown) == ""

    async def test_value_that_has_no_rows_left_can_still_be_unchosen(
        self, page: Page, home155: Home
    ) -> None:
        """A filter without rows says so, and is in its menu."""
        await opened(page, home155, "/?company=Nobody")
        await expect(page.locator(".empty")).to_be_visible()
        await page.click("[data-facet=company] summary")
        await page.click("[data-facet=company] a:has-text('Nobody')")
        assert await parameters(page) == ""


class TestDrawer:
    """A row in full."""

    async def test_checks_meta_and_the_deciding_rule_are_shown(self, shown: Page) -> None:
        """What fails, and why it is in that category, in one place."""
        await shown.click(".grid-row:has-text('network-probes') .c-service")
        drawer = shown.locator("#drawer")
        await expect(drawer.locator(".check.critical")).to_have_count(1)
        await expect(drawer.locator(".why")).to_contain_text("decided: network-probes")
        await expect(drawer).to_contain_text("grupo_monitoramento")

    async def test_checks_are_those_of_the_row_and_of_no_neighbour(
        self, page: Page, home155: Home
    ) -> None:
        """Several instances of one service on one node have outputs of their own."""
        await opened(page, home155, "/?module=icmp&node=rio-host-05&sort=id")
        assert await count(page) > 1
        for place in range(2):
            row = page.locator(".grid-row").nth(place)
            host = (await row.locator(".c-addr").inner_text()).partition(":")[0]
            await row.click()
            await expect(page.locator("#drawer .check", has_text=f" {host}:")).to_have_count(1)

    async def test_checks_are_asked_of_one_node_and_not_of_all_instances(
        self, page: Page, home155: Home
    ) -> None:
        """Thousands of instances of one name cost nothing who looks at one of them."""
        asked: list[str] = []
        page.on("request", lambda request: asked.append(unquote(urlsplit(request.url).path)))
        await opened(page, home155, "/?node=rio-host-05")
        await page.locator(".grid-row").first.click()
        await expect(page.locator("#drawer .check").first).to_be_visible()
        assert [path for path in asked if "/v1/health/" in path] == ["/v1/health/node/rio-host-05"]

    async def test_checks_are_shown_while_no_server_answers(self, browser: Browser) -> None:
        """What fails can be read in an outage, too: the edge has kept what its rows are of."""
        async with (
            home(12) as own,
            watched(browser, forgives=("Failed to load resource",)) as page,
        ):
            await opened(page, own)
            await own.standin.refuse()
            own.standin.disconnect()
            await expect(page.locator("#stale")).to_be_visible()
            await page.locator(".grid-row").first.click()
            await expect(page.locator("#drawer .check").first).to_be_visible()

    async def test_address_opens_the_row_and_escape_closes_it(
        self, page: Page, shown: Page, home155: Home
    ) -> None:
        """A row that is shared is open; what closes it leaves the rest of the view."""
        await shown.fill("#search input[name=q]", "mysqld")
        await shown.locator(".grid-row").nth(2).click()
        title = await shown.locator("#drawer p.mono").first.inner_text()
        target = f"/?{await parameters(shown)}"
        await opened(page, home155, target)
        await expect(page.locator("#drawer p.mono").first).to_have_text(title)
        await page.press("#rows", "Escape")
        await expect(page.locator("#drawer")).to_have_count(0)
        assert await parameters(page) == "q=mysqld"

    async def test_markup_in_names_is_text_everywhere(self, page: Page, home155: Home) -> None:
        """A company that is markup is read, and not run: no element of it is anywhere."""
        await opened(page, home155, "/?q=onerror&columns=service,id,company")
        await page.locator(".grid-row").first.click()
        await expect(page.locator("#drawer .check").first).to_be_visible()
        await page.click("[data-facet=company] summary")
        await expect(page.locator("[data-facet=company] ul")).to_contain_text("<img")
        await expect(page.locator("#drawer")).to_contain_text("<img src=x onerror=")
        assert await page.locator("img").count() == 0

    async def test_only_http_becomes_a_link(self, blank: Page) -> None:
        """What runs when it is followed cannot be followed."""
        told = await blank.evaluate(
            """async (texts) => {
              const { isLink } = await import("/static/dom.js");
              return texts.map(isLink);
            }""",
            [
                "https://a.example/",
                "HTTP://a.example",
                "javascript:alert(1)",
                " https://a",
                "https://",
                "data:text/html,x",
                "//a.example",
                "http:a",
            ],
        )
        assert told == [True, True, False, False, False, False, False, False]

    async def test_copied_command_asks_for_just_that_row(
        self, browser: Browser, home155: Home
    ) -> None:
        """It works as it is pasted, and names no token though there is one."""
        async with watched(browser, permissions=["clipboard-read", "clipboard-write"]) as page:
            await page.goto(home155.base)
            await page.evaluate("sessionStorage.setItem('consul-edge.token', 's3cr3t')")
            await opened(page, home155)
            await page.locator(".grid-row").nth(1).click()
            wanted = await page.locator("#drawer p.mono").first.inner_text()
            await page.click("#drawer button:has-text('curl')")
            await expect(page.locator(".spoken-note")).to_have_text("Copied")
            command = await page.evaluate("navigator.clipboard.readText()")
        assert "s3cr3t" not in command
        assert command.startswith('curl -H "X-Consul-Token: $CONSUL_HTTP_TOKEN" \'http://')
        target = command.rpartition(" ")[2].strip("'").removeprefix(home155.base)
        document = (await home155.house.ask("GET", target)).json()
        assert [row["ID"] for row in document["data"]] == [wanted]


class TestExport:
    """The rows for others."""

    async def test_links_give_the_filtered_rows(self, shown: Page, home155: Home) -> None:
        """What is exported is what is shown, in each format."""
        await shown.fill("#search input[name=q]", "-icmp")
        await shown.click(".groups a:has-text('network-probes')")
        total = await count(shown)
        links = await shown.locator("#export a").evaluate_all("all => all.map((a) => a.href)")
        csv, document, targets = [
            await home155.house.ask("GET", link.removeprefix(home155.base)) for link in links
        ]
        assert csv.body.count(b"\r\n") == total + 1
        assert document.json()["total"] == total
        assert sum(len(group["targets"]) for group in targets.json()) == total


class TestLooks:
    """Theme, density, columns, language, size."""

    async def test_theme_is_kept_and_set_before_the_first_paint(
        self, shown: Page, home155: Home
    ) -> None:
        """A dark page never flashes white: the theme is there when the body begins."""
        await shown.click("#view summary")
        await shown.check("#view input[value=dark]")
        dark = await shown.evaluate("getComputedStyle(document.body).backgroundColor")
        await shown.add_init_script(
            """new MutationObserver((_, observer) => {
              if (!document.body) return;
              window.themeAtBody = document.documentElement.dataset.theme;
              observer.disconnect();
            }).observe(document, { childList: true, subtree: true });"""
        )
        await opened(shown, home155)
        assert await shown.evaluate("window.themeAtBody") == "dark"
        assert await shown.evaluate("getComputedStyle(document.body).backgroundColor") == dark

    async def test_columns_chosen_once_hold_on_the_next_page(
        self, shown: Page, home155: Home
    ) -> None:
        """An address without columns shows those that this browser chose last."""
        await shown.click("#view summary")
        await shown.check("#view label:has-text('Module') input")
        await opened(shown, home155)
        assert await shown.locator(".grid-head .c-module").count() == 1
        await opened(shown, home155, "/?columns=status,id")
        assert await shown.locator(".grid-head .grid-cell").count() == 2

    async def test_whole_page_speaks_portuguese_to_a_brazilian(
        self, brazilian: Page, home155: Home
    ) -> None:
        """What scripts say is in the language of the HTML."""
        await opened(brazilian, home155)
        await expect(brazilian.locator("#count")).to_have_text("155 linhas")
        await brazilian.locator(".grid-row").first.click()
        await expect(brazilian.locator("#drawer")).to_contain_text("Verificações")
        await brazilian.click("a[hreflang=en]")
        await expect(brazilian.locator("html")).to_have_attribute("lang", "en")
        await expect(brazilian.locator("#drawer")).to_contain_text("Checks")

    @pytest.mark.parametrize("target", ["/", "/nodes", "/?category=web-probes&row=dc1/n1/x"])
    async def test_page_never_scrolls_sideways(
        self, page: Page, home155: Home, target: str
    ) -> None:
        """What is too wide scrolls within its own part."""
        await opened(page, home155, target)
        for width in (360, 390, 768, 1024, 1280):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate("document.documentElement.scrollWidth") == width


class TestKeys:
    """Without a mouse."""

    async def test_slash_searches_and_enter_leads_to_the_rows(self, shown: Page) -> None:
        """From anywhere to a row's details without a pointer."""
        await shown.keyboard.press("/")
        await shown.keyboard.type("mysqld")
        await shown.keyboard.press("Enter")
        await shown.keyboard.press("j")
        await shown.keyboard.press("Enter")
        await expect(shown.locator("#drawer h2")).to_contain_text("mysqld")
        await shown.keyboard.press("Escape")
        await expect(shown.locator("#drawer")).to_have_count(0)

    async def test_escape_leaves_the_search_as_it_is_for_the_rows(self, shown: Page) -> None:
        """The field says what the rows are, also after the key that empties one elsewhere."""
        await shown.keyboard.press("/")
        await shown.keyboard.type("mysqld")
        await shown.keyboard.press("Escape")
        await expect(shown.locator("#rows")).to_be_focused()
        await expect(shown.locator("#search input[name=q]")).to_have_value("mysqld")

    async def test_closing_the_details_leads_back_to_the_rows(self, shown: Page) -> None:
        """The cross does what Escape does: the focus is not lost with what had it."""
        await shown.locator(".grid-row .c-node").first.click()
        await shown.locator("#drawer .close").focus()
        await shown.keyboard.press("Enter")
        await expect(shown.locator("#drawer")).to_have_count(0)
        await expect(shown.locator("#rows")).to_be_focused()

    async def test_question_mark_shows_all_keys(self, shown: Page) -> None:
        """And Escape closes them."""
        await shown.keyboard.press("?")
        await expect(shown.locator("dialog[aria-label=Keys]")).to_be_visible()
        await shown.keyboard.press("Escape")
        await expect(shown.locator("dialog[aria-label=Keys]")).to_be_hidden()

    async def test_escape_closes_a_menu_and_stays_there(self, shown: Page) -> None:
        """The focus goes back to what opened it."""
        await shown.click("[data-facet=site] summary")
        await shown.locator("[data-facet=site] a").first.focus()
        await shown.keyboard.press("Escape")
        assert await shown.locator("details[open]").count() == 0
        assert await shown.evaluate("document.activeElement.tagName") == "SUMMARY"


class TestSummary:
    """Above the rows."""

    async def test_one_row_is_told_as_one(self, browser: Browser) -> None:
        """By the server and by the page's own modules."""
        async with home(1) as own, watched(browser) as page:
            plain = (await own.house.ask("GET", "/")).body.decode()
            assert '<p id="count">1 row</p>' in plain
            assert "<b>1</b> <span>service instance</span>" in plain
            await opened(page, own, "/?lang=pt-BR")
            await expect(page.locator("#count")).to_have_text("1 linha")
            await expect(page.locator(".total")).to_have_text("1 instância de serviço")

    async def test_counts_are_those_of_the_html(
        self, browser: Browser, home155: Home, shown: Page
    ) -> None:
        """Scripts count what the server counted."""
        async with watched(browser, java_script_enabled=False) as plain:
            await plain.goto(home155.base)
            wanted = await plain.locator("#strip").inner_text()
        assert (await shown.locator("#strip").inner_text()).split() == wanted.split()

    async def test_banner_comes_with_its_age_and_goes(self, shown: Page) -> None:
        """Who is told that rows are stale sees it at once, and how old they are."""
        tell = """async ([state, age]) => {
          const { createSummary } = await import(
            document.querySelector("script[type=module]").src.replace("page.js", "summary.js"));
          const summary = createSummary({ strip: null, address: null });
          summary.hear({ active_server: "a:1", cache: { state, age_seconds: age } });
          summary.close();
        }"""
        await shown.evaluate(tell, ["stale", 125])
        await expect(shown.locator("#stale")).to_contain_text("These rows are 2 min old")
        assert await shown.locator("#certainty").inner_text() == "stale"
        await shown.evaluate(tell, ["live", 0.1])
        await expect(shown.locator("#stale")).to_have_count(0)
