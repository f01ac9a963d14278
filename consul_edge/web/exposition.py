"""
``/metrics``: what Prometheus scrapes.

Rule 1: it is rendered in a thread, with breaks: a thousand nodes are ten thousand lines, and
nobody else shall wait for them.
Rule 2: one at a time: who scrapes often gets in his own way, not in that of the threads that the
enriched API works in.
"""

import asyncio

from aiohttp import web
from prometheus_async.aio.web import server_stats

TURN = web.AppKey("scrape", asyncio.Lock)


async def metrics(request: web.Request) -> web.Response:
    """Answer as OpenMetrics if that is asked for, else in Prometheus' own format."""
    async with request.app[TURN]:
        # A coroutine that never waits: any loop will do to run it, also one that is none of ours.
        return await asyncio.to_thread(asyncio.run, server_stats(request))
