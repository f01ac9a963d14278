"""The page in windows, texts, colours and media that are not its makers' own."""

from itertools import pairwise
from typing import Any, Final

import pytest
from playwright.async_api import Page, expect

from tests.page.cluster import make_node, put
from tests.page.houses import Home, home
from tests.page.test_page import opened

LONG: Final = "a-name-that-is-longer-than-any-column-" * 3

DESK: Final = (1280, 800)
PHONE: Final = (390, 844)

_SIDEWAYS: Final = "document.documentElement.scrollWidth - innerWidth"

_CUT: Final = """(names) => [...document.querySelectorAll(names)]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }))
  .filter((one) =>
    one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1)
  .map((one) => `${one.tagName}.${one.className}: ${one.textContent.trim()}`)"""

_OVERLAPS: Final = """(names) => {
  // What has scrolled out of a line of tools is not seen.
  const seen = (one) => {
    const { left, right, top, bottom } = one.getBoundingClientRect();
    const line = one.closest(".facets")?.getBoundingClientRect() ?? { left: 0, right: Infinity };
    return { left, right: Math.min(right, line.right), top, bottom };
  };
  const all = [...document.querySelectorAll(names)]
    .filter((one) => one.checkVisibility())
    .map((one) => [one, seen(one)]);
  const meet = (one, other) => one.left < other.right - 1 && other.left < one.right - 1
    && one.top < other.bottom - 1 && other.top < one.bottom - 1;
  return all.flatMap(([one, box], place) => all.slice(place + 1)
    .filter(([other, its]) => !one.contains(other) && meet(box, its))
    .map(([other]) => `${one.textContent.trim()} / ${other.textContent.trim()}`));
}"""

# What a browser does that enlarges texts alone: every size of a text is doubled.
_DOUBLE: Final = """() => {
  for (const sheet of document.styleSheets) {
    for (const rule of sheet.cssRules) double(rule);
  }
  function double(rule) {
    for (const inner of rule.cssRules ?? []) double(inner);
    const size = rule.style?.fontSize;
    if (size?.endsWith("px")) rule.style.fontSize = `${2 * parseFloat(size)}px`;
  }
}"""

TOOLS: Final = ".menu > summary, .tool, .brand, .top nav a"


async def _size(page: Page, size: tuple[int, int]) -> None:
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    await page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


@pytest.mark.parametrize("target", ["/?status=critical", "/nodes", "/?lang=pt-BR&q=status%3A"])
async def test_page_never_scrolls_sideways(page: Page, home155: Home, target: str) -> None:
    """From 320 pixels, which is 1280 at 400%, up: what does not fit scrolls within the grid."""
    await opened(page, home155, target)
    found = {}
    for size in ((320, 256), PHONE, (640, 400), (820, 1180), (1001, 700), DESK, (1920, 1080)):
        await _size(page, size)
        found[size] = [await page.evaluate(_SIDEWAYS), await page.evaluate(_OVERLAPS, TOOLS)]

    assert found == {size: [0, []] for size in found}


async def test_window_that_was_narrow_gets_the_columns_of_a_wide_one(
    page: Page, home155: Home
) -> None:
    """Who turns a tablet, or lets a window grow, does nothing else to see more."""
    await _size(page, PHONE)
    await opened(page, home155)
    columns = page.locator(".grid-head .grid-sort")
    await expect(columns).to_have_count(3)

    await _size(page, DESK)

    await expect(columns).to_have_count(8)


@pytest.mark.parametrize("facet", ["node", "dc", "company"])
async def test_menu_of_long_names_is_within_the_window(page: Page, facet: str) -> None:
    """The last menus of the line begin at the other side: their counts can be read."""
    async with home(12) as own:
        make_node(own.standin, LONG)
        put(own.standin, LONG, "one", meta={"company": LONG})
        await opened(page, own)
        await expect(page.locator(".grid-row", has_text=LONG)).to_have_count(1)
        for width in (1280, 1010):
            await _size(page, (width, 800))
            await page.click(f"[data-facet={facet}] summary")
            values = page.locator(f"[data-facet={facet}] .values")
            await expect(values.locator("a").first).to_be_visible()
            box = await values.bounding_box()
            assert box is not None
            assert (box["x"] >= 0, box["x"] + box["width"] <= width) == (True, True)
            await page.keyboard.press("Escape")


