"""
What a handler answers, before and after it is put on the wire.

A read yields a ``Found``: an index, what would change it, and how to write the body if need be.
An ``Answer`` is what becomes a response.
"""

import asyncio
import gzip
from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp import web

from consul_edge.demo import gojson
from consul_edge.demo.ledger import Topic

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"

_OFF_LOOP: Final = 128 * 1024
"""Bodies above this are compressed in a thread."""


class Body:
    """Bytes that are sent often, and their compressed form once somebody wanted it."""

    __slots__ = ("_gzipped", "plain")

    def __init__(self, plain: bytes) -> None:
        self.plain = plain
        self._gzipped: bytes | None = None

    async def gzipped(self) -> bytes:
        """Compress, once."""
        if self._gzipped is None:
            if len(self.plain) > _OFF_LOOP:
                self._gzipped = await asyncio.to_thread(gzip.compress, self.plain, 1, mtime=0)
            else:
                self._gzipped = gzip.compress(self.plain, 6, mtime=0)
        return self._gzipped


EMPTY: Final = Body(b"")
TRUE: Final = Body(b"true")
FALSE: Final = Body(b"false")
NULL: Final = Body(b"null")
EMPTY_LIST: Final = Body(b"[]")
EMPTY_MAP: Final = Body(b"{}")


class Found(msgspec.Struct, frozen=True):
    """What a read found at one moment."""

    index: int
    topics: tuple[Topic, ...]
    """What wakes one who waits for a higher index."""

    body: Callable[[], Body]
    """Writes the body; called for the last look only."""

    status: int = 200
    raw: bool = False
    """A KV value as it is, with the headers that keep a browser from running it."""


class Answer(msgspec.Struct, frozen=True):
    """A response to be."""

    status: int = 200
    body: Body = EMPTY
    content_type: str | None = JSON
    headers: dict[str, str] = {}
    vary: bool = True
    """False for what Consul's mux says itself, outside of its gzip wrapper."""

    def with_headers(self, headers: dict[str, str]) -> "Answer":
        """Add some headers."""
        return msgspec.structs.replace(self, headers=self.headers | headers)


def ok(body: Body) -> Answer:
    """Answer JSON without an index."""
    return Answer(body=body)


def text(status: int, message: str, headers: dict[str, str] | None = None) -> Answer:
    """Answer as Consul complains."""
    body = Body(message.encode("utf-8", "surrogateescape"))
    return Answer(status, body, TEXT if message else None, headers or {})


def accepts_gzip(header: str) -> bool:
    """Tell whether an ``Accept-Encoding`` names gzip with a quality above zero."""
    for part in header.lower().split(","):
        coding, _, parameters = part.partition(";")
        if coding.strip() == "gzip":
            quality = parameters.strip().removeprefix("q=")
            return not quality or quality.strip("0.") != ""
    return False


async def render(answer: Answer, accept_encoding: str, *, pretty: bool) -> web.Response:
    """Make the response; gzip starts at one byte, as at Consul."""
    headers = dict(answer.headers)
    body = answer.body
    if pretty and answer.content_type == JSON and body.plain:
        body = Body(gojson.prettify(body.plain))
    if answer.content_type is not None:
        headers["Content-Type"] = answer.content_type
    if answer.vary:
        headers["Vary"] = "Accept-Encoding"
    data = body.plain
    if data and answer.vary and accept_encoding and accepts_gzip(accept_encoding):
        data = await body.gzipped()
        headers["Content-Encoding"] = "gzip"
    return web.Response(status=answer.status, body=data, headers=headers)
