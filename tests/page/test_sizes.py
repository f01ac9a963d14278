"""
The page with 155, 10,000 and 100,000 services: few elements, the right rows, its turns kept.

Nothing here is timed: ``make bench ARGS=page`` is.
"""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from consul_edge.enrich.columnar import to_columns
from consul_edge.enrich.columns import SERVICES
from consul_edge.enrich.query import parse_query
from consul_edge.enrich.rows import ServiceRow
from consul_edge.enrich.table import Key, Table
from tests.enrich.shelf import service
from tests.page.browser import chromium, go_blank, watched
from tests.page.grids import in_view, make_grid, scroll_to
from tests.page.houses import Home, Homes

Rows = Table[ServiceRow]

MANY: Final = 100_000
MOST: Final = 80

_STATUS = SERVICES.find("status")
assert _STATUS is not None
BY_STATUS: Final = [Key(_STATUS)]

PHRASES: Final = (
    *("palmas 7 -dev", "app-001", "7 8 9", "addr:172.16.0.1", "-node:rio", '"" web', "e o a"),
    # What was said of a column, or of what a row must not have, says nothing of all texts.
    *("node:rio-", "rio-ho", "-palma", "palmas"),
)

_COUNT_ROWS: Final = """
document.addEventListener("DOMContentLoaded", () => {
  const rows = document.getElementById("rows");
  window.most = 0;
  window.wasBlank = false;
  new MutationObserver(() => {
    window.most = Math.max(window.most, rows.querySelectorAll("[role=row], tr").length);
    window.wasBlank ||= !rows.querySelector(".grid-row, tbody tr");
  }).observe(rows, { childList: true, subtree: true });
});
window.idle = 0;
const asking = window.requestIdleCallback;
window.requestIdleCallback = (act, options) => asking((deadline) => {
  window.idle += 1;
  act(deadline);
}, options);
"""

_TYPED: Final = """async (phrases) => {
  const { fromColumns } = await import("/static/table.js");
  const { parse } = await import("/static/query.js");
  const { naturalKey } = await import("/static/natural.js");
  const told = await (await fetch("/api/v1/services?format=columns")).json();
  const table = fromColumns(told, "services");
  const names = { addr: "addr", node: "Node" };
  const texts = new Map();
  const textsOf = (row) => {
    if (!texts.has(row)) texts.set(row, table.texts(row).map((text) => text.toLowerCase()));
    return texts.get(row);
  };

  // As plain as can be: each word in each text of each row.
  function plain(query) {
    const words = query.split(" ").filter(Boolean).map((word) => {
      const [, not, column, text] = /^(-?)(?:(addr|node):)?(.*)$/.exec(word);
      return { not: Boolean(not), column, text: text === '""' ? "" : text };
    });
    const holds = (row, { not, column, text }) => {
      const all = column ? [table.cell(row, names[column])].flat() : textsOf(row);
      return all.some((one) => one.toLowerCase().includes(text)) !== not;
    };
    return Array.from({ length: told.rows }, (_, row) => row)
      .filter((row) => words.every((word) => holds(row, word)));
  }
  function sorted(rows) {
    const order = ["critical", "warning", "passing"];
    const rank = (row) => order.indexOf(table.cell(row, "status"));
    const byName = ([, one], [, other]) => (one < other ? -1 : Number(one > other));
    return rows.map((row) => [rank(row), naturalKey(table.cell(row, "ID")), row])
      .sort((one, other) => one[0] - other[0] || byName(one, other))
      .map((made) => made[2]);
  }

  const wrong = [];
  const left = [];
  const keys = [{ name: "status" }, { name: "ID" }];
  for (const phrase of phrases) {
    for (let end = 1; end <= phrase.length; end += 1) {
      const query = phrase.slice(0, end);
      if (/(^| )-$|:$|(^| )"$/.test(query)) continue;
      const expected = sorted(plain(query));
      const found = [...table.sort(table.select(parse(query).terms), keys)];
      if (found.join() !== expected.join()) wrong.push([query, found.length, expected.length]);
      left.push(found.length);
      // Now and then somebody's row changes: what the letters before said does not hold for it.
      if (end % 4 === 0) {
        const row = table.row(end);
        row.Meta = { ...row.Meta, name: `${phrase} ${query}` };
        table.apply({ changed: [row], removed: [] });
        texts.delete(end);
      }
    }
  }
  return { wrong, left, rows: told.rows };
}"""