@pytest.mark.parametrize("language", ["en", "pt-BR"])
async def test_desk_has_a_header_of_one_line_and_cuts_no_category(
    page: Page, home155: Home, language: str
) -> None:
    """At 1280 x 800 tools stand in one line, and most of the page is rows."""
    await opened(page, home155, f"/?lang={language}")
    header = await page.locator(".top").bounding_box()
    tools = await page.locator("#tools").bounding_box()
    assert header is not None
    assert tools is not None

    assert (header["height"] < 50, tools["height"] < 60) == (True, True)
    assert await page.evaluate(_CUT, ".grid-row .c-category, .groups .label, .tool, summary") == []
    assert await page.locator(".grid-row").count() >= 16


async def test_phone_shows_rows_without_scrolling(page: Page, home155: Home) -> None:
    """Header, summary and tools leave more than half of a phone to the rows."""
    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await opened(page, home155)
    box = await page.locator("#rows").bounding_box()
    assert box is not None

    assert box["y"] < PHONE[1] / 2
    assert await page.evaluate(_CUT, ".tool, summary, .healths a") == []


@pytest.mark.parametrize("size", [(844, 390), (910, 512), (1280, 360)])
async def test_low_window_has_room_for_rows(
    page: Page, home155: Home, size: tuple[int, int]
) -> None:
    """A phone held across, or a desk at 150%: the page scrolls, and rows fill most of it."""
    await _size(page, size)
    await opened(page, home155, "/?status=critical")
    box = await page.locator("#rows").bounding_box()
    assert box is not None

    assert box["height"] > 0.6 * size[1]


async def test_texts_of_double_size_are_not_cut(page: Page, home155: Home) -> None:
    """Tools and rows keep their texts whole in height, and the page does not scroll sideways."""
    await opened(page, home155, "/?status=critical")
    await page.evaluate(_DOUBLE)
    assert await page.evaluate("getComputedStyle(document.body).fontSize") == "26px"

    found: list[Any] = []
    for size in (DESK, (820, 1180)):
        await _size(page, size)
        found.append(await page.evaluate(_SIDEWAYS))
        found += await page.evaluate(_OVERLAPS, TOOLS)
        found += await page.evaluate(_CUT, ".menu > summary, button.tool, .chip")

    assert found == [0, 0]


async def test_nothing_moves_for_who_wants_that(page: Page, home155: Home) -> None:
    """The pulse breathes, but not where motion is to be reduced."""
    await opened(page, home155)
    moving = "document.getAnimations().filter((one) => one.playState === 'running').length"
    assert await page.evaluate(moving) > 0

    await page.emulate_media(reduced_motion="reduce")

    assert await page.evaluate(moving) == 0


async def test_statuses_have_three_shapes_where_colours_are_forced(
    page: Page, home155: Home
) -> None:
    """A square, a diamond and a disc, all of the one colour of the system's texts."""
    await page.emulate_media(forced_colors="active")
    await opened(page, home155)

    shapes = await page.evaluate(
        """() => ["critical", "warning", "passing"].map((status) => {
          const mark = document.querySelector(`.healths .status.${status}`);
          const { backgroundColor, borderRadius, transform } = getComputedStyle(mark, "::before");
          return [backgroundColor, `${borderRadius} ${transform}`];
        })"""
    )

    assert len({colour for colour, _ in shapes}) == 1
    assert len({shape for _, shape in shapes}) == 3


async def test_paper_has_the_rows_and_no_tools(page: Page, home155: Home) -> None:
    """The rows drawn follow each other over as many sheets as they need."""
    await opened(page, home155, "/?status=critical")
    await page.emulate_media(media="print")

    await expect(page.locator("#tools")).to_be_hidden()
    await expect(page.locator(".total")).to_be_visible()
    tops = [box["y"] for row in await page.locator(".grid-row").all()
            if (box := await row.bounding_box())]  # fmt: skip
    assert len(tops) == 16
    assert {round(after - before) for before, after in pairwise(tops)} == {32}
