"""The page for those who cannot see or point as most do: axe-core, contrast, and the grid."""

import re
from collections.abc import Awaitable, Callable
from itertools import product
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, Page, expect

import consul_edge.web
from tests.page.axe import stumbles
from tests.page.browser import watched
from tests.page.houses import Home, home
from tests.page.test_page import opened

PHONE: Final = {"width": 390, "height": 844}
DESK: Final = {"width": 1280, "height": 800}


async def _find(page: Page) -> None:
    await page.fill("#search input[name=q]", "statsu:critical")
    await expect(page.locator("[data-query]")).to_be_visible()


async def _filter(page: Page) -> None:
    await page.fill("#search input[name=q]", "")
    await page.click(".healths a[data-value=passing]")
    await page.click("[data-facet=category] summary")
    await expect(page.locator("[data-facet=category] li a").first).to_be_visible()


async def _choose(page: Page) -> None:
    await page.keyboard.press("Escape")
    await page.click("#view summary")
    await expect(page.locator("#view li").first).to_be_visible()


async def _export(page: Page) -> None:
    await page.keyboard.press("Escape")
    await page.click("#export summary")
    await expect(page.locator("#export li").first).to_be_visible()


async def _open(page: Page) -> None:
    await page.keyboard.press("Escape")
    await page.locator(".grid-row").first.click()
    await expect(page.locator("#drawer .check").first).to_be_visible()
    await expect(page.locator("#drawer .why")).to_be_visible()


async def _rights(page: Page) -> None:
    await page.keyboard.press("Escape")
    await page.click(".rights")
    await page.fill("#field-token_consul", "two words")
    await page.press("#field-token_consul", "Enter")
    await page.click("[data-flush=sites]")
    await expect(page.locator("#flushed")).not_to_be_empty()
    await page.click("#caches .acts [data-flush=all]")
    await expect(page.locator(".confirming")).to_be_visible()


async def _help(page: Page) -> None:
    await page.keyboard.press("Escape")
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("?")
    await expect(page.locator("dialog:not(.panel)")).to_be_visible()


async def _about(page: Page) -> None:
    await page.keyboard.press("Escape")
    await page.click("#about summary")
    await expect(page.locator("#about table")).to_be_visible()


STEPS: Final[dict[str, Callable[[Page], Awaitable[None]]]] = {
    "a search that means nothing": _find,
    "a filter's menu": _filter,
    "columns": _choose,
    "export": _export,
    "the drawer": _open,
    "the panel of rights": _rights,
    "the help": _help,
    "about": _about,
}


AT_HAND: Final = ("a filter's menu", "the drawer", "the panel of rights")
"""What looks another way on a phone."""


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_axe_finds_nothing_wherever_one_is(browser: Browser, size: dict[str, int]) -> None:
    """Names, roles, places, order and contrast are right in every part, in both themes."""
    found = {}
    steps = STEPS if size is DESK else {name: STEPS[name] for name in AT_HAND}
    async with (
        home(12, nodes=3, ADMIN__TRUST_LOOPBACK="true") as own,
        watched(browser, viewport=size, color_scheme="light") as page,
    ):
        await opened(page, own, "/nodes?row=x")
        found["nodes"] = await stumbles(page)
        await opened(page, own, "/?status=none-such")
        found["services"] = await stumbles(page)
        for name, step in steps.items():
            await step(page)
            found[name] = await stumbles(page)
        await own.standin.refuse()
        own.standin.disconnect()
        await expect(page.locator("#stale")).to_be_visible(timeout=15_000)
        found["the banner"] = await stumbles(page)
    assert {name: one for name, one in found.items() if one} == {}


async def test_axe_sees_what_is_wrong(browser: Browser, home155: Home) -> None:
    """What finds nothing might not look: a nameless button and a pale word are found."""
    async with watched(browser) as page:
        await opened(page, home155, "/nodes")
        await page.evaluate(
            """() => {
              document.querySelector(".rights").replaceChildren();
              document.querySelector(".rights").removeAttribute("title");
              document.querySelector("#count").style.color = "#556";
            }"""
        )
        assert {(theme, rule) for theme, rule, _ in await stumbles(page)} == {
            ("light", "button-name"),
            ("dark", "color-contrast"),
        }