@pytest.fixture(scope="module")
def vast() -> Rows:
    """Give 100,000 rows: those of a real edge would take long to gather."""
    statuses = ("critical", "warning", *["passing"] * 18)
    sites = ("palmas", "rio", "dtc")
    return Table(
        [
            service(
                number,
                id=f"app-{number % 997:04}/{sites[number % 3]}@{number}",
                node=f"{sites[number % 3]}-host-{number % 5000}",
                node_address=f"10.{number % 3}.{number % 251}.{number % 241}",
                address=f"172.16.{number % 251}.{number % 241}",
                port=8000 + number % 1500,
                service=f"app-{number % 997:04}",
                status=statuses[number % len(statuses)],
                tags=("dev",) if number % 7 else ("prod", "web"),
                meta={"name": f"APP-{number}", "company": f"company {number % 8}"},
                dc="dc1",
            )
            for number in range(MANY)
        ],
        SERVICES,
    )


@pytest.fixture(scope="module")
def vast_body(vast: Rows) -> str:
    """Give what the API tells of them."""
    surety = {"active_server": "consul", "cache": {"state": "live", "age_seconds": 0.0}}
    return json.dumps(msgspec.to_builtins(to_columns(vast, range(MANY))) | surety | {"index": 1})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def _vast_page(browser: Browser, homes: Homes, vast_body: str) -> AsyncIterator[Page]:
    async with watched(browser) as page:
        await _open_vast(page, await homes.of(155), vast_body)
        yield page


@pytest_asyncio.fixture(loop_scope="session")
async def vast_page(_vast_page: Page) -> Page:
    """Give the page of 100,000 services: one for all, for it takes long to load."""
    await _vast_page.set_viewport_size({"width": 1280, "height": 800})
    await _vast_page.evaluate("document.getElementById('rows').scrollTop = 0")
    await _type(_vast_page, "")
    await expect(_vast_page.locator("#rows")).to_have_attribute("aria-rowcount", str(MANY + 1))
    return _vast_page


async def _open(page: Page, house: Home, target: str = "/") -> None:
    await page.add_init_script(_COUNT_ROWS)
    await page.goto(house.base + target)
    await expect(page.locator("#rows[role=grid] .grid-row").first).to_be_visible(timeout=30_000)


async def _open_vast(page: Page, house: Home, body: str, target: str = "/") -> None:
    async def give(route: Route) -> None:
        await route.fulfill(content_type="application/json", body=body)

    async def keep_quiet(_route: Route) -> None:
        """Tell of no change, and do not hang up."""

    await page.route("**/api/v1/services?format=columns", give)
    await page.route("**/api/v1/events*", keep_quiet)
    await _open(page, house, target)


async def _frame(page: Page) -> None:
    await page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


async def _scroll_through(page: Page) -> None:
    await page.evaluate(
        """async () => {
          const rows = document.getElementById("rows");
          for (let turn = 0; turn < 12; turn += 1) {
            rows.scrollTop = turn % 4 ? (turn * 13_000) % rows.scrollHeight : rows.scrollHeight;
            await new Promise((done) => requestAnimationFrame(done));
          }
        }"""
    )


async def _type(page: Page, text: str) -> None:
    await page.evaluate(
        """(text) => {
          const field = document.querySelector("#search input[name=q]");
          field.value = text;
          field.dispatchEvent(new Event("input"));
        }""",
        text,
    )


async def _ids(page: Page) -> list[str]:
    return await page.locator("#rows .grid-row .c-id").all_inner_texts()


async def _use(page: Page) -> int:
    """Scroll, resize up to the height of 4k, show dense rows, and back; tell the most in view."""
    await page.locator("#rows").focus()
    await _scroll_through(page)
    await page.set_viewport_size({"width": 1010, "height": 2160})
    await _scroll_through(page)
    await page.click("#view summary")
    await page.check("#view label:has-text('Dense') input")
    await _scroll_through(page)
    high = await page.locator("#rows [role=row]").count()
    await page.uncheck("#view label:has-text('Dense') input")
    await page.click("#view summary")
    await page.set_viewport_size({"width": 1280, "height": 800})
    await _scroll_through(page)
    return high


