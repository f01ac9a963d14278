"""
Writing kept answers to clients: the headers of the moment, and one rendering for all.

Rule 1: clients that get the same get the same bytes: head and body of an answer are put together
once a second and entry, and each client costs one write.
Rule 2: what is large, or whose client reads slowly, goes aiohttp's way, which waits for it; what
is larger still goes in parts, for a client that does not read would have the whole of it buffered.
"""

import asyncio
import gzip
import time
from email.utils import formatdate
from typing import Final
from weakref import WeakKeyDictionary

from aiohttp import HttpVersion11, hdrs, web
from multidict import CIMultiDict

from consul_edge.cache.served import Served
from consul_edge.core.entry import Entry, moment_headers
from consul_edge.core.headers import Pairs
from consul_edge.core.policy import cache_status
from consul_edge.upstream.answer import WHOLE_BYTES
from consul_edge.web.keys import UNTYPED
from consul_edge.web.streaming import write_whole

SMALL_BYTES: Final = 1400
"""Bodies below are not compressed: they fit a packet as they are."""

LARGE_BYTES: Final = 128 * 1024
"""Bodies from here on are compressed outside the event loop."""

READY_BYTES: Final = 64 * 1024
"""Bodies up to this size are written without asking whether the client keeps up."""

RENDERED: Final = 128
"""Entries whose rendering is remembered, for a second at most: twice 8 MiB."""

LEVEL: Final = 4
"""Of gzip: done once per entry, and sent perhaps a thousand times."""


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

    def __init__(self) -> None:
        """Begin with nothing compressed or rendered."""
        self._compressed: WeakKeyDictionary[Entry, bytes] = WeakKeyDictionary()
        self._compressing: WeakKeyDictionary[Entry, asyncio.Task[bytes]] = WeakKeyDictionary()
        self._rendered: WeakKeyDictionary[Entry, dict[tuple[object, ...], bytes]]
        self._rendered = WeakKeyDictionary()
        self._second = 0
        self._date = ""

    async def respond(self, request: web.Request, served: Served) -> web.StreamResponse:
        """Answer one client."""
        entry = served.entry
        zipped = wants_gzip(request, entry)
        if zipped and entry not in self._compressed and len(entry.body) >= LARGE_BYTES:
            await self._compress_beside(entry)
        ready = self.write(request, served, zipped=zipped)
        if ready is not None:
            return ready
        headers = CIMultiDict(self._headers(served))
        body = entry.body
        if zipped:
            body = self._compress(entry)
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
        ):
            return None
        raw = self._render(served, zipped=zipped)
        transport.write(raw)
        return Ready(served.entry, len(raw))

    def _render(self, served: Served, *, zipped: bool) -> bytes:
        now = int(time.time())
        if now != self._second or len(self._rendered) >= RENDERED:
            self._second, self._date = now, formatdate(now, usegmt=True)
            self._rendered.clear()
        forms = self._rendered.setdefault(served.entry, {})
        contact = 0 if served.is_live else round(served.age * 1000)
        form = (served.result, int(served.age), contact, zipped)
        raw = forms.get(form)
        if raw is None:
            entry = served.entry
            body = self._compress(entry) if zipped else entry.body
            lines = [f"HTTP/1.1 {entry.status} {entry.reason}"]
            lines += [f"{name}: {value}" for name, value in self._headers(served)]
            if zipped:
                lines.append("Content-Encoding: gzip")
            lines += [f"Content-Length: {len(body)}", f"Date: {self._date}", "", ""]
            raw = "\r\n".join(lines).encode("utf-8", "surrogateescape") + body
            if served.is_live:
                # What is not has another contact each millisecond: nobody else gets the same.
                forms[form] = raw
        return raw

    def _headers(self, served: Served) -> Pairs:
        entry = served.entry
        pairs = [
            *entry.headers,
            *moment_headers(
                entry, age=served.age, is_live=served.is_live, because_of_error=served.is_stale
            ),
            ("X-Cache", "HIT" if served.is_hit else "MISS"),
        ]
        if served.is_hit:
            pairs.append(("Age", str(int(served.age))))
        if served.is_stale:
            pairs.append(("X-Consul-Edge-Stale", str(int(served.age))))
        pairs.append(("X-Consul-Edge-Server", entry.server))
        pairs.append(("Cache-Status", cache_status(served.status)))
        return pairs

    async def _compress_beside(self, entry: Entry) -> None:
        """Compress outside the event loop, once for everybody who waits for it."""
        task = self._compressing.get(entry)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(_compress, entry.body))
            self._compressing[entry] = task
        self._compressed[entry] = await asyncio.shield(task)

    def _compress(self, entry: Entry) -> bytes:
        body = self._compressed.get(entry)
        if body is None:
            body = self._compressed[entry] = _compress(entry.body)
        return body


class Delivery:
    """Writes to a client that is parked in the moment when there is news, before its task runs."""

    def __init__(self, hits: Hits, request: web.Request) -> None:
        """Hold the client's request."""
        self.response: Ready | None = None
        """Set once it has been answered."""
        self._hits = hits
        self._request = request

    def __call__(self, served: Served) -> None:
        """Answer it, if that can be done at once."""
        entry = served.entry
        zipped = wants_gzip(self._request, entry)
        if not zipped or len(entry.body) < READY_BYTES:
            self.response = self._hits.write(self._request, served, zipped=zipped)


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


def _compress(body: bytes) -> bytes:
    return gzip.compress(body, LEVEL, mtime=0)
