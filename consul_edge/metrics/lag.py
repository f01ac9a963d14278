"""
How late the event loop is.

It cannot be seen from within a scrape: what answers that is the loop itself, once it is free.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from consul_edge.metrics.process import EVENT_LOOP_LAG

INTERVAL: Final = 0.5
"""Seconds between two looks."""


@asynccontextmanager
async def lag_observed(interval: float = INTERVAL) -> AsyncIterator[None]:
    """Look every *interval* seconds while the context lasts."""
    looking = asyncio.create_task(_look(interval), name="event loop lag")
    try:
        yield
    finally:
        looking.cancel()


async def _look(interval: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due_at = loop.time() + interval
        await asyncio.sleep(interval)
        EVENT_LOOP_LAG.observe(max(loop.time() - due_at, 0.0))