@pytest.mark.parametrize("services", [155, 10_000])
async def test_row_elements_are_never_more_than_80(
    page: Page, homes: Homes, services: int
) -> None:
    """While loading, scrolling, resizing and changing density, with the focus out of sight."""
    await _open(page, await homes.of(services))

    # The bound was reached, so it is one.
    assert await _use(page) > 70
    assert await page.evaluate("window.most") <= MOST


async def test_row_elements_of_100_000_rows_are_never_more_than_80(vast_page: Page) -> None:
    """As few as of 155, since the page was loaded."""
    assert await _use(vast_page) > 70
    assert await vast_page.evaluate("window.most") <= MOST


async def test_rows_of_the_html_stay_until_others_are_found(
    page: Page, home155: Home, vast_body: str
) -> None:
    """The first search takes a while, and leaves nobody before an empty page."""
    await _open_vast(page, home155, vast_body, "/?q=palmas")

    await expect(page.locator("#rows")).not_to_have_attribute("aria-rowcount", "1")
    assert not await page.evaluate("window.wasBlank")


async def test_elements_change_hands_while_one_scrolls(vast_page: Page) -> None:
    """Rows that come into view take the elements of those that leave."""
    await vast_page.evaluate(
        "for (const row of document.querySelectorAll('.grid-row')) row.made = true"
    )

    await _scroll_through(vast_page)

    assert await vast_page.evaluate(
        "[...document.querySelectorAll('.grid-row')].filter((row) => row.made).length > 10"
    )


async def test_last_of_100_000_rows_is_shown_by_a_key(vast_page: Page, vast: Rows) -> None:
    """The End of the page is the last row that the server has in that order, wholly in view."""
    last = vast.rows[vast.sort(range(MANY), BY_STATUS)[-1]].id
    await vast_page.locator("#rows").focus()
    await vast_page.keyboard.press("Control+End")
    await _frame(vast_page)

    row = vast_page.locator(f"#rows .grid-row[aria-rowindex='{MANY + 1}']")
    assert await row.locator(".c-id").inner_text() == last
    box, view = await row.bounding_box(), await vast_page.locator("#rows").bounding_box()
    assert box is not None
    assert view is not None
    assert box["y"] + box["height"] <= view["y"] + view["height"] + 0.5


async def test_scroll_is_not_undone_by_rows_of_the_same_moment(blank: Page) -> None:
    """Who scrolls while rows come stays where the scroll has led to."""
    await make_grid(blank, MANY)

    await blank.evaluate(
        """() => {
          document.getElementById("place").scrollTop = 32_000;
          window.grid.setOrder(Uint32Array.from({ length: 90_000 }, (_, row) => row));
        }"""
    )

    assert (await in_view(blank))[0]["texts"][0] == "r1000 a"


async def test_last_row_is_reached_at_500_percent_of_a_double_scale(home155: Home) -> None:
    """Ten device pixels for each of ours: the lowest bound on heights that there is."""
    async with (
        chromium("--force-device-scale-factor=10", "--window-size=400,300") as other,
        watched(other, viewport=None, no_viewport=True) as page,
    ):
        await go_blank(page, home155.base, height=120)
        assert await page.evaluate("devicePixelRatio") == 10
        await make_grid(page, MANY)
        await scroll_to(page, "place.scrollHeight")
        assert (await in_view(page))[-1]["texts"][0] == f"r{MANY - 1} a"


async def test_order_of_10_000_rows_is_that_of_a_plain_search(page: Page, homes: Homes) -> None:
    """Letter by letter, with changes in between, whatever the letters before have left out."""
    house = await homes.of(10_000)
    await go_blank(page, house.base)

    found: dict[str, Any] = await page.evaluate(_TYPED, list(PHRASES))

    assert found["wrong"] == []
    assert min(found["left"]) < 100
    # A busy machine's edge may not have learnt of all 10,000 yet.
    assert max(found["left"]) == found["rows"] > 1000


