"""The grid alone: which rows it shows, where, and how keys move in it."""

from itertools import pairwise

import pytest
from playwright.async_api import Page

from tests.page.browser import chromium, go_blank, watched
from tests.page.grids import (
    active,
    frames,
    in_view,
    make_grid,
    press,
    scroll_to,
    shown,
    told,
)
from tests.page.houses import Home
from tests.waiting import eventually

MANY = 100_000
MOST = 80


async def test_grid_of_many_rows_has_few_elements_wherever_it_is(blank: Page) -> None:
    """At the top, in the middle and at the end, with the focus elsewhere, in a very high view."""
    await go_blank(blank, blank.url.removesuffix("/blank"), height=6000)
    await make_grid(blank, MANY)
    await blank.evaluate("() => window.grid.setDense(true)")
    await blank.evaluate("() => window.grid.focusRow(50)")

    counts = []
    for top in ("0", "place.scrollHeight / 2", "place.scrollHeight"):
        await scroll_to(blank, top)
        counts.append(await blank.locator("#place [role=row]").count())

    assert max(counts) <= MOST
    assert min(counts) > 60


async def test_first_rows_are_shown_from_the_top(blank: Page) -> None:
    """They follow each other below the header without a gap."""
    await make_grid(blank, MANY)

    rows = await in_view(blank)

    assert [row["index"] for row in rows] == list(range(2, 2 + len(rows)))
    assert rows[0]["texts"] == ["r0 a", "r0 b", "r0 c"]
    assert all(one["bottom"] == next_["top"] for one, next_ in pairwise(rows))


@pytest.mark.parametrize("rows", [1, 5, MANY, 1_000_000])
async def test_last_row_is_reached_by_scrolling_to_the_end(blank: Page, rows: int) -> None:
    """It is wholly in view, however many there are."""
    await make_grid(blank, rows)

    await scroll_to(blank, "place.scrollHeight")

    assert (await in_view(blank))[-1]["texts"][0] == f"r{rows - 1} a"


@pytest.mark.parametrize("factor", [1, 2, 3])
async def test_last_row_is_reached_at_any_device_scale(home155: Home, factor: int) -> None:
    """A browser's bound on heights counts device pixels, and an emulated scale hides it."""
    async with (
        chromium(f"--force-device-scale-factor={factor}") as other,
        watched(other, viewport=None, no_viewport=True) as page,
    ):
        await go_blank(page, home155.base, height=400)
        assert await page.evaluate("devicePixelRatio") == factor
        for rows in (MANY, 1_000_000):
            await make_grid(page, rows)
            await scroll_to(page, "place.scrollHeight")
            assert (await in_view(page))[-1]["texts"][0] == f"r{rows - 1} a"
            await page.evaluate("() => window.grid.destroy()")


async def test_middle_of_a_million_rows_is_in_the_middle(blank: Page) -> None:
    """Where pixels stand for several rows, the scrollbar still tells where one is."""
    await make_grid(blank, 1_000_000)

    await scroll_to(blank, "(place.scrollHeight - place.clientHeight) / 2")

    middle = (await in_view(blank))[0]["index"]
    assert abs(middle - 500_000) < 100


async def test_wheel_passes_over_no_row_of_a_million(blank: Page) -> None:
    """A turn of the wheel moves by as much as it says."""
    await make_grid(blank, 1_000_000)
    await blank.mouse.move(200, 300)

    await blank.mouse.wheel(0, 320)
    moved = "document.getElementById('place').scrollTop > 0"
    await eventually(lambda: blank.evaluate(moved), "the grid has scrolled")
    await frames(blank)

    assert (await in_view(blank))[0]["texts"][0] == "r10 a"


async def test_elements_are_in_the_order_of_their_rows(blank: Page) -> None:
    """Who reads the document aloud hears the rows as they are seen, also after scrolling."""
    await make_grid(blank, MANY)
    await blank.evaluate("() => window.grid.focusRow(3)")

    orders = []
    for top in ("40", "400", "200", "90000", "89900", "0"):
        await scroll_to(blank, top)
        orders.append([row["index"] for row in await shown(blank)])

    assert orders == [sorted(order) for order in orders]
    assert all(row["texts"][0] == f"r{row['index'] - 2} a" for row in await shown(blank))


