"""
Visits to the page itself, timed by the browser's own clock: what its user waits for.

A key press takes from the event to the rows that answer it, handed to the browser to be painted;
rows are painted when the frame after that has been.  A frame is the time between two of them while
400 times 13,000 pixels are scrolled.  Long tasks are those that Chromium reports: 50 ms and more
in which the page hears nobody.
"""

from typing import Any, Final

from playwright.async_api import Page

from tests.page.houses import Home

Times = dict[str, list[float]]

FIRST: Final = "first rows painted after the data"
TYPED: Final = "key press, letter by letter"
PUT: Final = "words put in at once"
SORTED: Final = "sort by a click"
FRAME: Final = "frame while scrolling"
HEAP: Final = "heap"
ROWS: Final = "rows"

PHRASES: Final = (
    *("palmas status:critical", "app-001", "7 8 9", "-prod app", "10.1.2", "a b c d e"),
    *("rio web-probes -icmp", "node:rio app-02", "172.16 port:>9000", "tag:blackbox hospital"),
)
"""Typed letter by letter, and then put in at once."""

PATTERNS: Final = ("/app-[0-9]+7/", "/^172\\.16\\..*:80/", "/(a+)+$/")

COLUMNS: Final = ("status", "service", "id", "node", "addr", "category", "site", "company")

_WATCH: Final = """
window.tasks = [];
window.painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) tasks.push(duration);
}).observe({ type: "longtask", buffered: true });

// The number of rows is written with each order of rows, also if it is the same.
window.answered = (act) => new Promise((done) => {
  const rows = document.getElementById("rows");
  const observer = new MutationObserver(() => {
    observer.disconnect();
    done(performance.now() - from);
  });
  observer.observe(rows, { attributes: true, attributeFilter: ["aria-rowcount"] });
  const from = performance.now();
  act();
});

window.typed = async (text) => {
  const field = document.querySelector("#search input[name=q]");
  field.value = text;
  const took = await answered(() => field.dispatchEvent(new Event("input")));
  await painted();
  return took;
};

window.firstRows = new Promise((done) => addEventListener("DOMContentLoaded", () => {
  const rows = document.getElementById("rows");
  const observer = new MutationObserver(async () => {
    if (!rows.querySelector(".grid-row")) return;
    observer.disconnect();
    await painted();
    const isDocument = ({ name }) => name.includes("format=columns");
    const { responseEnd } = performance.getEntriesByType("resource").find(isDocument);
    done(performance.now() - responseEnd);
  });
  observer.observe(rows, { childList: true, subtree: true });
}));
"""

_TYPE: Final = """async (phrases) => {
  const took = [];
  for (const phrase of phrases) {
    for (let end = 1; end <= phrase.length; end += 1) took.push(await typed(phrase.slice(0, end)));
  }
  return took;
}"""

_PUT: Final = """async (phrases) => {
  const took = [];
  for (const phrase of phrases) {
    await typed("");
    took.push(await typed(phrase));
  }
  await typed("");
  return took;
}"""

_SORT: Final = """async (names) => {
  const took = [];
  for (const name of [...names, ...names]) {
    const button = document.querySelector(`.grid-head .c-${name} button`);
    took.push(await answered(() => button.click()));
    await painted();
  }
  return took;
}"""

_SCROLL: Final = """async () => {
  const rows = document.getElementById("rows");
  const frames = [];
  let most = 0;
  await painted();
  let before = performance.now();
  for (let turn = 0; turn < 400; turn += 1) {
    rows.scrollTop = (turn * 13_000) % rows.scrollHeight;
    await new Promise((done) => requestAnimationFrame(done));
    frames.push(performance.now() - before);
    before = performance.now();
    most = Math.max(most, rows.querySelectorAll("[role=row]").length);
  }
  return [frames, most];
}"""

_IDLE: Final = """() => new Promise((done) => {
  let quiet = 0;
  let looks = 0;
  const look = () => {
    const from = performance.now();
    requestIdleCallback(({ didTimeout }) => {
      quiet = !didTimeout && performance.now() - from < 20 ? quiet + 1 : 0;
      looks += 1;
      if (quiet === 20 || looks === 300) done();
      else setTimeout(look, 20);
    });
  };
  look();
})"""


async def visit(page: Page, home: Home) -> Times:
    """Use the page as its users do; gives milliseconds, but for HEAP (MB) and ROWS."""
    found: Times = {}
    await page.add_init_script(_WATCH)
    await page.goto(home.base)
    found[FIRST] = [await page.evaluate("firstRows")]
    found["first key press, at once"] = [await page.evaluate("typed('q')")]
    found["long task while loading"] = await page.evaluate("tasks.splice(0)")
    await page.evaluate(_IDLE)
    await page.evaluate("tasks.length = 0")
    found[TYPED] = await page.evaluate(_TYPE, PHRASES)
    found[PUT] = await page.evaluate(_PUT, PHRASES)
    found[SORTED] = await page.evaluate(_SORT, COLUMNS)
    found["long task since"] = await page.evaluate("tasks.splice(0)")
    found["pattern put in at once"] = await page.evaluate(_PUT, PATTERNS)
    found["long task of patterns"] = await page.evaluate("tasks.splice(0)")
    frames, most = await page.evaluate(_SCROLL)
    found[FRAME] = frames
    found[ROWS] = [most]
    found[HEAP] = [await heap(page)]
    return found


async def heap(page: Page) -> float:
    """Give the megabytes in use after collecting what is not, arrays of numbers included."""
    session = await page.context.new_cdp_session(page)
    await session.send("HeapProfiler.collectGarbage")
    usage: dict[str, Any] = await session.send("Runtime.getHeapUsage")
    whole: float = usage["usedSize"] + usage.get("backingStorageSize", 0)
    return whole / 1e6
