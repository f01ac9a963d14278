"""
The page while its cluster changes 500 times a second, timed by the browser's own clock.

Somebody looks at the middle of the rows, with a filter menu open.  Long tasks are those that
Chromium reports: 50 ms and more in which the page hears nobody; a page that has none has "0".
"""

import asyncio
from typing import Final

from playwright.async_api import Page, expect

from consul_edge.demo.churn import Churn
from tests.bench.visits import Times
from tests.page.houses import Home
from tests.page.sightings import begin, sightings, watch
from tests.waiting import eventually

CHANGES: Final = 500
"""A second, at the source."""

ORDERS: Final = 10
"""Changes that are shown while it is measured."""

TASK: Final = "long task under 500 changes a second"
SHOWN: Final = "time between two changes shown"


async def changing(page: Page, home: Home) -> Times:
    """Look at a cluster that changes; gives milliseconds."""
    await watch(page)
    await page.goto(home.base)
    await expect(page.locator("body[data-way=stream] #rows[role=grid]")).to_be_visible(
        timeout=60_000
    )
    await page.click("[data-facet=category] summary")
    await page.evaluate("rows.scrollTop = rows.scrollHeight / 2")
    churn = asyncio.create_task(Churn(home.standin.state, CHANGES).run())
    try:
        # The first change is what came since the rows were loaded.
        await _orders(page, 1)
        await begin(page)
        await _orders(page, ORDERS)
    finally:
        churn.cancel()
    seen = await sightings(page)
    return {
        TASK: seen["longTasks"] or [0.0],
        SHOWN: [1000 * seen["seconds"] / seen["orders"]],
    }


async def _orders(page: Page, count: int) -> None:
    await eventually(
        lambda: page.evaluate(f"seen.orders >= {count}"), f"{count} changes shown", within=120
    )
