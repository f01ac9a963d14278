"""
How the edge is, in one line for people: what ``systemctl status`` shows, and of the warming a
terminal, too.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from consul_edge.progress import PROGRESS
from consul_edge.web.keys import CACHE, UPSTREAM

LOOK_INTERVAL: Final = 0.2
"""Seconds between two looks at the warming, while somebody watches."""


def status_line(app: web.Application) -> str:
    """
    Tell who answers, how much is kept, and how far the warming is until it is done.

    Names of servers are in it, and nothing of Consul's data.
    """
    servers, cache = app[UPSTREAM].servers, app[CACHE]
    up = sum(not server.is_out for server in servers)
    total = sum(1 for _ in servers)
    parts = [f"{up} of {total} servers up", f"{len(cache.lines.store)} answers kept"]
    if up:
        parts.insert(1, f"{servers.active.name} asked first")
    warm, wanted = cache.warmth
    if warm < wanted:
        parts.append(f"{warm} of {wanted} targets warm")
    return ", ".join(parts)


@asynccontextmanager
async def warming_shown(app: web.Application) -> AsyncIterator[None]:
    """Show on the terminal how far ``cache.warm`` is, until all is kept."""
    showing = asyncio.create_task(_show_warming(app), name="progress of warming")
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)


async def _show_warming(app: web.Application) -> None:
    try:
        while PROGRESS.is_seen:
            warm, wanted = app[CACHE].warmth
            if warm >= wanted:
                return
            PROGRESS.show(f"warming: {warm} of {wanted}")
            await asyncio.sleep(LOOK_INTERVAL)
    finally:
        PROGRESS.end()