class TestContrast:
    """Of the colours themselves: axe-core judges what is on the screen at that moment."""

    TEXTS = ("ink", "mute", "accent", "passing", "warning", "critical")
    GROUNDS = ("ground", "panel", "raised", "hover")
    PAIRS = (
        *product(TEXTS, GROUNDS),
        ("accent", "chosen"),
        ("ink", "chosen"),
        *((name, f"{name}-ground") for name in ("warning", "critical")),
        ("ink", "critical-ground"),
        ("ink", "warning-ground"),
    )

    @staticmethod
    def colours() -> dict[str, tuple[str, str]]:
        """Read the pairs of the style sheet: light, dark."""
        sheet = (Path(consul_edge.web.__file__).parent / "static" / "page.css").read_text()
        pairs = re.findall(r"--([a-z-]+): light-dark\((#\w{6}), (#\w{6})\)", sheet)
        return {name: (light, dark) for name, light, dark in pairs}

    @pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
    def test_text_is_legible_on_every_ground(self, theme: int) -> None:
        """Whatever stands on whatever: 4.5 to 1."""
        colours = self.colours()
        ratios = {
            (text, ground): contrast(colours[text][theme], colours[ground][theme])
            for text, ground in self.PAIRS
        }
        assert {pair: ratio for pair, ratio in ratios.items() if ratio < 4.5} == {}

    @pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
    def test_outline_of_a_field_and_shape_of_a_status_are_seen(self, theme: int) -> None:
        """What is no text, and has to be seen: 3 to 1."""
        colours = self.colours()
        shapes = ("edge", "passing", "warning", "critical", "accent")
        ratios = {
            (shape, ground): contrast(colours[shape][theme], colours[ground][theme])
            for shape, ground in product(shapes, ("panel", "raised", "ground"))
        }
        assert {pair: ratio for pair, ratio in ratios.items() if ratio < 3} == {}


def contrast(one: str, other: str) -> float:
    """
    Give the contrast of two colours (WCAG 2.2).

    >>> contrast("#000000", "#ffffff")
    21.0
    """
    low, high = sorted((_luminance(one), _luminance(other)))
    return round((high + 0.05) / (low + 0.05), 2)


def _luminance(colour: str) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class TestGrid:
    """The grid of the real page, as a screen reader is told of it (W3C's pattern of a grid)."""

    async def test_roles_counts_and_places_are_those_of_all_rows(
        self, page: Page, home155: Home
    ) -> None:
        """Elements that are recycled say where they are among all rows, header included."""
        await opened(page, home155, "/?sort=id")
        grid = page.locator("#rows")
        await grid.focus()
        await page.keyboard.press("Control+End")
        await expect(page.locator("[aria-rowindex='156']")).to_be_visible()
        told = await grid.evaluate(
            """(grid) => {
              const rows = [...grid.querySelectorAll("[role=row]")];
              const indexes = rows.map((row) => Number(row.getAttribute("aria-rowindex")));
              const cells = rows.map((row) => [...row.children].filter((one) =>
                ["gridcell", "columnheader"].includes(one.getAttribute("role"))));
              const active = document.getElementById(grid.getAttribute("aria-activedescendant"));
              return {
                counts: [grid.getAttribute("aria-rowcount"), grid.getAttribute("aria-colcount")],
                label: grid.getAttribute("aria-label"),
                indexes,
                cells: [...new Set(cells.map((row) => row.length))],
                columns: [...new Set(cells.map((row) =>
                  row.map((cell) => cell.getAttribute("aria-colindex")).join()))],
                sorted: [...grid.querySelectorAll("[aria-sort]")].map((one) =>
                  [one.textContent, one.getAttribute("aria-sort")]),
                active: active.closest("[role=row]").getAttribute("aria-rowindex"),
                tabbable: [...grid.querySelectorAll("a, button, [tabindex]")].filter(
                  (one) => one.tabIndex >= 0).length,
              };
            }"""
        )
        assert told["counts"] == ["156", "8"]
        assert told["label"] == "Service instances"
        assert told["indexes"] == sorted(set(told["indexes"]))
        assert (told["indexes"][0], told["indexes"][-1]) == (1, 156)
        assert told["cells"] == [8]
        assert told["columns"] == ["1,2,3,4,5,6,7,8"]
        assert told["sorted"] == [["ID", "ascending"]]
        assert told["active"] == "156"
        assert told["tabbable"] == 0

    async def test_number_of_rows_is_spoken_after_a_search(
        self, page: Page, home155: Home
    ) -> None:
        """Who cannot see the rows hears how many are left, once the typing has ended."""
        await opened(page, home155)
        await page.fill("#search input[name=q]", "mysqld")
        spoken = page.locator("#spoken[role=status]")
        await expect(spoken).to_have_text(re.compile(r"^\d+ of 155 rows$"))