async def test_search_of_100_000_rows_finds_those_of_the_server(
    vast_page: Page, vast: Rows
) -> None:
    """What is typed shows the rows that the server has for it, in its order, from the first on."""
    for query in ("palmas 7", "palmas 79", "palmas 79 -dev", "/app-0+7/"):
        expected = vast.sort(vast.select(parse_query(query, SERVICES).terms), BY_STATUS)
        await _type(vast_page, query)
        rows = str(len(expected) + 1)
        await expect(vast_page.locator("#rows")).to_have_attribute("aria-rowcount", rows)
        await _frame(vast_page)
        assert (await _ids(vast_page))[:15] == [vast.rows[row].id for row in expected[:15]]


async def test_other_rows_begin_at_the_top(vast_page: Page) -> None:
    """Who searches far down sees the first rows found, and not the last ones."""
    await vast_page.evaluate("document.getElementById('rows').scrollTop = 1_000_000")
    await _frame(vast_page)

    await _type(vast_page, "palmas")

    assert await vast_page.evaluate("document.getElementById('rows').scrollTop") == 0


async def test_search_that_takes_long_gives_way_to_the_next_one(vast_page: Page) -> None:
    """The last key pressed counts: a slow answer to the one before does not come after it."""
    await vast_page.evaluate(
        """() => {
          const field = document.querySelector("#search input[name=q]");
          window.shown = [];
          const rows = document.getElementById("rows");
          new MutationObserver(() => window.shown.push(rows.getAttribute("aria-rowcount")))
            .observe(rows, { attributes: true, attributeFilter: ["aria-rowcount"] });
          for (const text of ["/(a+)+$|x\\\\sy/", "/(b+)+$|x\\\\sy/", "zzzz"]) {
            field.value = text;
            field.dispatchEvent(new Event("input"));
          }
        }"""
    )
    await expect(vast_page.locator("#rows")).to_have_attribute("aria-rowcount", "1")
    # A second search, after which nothing of the first ones can be left.
    await _type(vast_page, "/7+$|x\\sy/")
    await expect(vast_page.locator("#rows")).not_to_have_attribute("aria-rowcount", "1")

    assert (await vast_page.evaluate("window.shown"))[:1] == ["1"]
    assert len(await vast_page.evaluate("window.shown")) == 2


class TestTurns:
    """Work in steps (turns.js)."""

    async def test_long_work_lets_the_page_hear_in_between(self, blank: Page) -> None:
        """What happens meanwhile is heard before the work is done."""
        order = await blank.evaluate(
            """async () => {
              const { soon } = await import("/static/turns.js");
              const order = [];
              function* long() {
                for (let step = 0; step < 40; step += 1) {
                  const until = performance.now() + 3;
                  while (performance.now() < until);
                  yield;
                }
                return "done";
              }
              setTimeout(() => order.push("heard"));
              await new Promise((done) => soon(long(), (found) => done(order.push(found))));
              return order;
            }"""
        )

        assert order == ["heard", "done"]

    async def test_short_work_is_done_at_once(self, blank: Page) -> None:
        """What takes no time costs no frame."""
        assert (
            await blank.evaluate(
                """async () => {
              const { soon } = await import("/static/turns.js");
              let found = null;
              soon((function* () { yield; return 7; })(), (told) => (found = told));
              return found;
            }"""
            )
            == 7
        )

    async def test_stopped_work_is_never_told(self, blank: Page) -> None:
        """Whoever wants something else hears nothing of what was wanted before."""
        told = await blank.evaluate(
            """async () => {
              const { soon, whenIdle } = await import("/static/turns.js");
              const told = [];
              function* long(name) {
                for (let step = 0; step < 20; step += 1) {
                  const until = performance.now() + 3;
                  while (performance.now() < until);
                  yield;
                }
                told.push(`${name} ended`);
                return name;
              }
              soon(long("soon"), (name) => told.push(name))();
              whenIdle(long("idle"))();
              await new Promise((done) => soon(long("next"), done));
              await new Promise((done) => whenIdle((function* () { yield; done(); })()));
              return told;
            }"""
        )

        assert told == ["next ended"]


async def test_page_prepares_its_searches_while_it_is_idle(vast_page: Page) -> None:
    """What the first search would wait for is made before, a few steps in each idle moment."""
    await expect(vast_page.locator("#rows[role=grid]")).to_be_visible()

    for _ in range(200):
        if (turns := await vast_page.evaluate("window.idle")) > 20:
            break
        await _frame(vast_page)

    assert turns > 20
