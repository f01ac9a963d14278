"""
Writing kept answers to clients: the headers of the moment, and one compressed form for all.
"""

import asyncio
import gzip
from typing import Final
from weakref import WeakKeyDictionary

from aiohttp import hdrs, web
from multidict import CIMultiDict

from consul_edge.cache.served import Served
from consul_edge.core.entry import Entry, moment_headers
from consul_edge.core.policy import cache_status

SMALL_BYTES: Final = 1400
"""Bodies below are not compressed: they fit a packet as they are."""

LARGE_BYTES: Final = 128 * 1024
"""Bodies from here on are compressed outside the event loop."""

LEVEL: Final = 4
"""Of gzip: done once per entry, and sent perhaps a thousand times."""


class Hits:
    """Makes responses of what the cache serves."""

    def __init__(self) -> None:
        """Begin with nothing compressed."""
        self._compressed: WeakKeyDictionary[Entry, bytes] = WeakKeyDictionary()

    async def respond(self, request: web.Request, served: Served) -> web.Response:
        """Make the response for one client."""
        entry = served.entry
        headers = CIMultiDict(entry.headers)
        headers.extend(
            moment_headers(
                entry,
                age=served.age,
                is_live=served.is_live,
                because_of_error=served.is_stale,
            )
        )
        headers["X-Cache"] = "HIT" if served.is_hit else "MISS"
        if served.is_hit:
            headers[hdrs.AGE] = str(int(served.age))
        if served.is_stale:
            headers["X-Consul-Edge-Stale"] = str(int(served.age))
        headers["X-Consul-Edge-Server"] = entry.server
        headers["Cache-Status"] = cache_status(served.status)
        body = entry.body
        if len(body) >= SMALL_BYTES and accepts_gzip(request.headers.get("Accept-Encoding", "")):
            body = await self._compress(entry)
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(status=entry.status, reason=entry.reason, headers=headers, body=body)

    async def _compress(self, entry: Entry) -> bytes:
        body = self._compressed.get(entry)
        if body is None:
            if len(entry.body) < LARGE_BYTES:
                body = gzip.compress(entry.body, LEVEL, mtime=0)
            else:
                body = await asyncio.to_thread(gzip.compress, entry.body, LEVEL, mtime=0)
            self._compressed[entry] = body
        return body


def accepts_gzip(accepted: str) -> bool:
    """
    Tell whether ``Accept-Encoding`` allows gzip (RFC 9110 section 12.5.3).

    >>> [accepts_gzip(text) for text in ("gzip, deflate", "", "gzip;q=0", "*", "br")]
    [True, False, False, True, False]
    """
    for part in accepted.lower().split(","):
        coding, _, weight = part.strip().partition(";")
        if coding.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
