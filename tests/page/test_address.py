"""Every control is in the address: back, forward and a new page bring back what it made."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest
from playwright.async_api import Page, expect

from tests.page.houses import Home
from tests.page.test_page import opened

VIEW: Final = (
    "#search input[name=q]",
    "#strip a[data-filter]",
    "#node-selector",
    "[data-facet] a",
    ".grid-head button",
    "#view input[type=checkbox]",
    "#view button",
    ".chip",
    ".reset",
)
"""What decides what is shown."""

ELSE: Final = (
    *("a.skip", "a.brand", ".plain-only a", "a[data-view]", "a.lang", "#about a", "#keys button"),
    *(
        "#pause",
        ".rights",
        "#export a",
        "#export button",
        "#search button",
        "[data-facet] .find input",
    ),
    *("#view input[name=theme]", "#search input[type=hidden]"),
)
"""What does not: it leads elsewhere, or is this browser's and nobody else's."""

_CONTROLS: Final = """([view, others]) => {
  const controls = [...document.querySelectorAll("a[href], button, input, select")].filter(
    (one) => !one.closest("dialog"));
  const known = [...view, ...others].join();
  return controls.filter((one) => !one.matches(known)).map((one) => one.outerHTML);
}"""

_SHOWN: Final = """async ([way, wanted]) => {
  const all = (selector, of) => [...document.querySelectorAll(selector)].map(of);
  const text = (one) => one.textContent;
  const inView = (one) => Number(one.getAttribute("aria-rowindex")) < 12;
  const look = () => JSON.stringify({
    address: location.search,
    rows: [...document.querySelectorAll(".grid-row")].filter(inView).map(text),
    count: document.getElementById("rows").getAttribute("aria-rowcount"),
    said: document.getElementById("count").textContent,
    query: document.querySelector("#search input[name=q]").value,
    node: document.getElementById("node-selector")?.value,
    chips: all(".chips li", text),
    current: all("#strip [aria-current]", (one) => one.dataset.value),
    on: all("[data-facet].on", (one) => one.dataset.facet),
    columns: all(".grid-head [role=columnheader]", text),
    sorted: all("[data-sort]", (one) => [text(one), one.dataset.sort, one.dataset.sortKey]),
    boxes: all("#view input[type=checkbox]", (one) => one.checked),
    dense: document.body.classList.contains("dense"),
    drawer: document.querySelector("#drawer h2")?.textContent,
    links: all("a.lang", (one) => one.search),
  });
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  if (way) await new Promise((done) => {
    addEventListener("popstate", done, { once: true });
    history[way]();
  });
  let before = null;
  for (let now = look(); now !== wanted && now !== before; now = look()) {
    before = now;
    for (let frames = 0; frames < 3; frames += 1) await frame();
  }
  return look();
}"""

HEAD: Final = ".grid-head [role=columnheader]"

Act = Callable[[Page], Awaitable[Any]]


def click(selector: str, **how: bool) -> Act:
    """Click as a script does, wherever it is: menus may cover each other."""
    told = json.dumps({"bubbles": True, "cancelable": True} | how)
    return lambda page: page.evaluate(
        f"(it) => document.querySelector(it).dispatchEvent(new MouseEvent('click', {told}))",
        selector,
    )


def choose(facet: str) -> Act:
    """Open a menu, and take its first value."""

    async def act(page: Page) -> None:
        menu = f"[data-facet={facet}]"
        await page.evaluate("(it) => { document.querySelector(it).open = true }", menu)
        await expect(page.locator(f"{menu} a[data-value]").first).to_be_visible()
        await click(f"{menu} a[data-value]")(page)
        await page.evaluate("(it) => { document.querySelector(it).open = false }", menu)

    return act


async def controls(page: Page) -> dict[str, list[Act]]:
    """Name all controls of what is shown, each with what is done to it, one after another."""
    found: dict[str, list[Act]] = {
        "search": [lambda page: page.fill("#search input[name=q]", "host -05 ,é")],
        "usual columns": [click("#view li:nth-last-child(2) input"), click("#view button")],
        "row": [click(".grid-row:nth-of-type(2) .grid-cell")],
        "chip": [click("#strip a[data-filter]"), click(".chip")],
        "reset": [click("#strip a[data-filter]"), click(".reset")],
    }
    if await page.locator("#node-selector").count():
        found["node"] = [lambda page: page.select_option("#node-selector", index=2)]
    for facet in await page.eval_on_selector_all(
        "[data-facet]", "all => all.map((one) => one.dataset.facet)"
    ):
        found[f"facet {facet}"] = [choose(facet)]
    marks = await page.eval_on_selector_all(
        "#strip a[data-filter]", "all => all.map((one) => [one.dataset.filter, one.dataset.value])"
    )
    for name, value in marks[:5]:
        found[f"mark {name} {value}"] = [
            click(f"#strip a[data-filter={name}][data-value='{value}']")
        ]
    heads = await page.locator(".grid-head [role=columnheader]").count()
    for place in range(1, heads + 1):
        found[f"sort {place}"] = [click(f"{HEAD}:nth-child({place}) button")]
    first, second = (f"{HEAD}:nth-child({place}) button" for place in (2, 3))
    found["sort by two"] = [click(first), click(first), click(second, shiftKey=True)]
    boxes = await page.eval_on_selector_all(
        "#view li", "all => all.map((one, at) => one.querySelector('[type=checkbox]') && at + 1)"
    )
    for place in filter(None, boxes):
        found[f"box {place}"] = [click(f"#view li:nth-child({place}) input")]
    return found


async def shown(page: Page, way: str = "", wanted: str = "") -> str:
    """
    Tell what is shown once nothing moves any more.

    Args:
        page: Where.

        way: ``back`` or ``forward``, to go there before.

        wanted: What is waited for no longer than it takes to come.
    """
    told: str = await page.evaluate(_SHOWN, [way, wanted])
    return told


def address(told: str) -> str:
    """Give the address of what is shown."""
    found: str = json.loads(told)["address"]
    return found


@pytest.mark.parametrize("target", ["/", "/nodes"])
async def test_back_and_forward_bring_back_what_each_control_made(
    page: Page, home155: Home, target: str
) -> None:
    """Whatever is pressed, one step back undoes it, and one step forward does it again."""
    await opened(page, home155, target)
    wrong: dict[str, object] = {}
    before = base = await shown(page)
    all_ = await controls(page)
    for name, acts in all_.items():
        for act in acts:
            await act(page)
            after = await shown(page)
            if address(after) == address(before):
                wrong[name] = "does nothing"
                break
            back = await shown(page, "back", before)
            again = await shown(page, "forward", after)
            if (back, again) != (before, after):
                wrong[name] = (before, back, after, again)
            before = after
        while address(before) != address(base):
            before = await shown(page, "back", base)
        assert before == base, name
    assert wrong == {}
    assert len(all_) > 25


async def test_page_that_is_loaded_again_shows_all_that_was_chosen(
    page: Page, home155: Home
) -> None:
    """Search, filters, node, order, columns, density, language and the open row together."""
    await opened(page, home155, "/?lang=pt-BR")
    for act in (
        lambda page: page.fill("#search input[name=q]", "-redis"),
        choose("category"),
        choose("node"),
        click("#strip a[data-filter=status][data-value=passing]"),
        click(".grid-head [role=columnheader]:nth-child(3) button"),
        click("#view li:nth-child(1) input"),
        click("#view [type=checkbox]:not(:checked)"),
        click(".grid-row:nth-of-type(1) .grid-cell"),
    ):
        await act(page)
        before = await shown(page)
    await opened(page, home155, f"/{address(before)}")
    assert await shown(page) == before
    assert len(address(before).split("&")) == 10


async def test_every_control_is_known_to_these_tests(page: Page, home155: Home) -> None:
    """What is new on the page decides what is shown, and is in the address, or does not."""
    await opened(page, home155, "/?status=passing")
    await click(".grid-row .grid-cell")(page)
    await page.click("[data-facet=node] summary")
    assert await page.evaluate(_CONTROLS, [VIEW, (*ELSE, "#drawer *")]) == []
