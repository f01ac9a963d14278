"""
Writing kept answers to clients that aiohttp serves.

Rule: what is large, or whose client reads slowly, goes aiohttp's way, which waits for it; what is
larger still goes in parts, for a client that does not read would have the whole of it buffered.
"""

import asyncio
from typing import Final
from weakref import WeakKeyDictionary

from aiohttp import HttpVersion11, hdrs, web
from multidict import CIMultiDict

from consul_edge.cache.served import Served
from consul_edge.core.entry import Entry
from consul_edge.upstream.answer import WHOLE_BYTES
from consul_edge.web import request_id
from consul_edge.web.keys import ACCESS, UNTYPED
from consul_edge.web.rendering import SMALL_BYTES, Rendering, answer_headers, compress, send
from consul_edge.web.streaming import write_whole

READY_BYTES: Final = 64 * 1024
"""Bodies up to this size are written without asking whether the client keeps up."""


class Ready(web.StreamResponse):
    """A response whose bytes have been written already."""

    def __init__(self, entry: Entry, size_bytes: int) -> None:
        """
        Tell aiohttp that there is nothing left to do, and the access log what was done.

        Args:
            size_bytes: What was written, the head included: so aiohttp counts, too.
        """
        server = {"X-Consul-Edge-Server": entry.server}
        super().__init__(status=entry.status, reason=entry.reason, headers=server)
        self._keep_alive = True
        self._eof_sent = True
        self._body_length = size_bytes


class Hits:
    """Makes responses of what the cache serves."""

    def __init__(self, rendering: Rendering) -> None:
        """Write what *rendering* makes."""
        self._rendering = rendering
        self._compressing: WeakKeyDictionary[Entry, asyncio.Task[bytes]] = WeakKeyDictionary()

    async def respond(self, request: web.Request, served: Served) -> web.StreamResponse:
        """Answer one client."""
        entry = served.entry
        zipped = wants_gzip(request, entry)
        if zipped and not self._rendering.is_quick(entry):
            await self._compress_beside(entry)
        ready = self.write(request, served, zipped=zipped)
        if ready is not None:
            return ready
        headers = CIMultiDict(answer_headers(served))
        body = entry.body
        if zipped:
            body = self._rendering.compress(entry)
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        response: web.StreamResponse
        if len(body) <= WHOLE_BYTES:
            response = web.Response(
                status=entry.status, reason=entry.reason, headers=headers, body=body
            )
            response[UNTYPED] = hdrs.CONTENT_TYPE not in headers
            return response
        response = web.StreamResponse(status=entry.status, reason=entry.reason, headers=headers)
        response[UNTYPED] = hdrs.CONTENT_TYPE not in headers
        await write_whole(request, response, body)
        return response

    def write(self, request: web.Request, served: Served, *, zipped: bool) -> Ready | None:
        """
        Write the whole answer at once, if that will do.

        Args:
            zipped: Whether the client gets the compressed form.
        """
        transport = request.transport
        if (
            len(served.entry.body) > READY_BYTES
            or request.version != HttpVersion11
            or not request.keep_alive
            or transport is None
            or transport.is_closing()
            or transport.get_write_buffer_size()
            # It comes back in the head, which is everybody's here.
            or request_id.HEADER in request.headers
        ):
            return None
        parts = self._rendering.parts(served, zipped=zipped)
        send(transport, parts)
        return Ready(served.entry, sum(map(len, parts)))

    async def _compress_beside(self, entry: Entry) -> None:
        """Compress outside the event loop, once for everybody who waits for it."""
        task = self._compressing.get(entry)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(compress, entry.body))
            self._compressing[entry] = task
        self._rendering.adopt(entry, await asyncio.shield(task))


class Delivery:
    """Writes to a client that is parked in the moment when there is news, before its task runs."""

    def __init__(self, hits: Hits, request: web.Request) -> None:
        """Hold the client's request."""
        self.response: Ready | None = None
        """Set once it has been answered."""
        self._hits = hits
        self._request = request
        self._policy = request.app[ACCESS].policy

    def __call__(self, served: Served) -> None:
        """Answer it, if that can be done at once; who is to be judged anew is left alone."""
        if not self._is_judged:
            return
        entry = served.entry
        zipped = wants_gzip(self._request, entry)
        if not zipped or len(entry.body) < READY_BYTES:
            self.response = self._hits.write(self._request, served, zipped=zipped)

    def judge(self) -> None:
        """
        Judge the client anew if others than at its coming are the settings in force.

        Raises:
            Refused: When what it waited for was closed to it meanwhile.
        """
        if not self._is_judged:
            self._request.app[ACCESS].check(self._request.method, self._request.raw_path)

    @property
    def _is_judged(self) -> bool:
        return self._request.app[ACCESS].policy is self._policy


def wants_gzip(request: web.Request, entry: Entry) -> bool:
    """Tell whether *request* gets the compressed form of *entry*."""
    if len(entry.body) < SMALL_BYTES:
        return False
    # Several headers are one list (RFC 9110 section 5.3).
    accepted = request.headers.getall(hdrs.ACCEPT_ENCODING, ())
    return bool(accepted) and accepts_gzip(",".join(accepted))


def accepts_gzip(accepted: str) -> bool:
    """
    Tell whether ``Accept-Encoding`` allows gzip (RFC 9110 section 12.5.3).

    >>> [accepts_gzip(text) for text in ("gzip, deflate", "", "gzip;q=0", "*", "br")]
    [True, False, False, True, False]
    """
    weights: dict[str, str] = {}
    for part in accepted.lower().split(","):
        coding, _, weight = part.partition(";")
        weights[coding.strip()] = weight.replace(" ", "")
    # What is said of gzip goes before what is said of all others.
    weight = weights.get("gzip", weights.get("*", "q=0"))
    return weight not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