async def test_rows_are_recycled_not_filled_anew_while_scrolling(blank: Page) -> None:
    """One row further down, all elements but one keep what they show."""
    await make_grid(blank, MANY)
    await scroll_to(blank, "320")
    await blank.evaluate(
        "() => { window.filled = 0; const texts = window.texts;"
        " window.texts = (row) => { window.filled += 1; return texts(row); }; }"
    )

    await scroll_to(blank, "352")

    assert await blank.evaluate("() => window.filled") == 3


async def test_grid_tells_its_size_and_the_places_of_rows(blank: Page) -> None:
    """Counts are those of all rows and the header, indexes those among all of them."""
    grid = await make_grid(blank, MANY)
    await scroll_to(blank, "32000")

    assert await grid.get_attribute("aria-rowcount") == str(MANY + 1)
    assert await grid.get_attribute("aria-colcount") == "3"
    head = grid.locator(".grid-head")
    assert await head.get_attribute("aria-rowindex") == "1"
    assert [await cell.get_attribute("aria-colindex") for cell in await head.locator(
        "[role=columnheader]").all()] == ["1", "2", "3"]  # fmt: skip
    assert (await in_view(blank))[0]["index"] == 1002


async def test_grid_is_one_tab_stop(blank: Page) -> None:
    """Tab enters it, and the next one leaves it."""
    await make_grid(blank, 50)
    await blank.evaluate(
        "() => ['before', 'after'].forEach((name) => { const button ="
        " document.createElement('button'); button.id = name;"
        " document.getElementById('place')[name](button); })"
    )
    await blank.focus("#before")

    await press(blank, "Tab")
    inside = await blank.evaluate("() => document.activeElement.id")
    await press(blank, "Tab")

    assert (inside, await blank.evaluate("() => document.activeElement.id")) == ("place", "after")


MOVES = [
    (["ArrowDown"], "r1 a"),
    (["j", "j", "k"], "r1 a"),
    (["ArrowRight", "ArrowDown"], "r1 b"),
    (["End"], "r0 c"),
    (["End", "ArrowRight"], "r0 c"),
    (["End", "Home"], "r0 a"),
    (["ArrowLeft"], "r0 a"),
    (["ArrowUp"], "a"),
    (["ArrowUp", "ArrowUp"], "a"),
    (["PageDown"], "r18 a"),
    (["PageDown", "PageDown", "PageUp"], "r18 a"),
    (["PageDown", "PageUp", "PageUp"], "r0 a"),
    (["Control+End"], "r99999 c"),
    (["Control+End", "ArrowDown"], "r99999 c"),
    (["Control+End", "PageUp", "PageDown"], "r99999 c"),
    (["Control+End", "Control+Home"], "r0 a"),
]


@pytest.mark.parametrize(("keys", "expected"), MOVES, ids=str)
async def test_keys_move_to_the_cell_that_is_pointed_to(
    blank: Page, keys: list[str], expected: str
) -> None:
    """The focus moves by cells, rows, pages and to the ends, and its cell is in the document."""
    grid = await make_grid(blank, MANY)
    await grid.focus()

    await press(blank, *keys)

    assert await active(blank) == expected


async def test_cell_with_the_focus_comes_into_view(blank: Page) -> None:
    """Row 100,000 is seen when it is gone to, and the first one again."""
    grid = await make_grid(blank, MANY)
    await grid.focus()

    await press(blank, "Control+End")
    end = [row["texts"][0] for row in await in_view(blank)]
    await press(blank, "Control+Home")

    assert end[-1] == "r99999 a"
    assert (await in_view(blank))[0]["texts"][0] == "r0 a"


async def test_cell_with_the_focus_stays_in_the_document_while_one_scrolls(blank: Page) -> None:
    """What is pointed to is there, and keys go on from there."""
    grid = await make_grid(blank, MANY)
    await grid.focus()
    await press(blank, "ArrowDown", "ArrowDown")

    await scroll_to(blank, "place.scrollHeight")
    pointed = await active(blank)
    await press(blank, "ArrowDown")

    assert pointed == "r2 a"
    assert await active(blank) == "r3 a"
    assert "r3 a" in [row["texts"][0] for row in await in_view(blank)]


