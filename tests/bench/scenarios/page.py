"""
The page's engine in a real Chromium: 100,000 services decoded, searched, sorted and scrolled.

Everything is timed within the browser, by its own clock, on a blank page of the edge.  Long
columns are prepared first, as the page does while it is idle; "unprepared" is the search of who
types before that.  Each key press is another word, so nothing is remembered from the one before.
A frame is the time between two callbacks while 400 times 13,000 pixels are scrolled.
"""

import asyncio
from typing import Any, Final

from playwright.async_api import Page

from tests.bench.plan import Plan
from tests.bench.report import Cell, Figure, Section, Table, at_share
from tests.page.browser import chromium, go_blank, watched
from tests.page.houses import home

NAME: Final = "page"

SERVICES: Final = 100_000
NODES: Final = 5000

TITLE: Final = f"Page: {SERVICES:,} services in a browser"

HEADER: Final = ("what", "n", "p50 ms", "p99 ms", "max ms")

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

_SCROLL: Final = """async () => {
  const { createGrid } = await import("/static/grid.js");
  const place = document.getElementById("place");
  const names = ["status", "Service", "ID", "Node", "Address", "Port", "category", "site_name"];
  const grid = createGrid(place, {
    label: "Services",
    columns: names.map((name) => ({ name, label: name, least: 90 })),
    cell: (row, column) => table.cell(row, column.name),
  });
  const began = performance.now();
  grid.setOrder(table.sort(table.select([]), [{ name: "status" }]));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const first = performance.now() - began;
  const frames = [];
  let before = performance.now();
  for (let turn = 0; turn < 400; turn += 1) {
    place.scrollTop = (turn * 13_000) % place.scrollHeight;
    await new Promise((done) => requestAnimationFrame(done));
    frames.push(performance.now() - before);
    before = performance.now();
  }
  return { first, frames, rows: place.querySelectorAll("[role=row]").length };
}"""

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
    times: dict[str, list[float]] = {}
    heaps, decoded, notes = [], [], []
    async with home(SERVICES, NODES) as edge, chromium() as browser:
        plan.say("  gathering")
        async with edge.house.client.get(f"{edge.base}/api/v1/services?format=columns") as answer:
            await answer.read()
        for _ in range(plan.rounds):
            async with watched(browser) as page:
                await go_blank(page, edge.base)
                loaded = await page.evaluate(_LOAD)
                decoded.append(loaded["decode"])
                for what, took in (await _times(page)).items():
                    times.setdefault(what, []).extend(took)
                heaps.append(await _heap(page))
                scrolled = await page.evaluate(_SCROLL)
                times.setdefault("first rows after sorting", []).append(scrolled["first"])
                times.setdefault("frame while scrolling", []).extend(scrolled["frames"])
                notes = [
                    f"{scrolled['rows']} row elements, {loaded['bytes'] / 1e6:.1f} MB of JSON"
                ]
    rows = tuple(_row(what, took) for what, took in times.items())
    figures = (
        Figure("parse and decode (aim: at most 300)", "ms", tuple(decoded)),
        Figure("slowest key press (aim: at most 50)", "ms", (max(times["a key press"]),)),
        Figure("slowest sort by two keys (aim: at most 60)", "ms", (max(times["sort"]),)),
        Figure("heap with everything prepared (aim: at most 60)", "MB", tuple(heaps)),
    )
    return Section(NAME, TITLE, Table(HEADER, rows), figures, tuple(notes))


async def _times(page: Page) -> dict[str, list[float]]:
    search = "(queries) => queries.map((query) => timed(() => search(query)))"
    found: dict[str, Any] = {"first word, unprepared": await page.evaluate(search, ["q"])}
    names = {"sorts": SORTS, "facets": FACETS}
    found["step of preparing"] = await page.evaluate(_PREPARE, names)
    found["a key press"] = await page.evaluate(search, WORDS)
    found["all facets"] = await page.evaluate(_FACETS, [WORDS, FACETS])
    found["a pattern, all at once"] = await page.evaluate(search, PATTERNS)
    found["sort"] = await page.evaluate(_SORT, SORTS)
    found["500 changes"] = await page.evaluate(_CHANGE, 5)
    found["a key press after changes"] = await page.evaluate(search, ["ap"])
    found["sort after changes"] = await page.evaluate(_SORT, SORTS)
    return found


async def _heap(page: Page) -> float:
    """Give the megabytes in use after collecting what is not, arrays of numbers included."""
    session = await page.context.new_cdp_session(page)
    await session.send("HeapProfiler.collectGarbage")
    usage = await session.send("Runtime.getHeapUsage")
    whole: float = usage["usedSize"] + usage.get("backingStorageSize", 0)
    return whole / 1e6


def _row(what: str, took: list[float]) -> tuple[Cell, ...]:
    span = sorted(took)
    return what, len(span), at_share(span, 0.5), at_share(span, 0.99), span[-1]
