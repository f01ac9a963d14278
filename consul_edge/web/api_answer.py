"""
Writing documents of the enriched API: one rendering for all, and the words of the moment behind.

Rule 1: what two answers have in common is rendered and compressed once (see ``archive``); what
tells the moment (age, server) is the document's end, and is written anew each time.
Rule 2: an ETag stands for the rows, for who sees them, and for where they come from; not for the
age.  So a client that has them all gets 304 for as long as nothing but time passes.
Rule 3: nobody in between may keep an answer, and whoever keeps it asks each time.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import hdrs, web

from consul_edge.enrich.archive import Archive, Order
from consul_edge.enrich.standing import Standing, State
from consul_edge.upstream.answer import WHOLE_BYTES
from consul_edge.web.hits import accepts_gzip
from consul_edge.web.rendering import SMALL_BYTES
from consul_edge.web.streaming import write_whole

VARY: Final = "X-Consul-Token, Authorization, Accept-Encoding"
CACHE_CONTROL: Final = "private, no-cache"
JSON: Final = "application/json; charset=utf-8"

_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Document:
    """What one client is to be given."""

    order: Order
    render: Callable[[], bytes]
    """Makes all but its end; run in a thread."""

    end: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class Answers:
    """Makes responses of documents."""

    def __init__(self, archive: Archive, *, instance: str) -> None:
        """
        Write what the *archive* keeps.

        Args:
            instance: What this edge calls itself: others count otherwise.
        """
        self._archive = archive
        self._instance = instance

    async def give(
        self, request: web.Request, document: Document, standing: Standing
    ) -> web.StreamResponse:
        """Answer one client."""
        tag = self._tag(document.order, standing)
        headers = {**head(tag), **provenance(standing), **document.headers}
        if has_tag(request, tag):
            return web.Response(status=304, headers=headers)
        headers[hdrs.CONTENT_TYPE] = document.content_type
        bodies = await self._zipped(request, document)
        if bodies is None:
            bodies = await self._archive.plain(document.order, document.render), document.end
        else:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return await write(request, headers, bodies)

    async def _zipped(
        self, request: web.Request, document: Document
    ) -> tuple[bytes, bytes] | None:
        """Give it compressed, if the client takes that and it is worth it."""
        if not takes_gzip(request):
            return None
        zipped = await self._archive.zipped(document.order, document.render)
        if zipped.length + len(document.end) < SMALL_BYTES:
            return None
        return zipped.blocks, zipped.ending(document.end)

    def _tag(self, order: Order, standing: Standing) -> str:
        source = (order.name, self._instance, standing.state, standing.active_server)
        digest = hashlib.blake2b(repr(source).encode(), digest_size=6).hexdigest()
        return f"{order.index:x}-{digest}"


def head(tag: str) -> dict[str, str]:
    """Give the headers that every document has."""
    return {
        hdrs.ETAG: f'W/"{tag}"',
        hdrs.CACHE_CONTROL: CACHE_CONTROL,
        hdrs.VARY: VARY,
        # What stands in names is anybody's: no browser shall take it for a page.
        "X-Content-Type-Options": "nosniff",
    }


async def write(
    request: web.Request, headers: Mapping[str, str], bodies: tuple[bytes, ...]
) -> web.StreamResponse:
    """Write what there is, however large, or only its head."""
    size = sum(map(len, bodies))
    if request.method == hdrs.METH_HEAD:
        without = web.StreamResponse(headers=headers)
        without.content_length = size
        return without
    if size <= WHOLE_BYTES:
        return web.Response(headers=headers, body=b"".join(bodies))
    response = web.StreamResponse(headers=headers)
    await write_whole(request, response, *bodies)
    return response


def provenance(standing: Standing) -> dict[str, str]:
    """Tell in headers who answered, and that it was long ago if nobody does now."""
    headers = {}
    if standing.active_server is not None:
        headers["X-Consul-Edge-Server"] = standing.active_server
    if standing.state is State.STALE:
        headers["X-Consul-Edge-Stale"] = str(int(standing.age))
    return headers


def takes_gzip(request: web.Request) -> bool:
    """Tell whether a client would rather have it compressed."""
    # Several headers are one list (RFC 9110 section 5.3).
    accepted = request.headers.getall(hdrs.ACCEPT_ENCODING, ())
    return bool(accepted) and accepts_gzip(",".join(accepted))


def has_tag(request: web.Request, tag: str) -> bool:
    """
    Tell whether a client has what *tag* stands for.

    The comparison is the weak one (RFC 9110 section 13.1.2).
    """
    given = ",".join(request.headers.getall(hdrs.IF_NONE_MATCH, ()))
    return given.strip() == "*" or tag in _TAG.findall(given)
