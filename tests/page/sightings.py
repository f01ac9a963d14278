"""What a page does over time, as it sees it itself: frames, orders of rows, long tasks."""

from typing import Any, Final

from playwright.async_api import Page

_WATCH: Final = """
window.seen = { frames: 0, orders: 0, mostRows: 0, longTasks: [], began: performance.now() };
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) seen.longTasks.push(duration);
}).observe({ type: "longtask" });
(function frame() {
  seen.frames += 1;
  seen.mostRows = Math.max(seen.mostRows, document.querySelectorAll(".grid-row").length);
  requestAnimationFrame(frame);
})();
addEventListener("DOMContentLoaded", () => {
  new MutationObserver((changes) => (seen.orders += changes.length)).observe(
    document.getElementById("rows"), { attributes: true, attributeFilter: ["aria-rowcount"] });
});
"""


async def watch(page: Page) -> None:
    """Have every document that is opened next watch itself."""
    await page.add_init_script(_WATCH)


async def begin(page: Page) -> None:
    """Forget what was seen while the page was made."""
    await page.evaluate(
        "() => Object.assign(seen, { frames: 0, orders: 0, mostRows: 0, longTasks: [],"
        " began: performance.now() })"
    )


async def sightings(page: Page) -> Any:
    """Give frames, orders (how often rows were put in one), mostRows, longTasks, and seconds."""
    return await page.evaluate("({ ...seen, seconds: (performance.now() - seen.began) / 1000 })")