async def test_focus_scrolls_sideways_within_the_grid_only(blank: Page) -> None:
    """Columns that have no room are reached, and the page stays where it is."""
    names = tuple("abcdefghijklmnopqrst")
    grid = await make_grid(blank, 50, names)
    await grid.focus()

    await press(blank, "End")

    assert await active(blank) == "r0 t"
    assert await blank.evaluate("() => document.getElementById('place').scrollLeft") > 0
    assert await blank.evaluate("() => document.scrollingElement.scrollLeft") == 0
    assert await blank.evaluate(
        "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )


async def test_columns_of_the_header_and_of_rows_are_of_one_width(blank: Page) -> None:
    """With room to spare, without, and for other columns."""
    await make_grid(blank, 50, ("a", "b", "c", "d"))
    lefts = """() => [".grid-head", ".grid-row"].map((one) =>
        [...document.querySelector(one).children].map((cell) => cell.getBoundingClientRect().left)
    )"""

    wide = await blank.evaluate(lefts)
    await blank.evaluate(
        "() => window.grid.setColumns(Array.from({length: 30}, (_, place) =>"
        " ({name: `n${place}`, label: `n${place}`, least: 90 + place})))"
    )
    narrow = await blank.evaluate(lefts)

    assert wide[0] == wide[1]
    assert narrow[0] == narrow[1]
    assert len(narrow[0]) == 30


async def test_header_stays_in_view(blank: Page) -> None:
    """It is seen above the rows however far one has scrolled."""
    await make_grid(blank, MANY)
    where = "() => document.querySelector('.grid-head').getBoundingClientRect().top"
    before = await blank.evaluate(where)

    await scroll_to(blank, "1000000")

    assert await blank.evaluate(where) == before


async def test_enter_opens_the_row_with_the_focus(blank: Page) -> None:
    """It is told, and marked as chosen."""
    grid = await make_grid(blank, MANY)
    await grid.focus()

    await press(blank, "ArrowDown", "Enter")

    assert await told(blank) == [["open", 1]]
    assert await grid.locator("[aria-selected=true]").get_attribute("aria-rowindex") == "3"


async def test_click_opens_the_row_and_takes_the_focus_there(blank: Page) -> None:
    """Keys go on from the cell that was clicked."""
    grid = await make_grid(blank, MANY)

    await grid.get_by_text("r4 b").click()
    await press(blank, "ArrowDown")

    assert await told(blank) == [["open", 4]]
    assert await active(blank) == "r5 b"


async def test_header_sorts_by_a_first_and_a_second_column(blank: Page) -> None:
    """A click sorts, another turns it round, one with shift adds the second key."""
    grid = await make_grid(blank, 50)
    for name, is_second in (("a", False), ("a", False), ("b", True), ("b", True), ("c", False)):
        button = grid.get_by_role("button", name=name)
        await button.click(modifiers=["Shift"] if is_second else [])
        await blank.evaluate("() => window.grid.setSort(window.told.at(-1)[1])")

    assert [
        [(key["name"], key["descending"]) for key in keys] for _, keys in await told(blank)
    ] == [
        [("a", False)],
        [("a", True)],
        [("a", True), ("b", False)],
        [("a", True), ("b", True)],
        [("c", False)],
    ]


async def test_keys_sort_in_the_header(blank: Page) -> None:
    """Up from the first row is the header; Enter there sorts by the column of the focus."""
    grid = await make_grid(blank, 50)
    await grid.focus()

    await press(blank, "ArrowRight", "ArrowUp", "Enter", "Shift+Space")

    assert await told(blank) == [["sort", [{"name": "b", "descending": False}]]] * 2


async def test_one_header_says_how_rows_are_sorted(blank: Page) -> None:
    """The first key is told to all, the second is there to be seen."""
    grid = await make_grid(blank, 50)
    keys = '[{name: "b", descending: true}, {name: "a", descending: false}]'

    await blank.evaluate(f"() => window.grid.setSort({keys})")

    headers = await grid.get_by_role("columnheader").all()
    assert [await one.get_attribute("aria-sort") for one in headers] == [None, "descending", None]
    assert [await one.get_attribute("data-sort-key") for one in headers] == ["2", "1", ""]


async def test_focus_follows_its_row_to_another_place(blank: Page) -> None:
    """After sorting, keys go on from where the row is now."""
    grid = await make_grid(blank, MANY)
    await grid.focus()
    await press(blank, "ArrowDown", "ArrowRight")

    await blank.evaluate(
        "(rows) => window.grid.setOrder("
        "Uint32Array.from({ length: rows }, (_, place) => rows - 1 - place))",
        MANY,
    )
    pointed = await active(blank)
    await press(blank, "ArrowDown")

    assert (pointed, await active(blank)) == ("r1 b", "r0 b")


async def test_focus_follows_its_key_to_another_number(blank: Page) -> None:
    """Rows of a table that was loaded again have other numbers."""
    grid = await make_grid(blank, 50)
    await grid.focus()
    await press(blank, "ArrowDown")

    await blank.evaluate(
        "() => { window.find = (key) => Number(key.slice(1)) + 7;"
        " window.grid.setOrder(Uint32Array.from({ length: 60 }, (_, row) => row)); }"
    )

    assert await active(blank) == "r8 a"


async def test_focus_stays_in_its_place_when_its_row_is_gone(blank: Page) -> None:
    """The row that comes up there has it then."""
    grid = await make_grid(blank, 50)
    await grid.focus()
    await press(blank, "ArrowDown", "ArrowDown")

    await blank.evaluate(
        "(rows) => window.grid.setOrder(Uint32Array.from(rows))",
        [row for row in range(50) if row != 2],
    )

    assert await active(blank) == "r3 a"


async def test_focus_is_kept_by_the_last_row_when_there_are_fewer(blank: Page) -> None:
    """It never points beyond the end, and to the header when there is no row at all."""
    grid = await make_grid(blank, 50)
    await grid.focus()
    await press(blank, "Control+End")

    await blank.evaluate("() => window.grid.setOrder(Uint32Array.from([0, 1, 2]))")
    few = await active(blank)
    await blank.evaluate("() => window.grid.setOrder(new Uint32Array(0))")

    assert few == "r2 c"
    assert await active(blank) == "c"
    assert await grid.get_attribute("aria-rowcount") == "1"


async def test_place_and_choice_stay_when_rows_change(blank: Page) -> None:
    """New texts come in where one is, and nothing moves."""
    grid = await make_grid(blank, MANY)
    await grid.focus()
    await press(blank, "Enter")
    await scroll_to(blank, "32000")

    await blank.evaluate(
        "() => { window.texts = (row) => `new${row}`; window.grid.refresh([1000]); }"
    )

    rows = [row["texts"][0] for row in await in_view(blank)]
    assert rows[:2] == ["new1000 a", "r1001 a"]
    assert await blank.evaluate("() => [window.grid.selected, window.grid.focused]") == [0, 0]
    assert await blank.evaluate("() => document.getElementById('place').scrollTop") == 32000


async def test_dense_rows_show_more_from_the_same_row_on(blank: Page) -> None:
    """The first row in view stays it."""
    await make_grid(blank, MANY)
    await scroll_to(blank, "32000")
    before = await in_view(blank)

    await blank.evaluate("() => window.grid.setDense(true)")

    after = await in_view(blank)
    assert after[0]["texts"] == before[0]["texts"]
    assert len(after) > len(before) * 1.2


async def test_text_of_a_row_is_never_markup(blank: Page) -> None:
    """An image that would run a script is what it says."""
    await blank.evaluate("() => { window.evil = '<img src=x onerror=alert(1)>'; }")
    grid = await make_grid(blank, 5)

    await blank.evaluate("() => { window.texts = () => window.evil; window.grid.refresh(); }")

    assert await grid.locator("img").count() == 0
    assert (await shown(blank))[0]["texts"][0] == "<img src=x onerror=alert(1)> a"
