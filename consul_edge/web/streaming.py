"""
Writing what is large: no faster than the client reads, and not to one that stopped reading.

Rule: between two parts the client must have taken in what was written before, or nearly so; what
the edge holds for a client is then bounded, however large the answer is.
"""

import asyncio
from typing import Final

from aiohttp import web

STALL: Final = 300.0
"""Seconds that a client may stop reading in the middle of its answer."""

PART_BYTES: Final = 64 * 1024
"""What is written at once of a body that is there: what aiohttp writes without waiting."""


async def write_part(response: web.StreamResponse, part: bytes | memoryview) -> None:
    """
    Write one part of a prepared response.

    Raises:
        TimeoutError: When the client stopped reading.
    """
    async with asyncio.timeout(STALL):
        await response.write(part)


async def write_whole(request: web.Request, response: web.StreamResponse, *bodies: bytes) -> None:
    """Write what is there, one behind the other, of which no client needs a copy of its own."""
    response.content_length = sum(map(len, bodies))
    await response.prepare(request)
    try:
        for body in bodies:
            view = memoryview(body)
            for start in range(0, len(view), PART_BYTES):
                await write_part(response, view[start : start + PART_BYTES])
    except TimeoutError:
        abort(request)


def abort(request: web.Request) -> None:
    """Cut a client off: what it got must not look like a whole answer."""
    if request.transport is not None:
        request.transport.abort()
