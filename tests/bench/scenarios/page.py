"""
The page in a real Chromium: visits at three sizes, and its engine alone with 100,000 services.

Visits are what users wait for (visits.py), then the cluster changes all the time (changing.py).
The engine is timed on a blank page of the edge: long columns are prepared first, as the page does
while it is idle; "unprepared" is the search of who types before that.  Words are other ones each
time, so nothing is remembered from the one before.
"""

import asyncio
from typing import Any, Final

from playwright.async_api import Browser, Page

from tests.bench.changing import TASK, changing
from tests.bench.plan import Plan
from tests.bench.report import Cell, Figure, Section, Table, at_share
from tests.bench.visits import FIRST, FRAME, HEAP, PUT, ROWS, SORTED, TYPED, Times, visit
from tests.page.browser import chromium, go_blank, watched
from tests.page.houses import Home, home

NAME: Final = "page"

SIZES: Final = ((155, 12), (10_000, 500), (100_000, 5000))
"""Services and nodes."""

TITLE: Final = "Page: up to 100,000 services in a browser"

HEADER: Final = ("services: what", "n", "p50 ms", "p95 ms", "worst ms")

_LOAD: Final = """async () => {
  const { fromColumns } = await import("/static/table.js");
  const { parse } = await import("/static/query.js");
  const text = await (await fetch("/api/v1/services?format=columns")).text();
  const began = performance.now();
  const document = JSON.parse(text);
  const parsed = performance.now();
  window.table = fromColumns(document, "services");
  const decoded = performance.now();
  window.search = (query) => table.select(parse(query).terms);
  window.timed = (act) => {
    const from = performance.now();
    act();
    return performance.now() - from;
  };
  return { parse: parsed - began, decode: decoded - began, bytes: text.length };
}"""

_PREPARE: Final = """async (names) => {
  const steps = [];
  const work = table.preparing(names.sorts, names.facets);
  for (let isDone = false; !isDone; ) {
    steps.push(timed(() => (isDone = work.next().done)));
    await new Promise((done) => setTimeout(done));
  }
  return steps;
}"""

_FACETS: Final = """async ([queries, names]) => {
  const { parse } = await import("/static/query.js");
  return queries.map((query) => {
    const { terms } = parse(query);
    table.select(terms);
    return timed(() => table.facets(terms, names));
  });
}"""

_SORT: Final = """(names) => {
  const order = table.select([]);
  return names.map((name) => timed(() => table.sort(order, [{ name }, { name: "status" }])));
}"""

_CHANGE: Final = """(turns) => Array.from({ length: turns }, (_, turn) => {
  const changed = Array.from({ length: 500 }, (_, place) => {
    const row = table.row((place * 199 + turn) % table.rows);
    return { ...row, status: row.status === "critical" ? "passing" : "critical" };
  });
  return timed(() => table.apply({ changed, removed: [] }));
})"""

SORTS: Final = ("status", "Service", "ID", "Node", "addr", "Port", "category", "company")
FACETS: Final = ("category", "status", "site", "Node", "dc", "company")

WORDS: Final = (
    *("a", "ap", "app", "app-00", "app-001", "rio", "palmas", "prod", "10.1", "172.16", "zzzz"),
    *("web status:critical", "-prod app", "port:>9000 blackbox", "node:rio app-02", "7 8 9"),
)
PATTERNS: Final = ("/app-[0-9]+7/", "/^172\\.16\\..*:80/", "id:/palmas-[0-9]*3$/", "/(a+)+$/")


def run(plan: Plan) -> Section:
    """Measure in fresh documents."""
    return asyncio.run(_measure(plan))


async def _measure(plan: Plan) -> Section:
    rows: list[tuple[Cell, ...]] = []
    visits: Times = {}
    most = 0.0
    async with chromium() as browser:
        for services, nodes in SIZES:
            async with home(services, nodes) as edge:
                plan.say(f"  {services:,} services")
                await _gathered(edge)
                visits = {}
                for _ in range(plan.rounds):
                    async with watched(browser) as page:
                        _add(visits, await visit(page, edge))
                most = max(most, *visits[ROWS])
                async with watched(browser) as page:
                    _add(visits, await changing(page, edge))
                rows += _rows(f"{services:,}: ", visits)
                if services == SIZES[-1][0]:
                    rows += _rows("engine: ", await _engine(plan, browser, edge))
    frames = at_share(sorted(visits[FRAME]), 0.95)
    figures = (
        Figure("first rows painted after the data (aim: at most 300)", "ms", _of(visits, FIRST)),
        Figure("slowest key press (aim: at most 50)", "ms", (max(visits[TYPED]),)),
        Figure("slowest words put in at once (aim: at most 50)", "ms", (max(visits[PUT]),)),
        Figure("slowest sort (aim: at most 60)", "ms", (max(visits[SORTED]),)),
        Figure("p95 of frames while scrolling (aim: at most 33)", "ms", (frames,)),
        Figure(f"slowest {TASK} (aim: at most 100)", "ms", (max(visits[TASK]),)),
        Figure("heap after a visit (aim: at most 60)", "MB", _of(visits, HEAP)),
    )
    notes = (f"{most:.0f} row elements at most; the figures are of {SIZES[-1][0]:,} services",)
    return Section(NAME, TITLE, Table(HEADER, tuple(rows)), figures, notes)


async def _gathered(edge: Home) -> None:
    async with edge.house.client.get(f"{edge.base}/api/v1/services?format=columns") as answer:
        await answer.read()


async def _engine(plan: Plan, browser: Browser, edge: Home) -> Times:
    times: Times = {}
    for _ in range(plan.rounds):
        async with watched(browser) as page:
            await go_blank(page, edge.base)
            _add(times, await _times(page))
    return times


def _add(times: Times, found: Times) -> None:
    for what, took in found.items():
        times.setdefault(what, []).extend(took)


def _of(times: Times, what: str) -> tuple[float, ...]:
    return tuple(times[what])


def _rows(of: str, times: Times) -> list[tuple[Cell, ...]]:
    spans = {what: sorted(took) for what, took in times.items() if took}
    return [
        (of + what, len(span), at_share(span, 0.5), at_share(span, 0.95), span[-1])
        for what, span in spans.items()
        if what not in (ROWS, HEAP)
    ]


async def _times(page: Page) -> Times:
    search = "(queries) => queries.map((query) => timed(() => search(query)))"
    found: dict[str, Any] = {"parse and decode": [(await page.evaluate(_LOAD))["decode"]]}
    found["first word, unprepared"] = await page.evaluate(search, ["q"])
    names = {"sorts": SORTS, "facets": FACETS}
    found["step of preparing"] = await page.evaluate(_PREPARE, names)
    found["a word"] = await page.evaluate(search, WORDS)
    found["all facets"] = await page.evaluate(_FACETS, [WORDS, FACETS])
    found["a pattern, all at once"] = await page.evaluate(search, PATTERNS)
    found["sort by two keys"] = await page.evaluate(_SORT, SORTS)
    found["500 changes"] = await page.evaluate(_CHANGE, 5)
    found["a word after changes"] = await page.evaluate(search, ["ap"])
    found["sort after changes"] = await page.evaluate(_SORT, SORTS)
    return found
