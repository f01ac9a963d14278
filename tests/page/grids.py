"""Grids on a blank page, with rows that are only numbers."""

from typing import Any, Final

from playwright.async_api import Locator, Page

ROW: Final = 32

_MAKE: Final = """async ([rows, names]) => {
  const { createGrid } = await import("/static/grid.js");
  const place = document.getElementById("place");
  const told = (window.told = []);
  window.texts = (row) => `r${row}`;
  window.find = (key) => Number(key.slice(1));
  window.grid = createGrid(place, {
    label: "Numbers",
    columns: names.map((name) => ({ name, label: name, least: 100, share: 1 })),
    rowHeight: 32,
    denseHeight: 24,
    cell: (row, column) => `${window.texts(row)} ${column.name}`,
    keyOf: (row) => `k${row}`,
    find: (key) => window.find(key),
    onOpen: (row) => told.push(["open", row]),
    onSort: (keys) => told.push(["sort", keys]),
  });
  window.grid.setOrder(Uint32Array.from({ length: rows }, (_, row) => row));
}"""

_ROWS: Final = """() => [...document.querySelectorAll("#place .grid-row")].map((row) => ({
  index: Number(row.getAttribute("aria-rowindex")),
  texts: [...row.children].map((cell) => cell.textContent),
  top: row.getBoundingClientRect().top,
  bottom: row.getBoundingClientRect().bottom,
}))"""

_VIEW: Final = """() => {
  const place = document.getElementById("place");
  const box = place.getBoundingClientRect();
  const head = place.querySelector(".grid-head").getBoundingClientRect();
  return [head.bottom, box.top + place.clientTop + place.clientHeight];
}"""


async def make_grid(page: Page, rows: int, names: tuple[str, ...] = ("a", "b", "c")) -> Locator:
    """Make a grid whose cells say ``r7 a``; rows and their numbers are the same."""
    await page.evaluate(_MAKE, [rows, list(names)])
    return page.locator("#place")


async def frames(page: Page) -> None:
    """Wait until what was asked for is drawn."""
    await page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


async def scroll_to(page: Page, top: str) -> None:
    """Scroll as a person does, to an expression about ``place``."""
    await page.evaluate(f"() => {{ const place = document.getElementById('place'); "
                        f"place.scrollTop = {top}; }}")  # fmt: skip
    await frames(page)


async def shown(page: Page) -> list[dict[str, Any]]:
    """Give all row elements in the order of the document."""
    rows: list[dict[str, Any]] = await page.evaluate(_ROWS)
    return rows


async def in_view(page: Page) -> list[dict[str, Any]]:
    """Give the rows of which all is in view."""
    top, bottom = await page.evaluate(_VIEW)
    return [
        row
        for row in await shown(page)
        if row["top"] >= top - 0.5 and row["bottom"] <= bottom + 0.5
    ]


async def active(page: Page) -> str | None:
    """Give the text of the cell that the grid points to; None: it points to nothing."""
    text: str | None = await page.evaluate(
        "() => document.getElementById(document.getElementById('place')"
        ".getAttribute('aria-activedescendant'))?.textContent ?? null"
    )
    return text


async def press(page: Page, *keys: str) -> None:
    """Press keys, one after the other."""
    for key in keys:
        await page.keyboard.press(key)


async def told(page: Page) -> list[Any]:
    """Give what the grid has told its owner."""
    found: list[Any] = await page.evaluate("() => window.told")
    return found
