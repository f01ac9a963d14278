"""
``/api/v1/events``: what changes, as server-sent events.

Rule 1: a reader gets what lies between what it knows and what is: if it reads slowly that is one
larger change, never a queue of small ones.
Rule 2: a change is rendered once for all who know the same; one that is larger than the whole is
worth, or begins too long ago, is told as ``reload``: that of all to whom this identity was not
told here what it says it knows.
Rule 3: a stream ends when the edge shuts down, when its token may see nothing any more, when a
reload changes who may see what, and when its reader leaves.  It goes on when Consul does not
answer: then the standing tells so.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from operator import attrgetter
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web
from aiohttp_sse import EventSourceResponse

from consul_edge.core.errors import BadRequest
from consul_edge.enrich.archive import Archive, Order
from consul_edge.enrich.changes import render_changes
from consul_edge.enrich.parameters import read_poll
from consul_edge.enrich.standing import Standing
from consul_edge.enrich.view import View
from consul_edge.web.api_answer import CACHE_CONTROL, VARY, provenance
from consul_edge.web.api_documents import surety
from consul_edge.web.api_readers import Readers
from consul_edge.web.api_request import named, parameters
from consul_edge.web.feed import Feed
from consul_edge.web.keys import UNDER_WAY
from consul_edge.web.streaming import STALL, abort, write_part

KEEP_ALIVE: Final = 15.0
"""Seconds between two comments, which keep a silent stream open."""

RETRY: Final = 2_000
"""Milliseconds after which a reader whose stream ended comes again."""

MAX_CHANGE_BYTES: Final = 2**20
"""Of one change; who gets more than that may as well load again."""

LAST_ID: Final = "Last-Event-ID"

INDEXES: Final = ("services_index", "nodes_index", "sites_index", "rules_index")


class Events:
    """Serves the streams."""

    def __init__(
        self,
        readers: Readers,
        archive: Archive,
        identity_of: Callable[[str], str],
        *,
        instance: str,
    ) -> None:
        """
        Serve what *readers* may see.

        Args:
            archive: Where changes are rendered.

            identity_of: Names a token's identity: who shares it shares a feed.

            instance: What this edge calls itself: an index is another one's elsewhere.
        """
        self._readers = readers
        self._archive = archive
        self._identity_of = identity_of
        self._instance = instance
        self._feeds: dict[str, Feed] = {}
        self._is_draining = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Stream to one reader until one of the two ends it."""
        known = _known(request)
        token = self._readers.token(request)
        view = await self._readers.views.view(token, request.remote or "")
        under_way = request.app[UNDER_WAY]
        with self._readers.parked.one_of(request.remote), under_way.aside(request.remote):
            async with self._feed(token, view) as feed:
                feed.remember(view)
                frames = self._frames(feed, view, known, self._identity_of(token))
                return await _stream(request, frames, provenance(feed.standing))

    def drain(self) -> None:
        """End all streams, now and from now on."""
        self._is_draining = True
        self.interrupt()

    def interrupt(self) -> None:
        """End all streams; whose reader comes again is judged like any other."""
        for feed in self._feeds.values():
            feed.end()

    @asynccontextmanager
    async def _feed(self, token: str, view: View) -> AsyncIterator[Feed]:
        """Share what those of one identity follow."""
        identity = self._identity_of(token)
        feed = self._feeds.get(identity)
        if feed is None or feed.is_over:
            feed = self._feeds[identity] = Feed(self._readers.views, token, view)
            if self._is_draining:
                feed.end()
        feed.readers += 1
        try:
            yield feed
        finally:
            feed.readers -= 1
            if not feed.readers:
                if self._feeds.get(identity) is feed:
                    del self._feeds[identity]
                await feed.close()

    async def _frames(
        self, feed: Feed, view: View, known: int | None, identity: str
    ) -> AsyncIterator[bytes]:
        """Give what one reader is to be written, each part when it has taken in the one before."""
        standing = feed.standing
        told = {name: getattr(view, name) for name in INDEXES}
        given = self._readers.given
        is_ours = known is not None and given.has(identity, known)
        given.note(identity, view.index)
        hello = {"index": view.index, **told, "instance": self._instance, **_told(standing)}
        # Who knows something keeps its own name for that until it has what came since.
        begin = frame("hello", hello, view.index if known is None else None)
        yield b"retry: %d\n%s" % (RETRY, begin)
        if known is None:
            known = view.index
        elif known != view.index:
            before = self._known(feed, identity, known)
            if before is not None:
                yield await self._change(before, view, identity)
                # Of a document's view it knows no more than that document.
                told, is_ours = {name: getattr(before, name) for name in INDEXES}, True
            changed = [name for name, index in told.items() if not (is_ours and index <= known)]
            if changed:
                yield _reload(view, changed)
            known = view.index
        while not feed.is_over:
            # The feed, which looks once a second, may be behind a view that was just given.
            view = max(view, feed.view, key=attrgetter("index"))
            if view.index != known:
                given.note(identity, view.index)
                yield await self._change(feed.at(known), feed.at(view.index) or view, identity)
                known = view.index
            elif feed.standing is not standing:
                standing = feed.standing
                yield frame("standing", _told(standing))
            else:
                await feed.news()

    def _known(self, feed: Feed, identity: str, index: int) -> View | None:
        """Find what a reader knows: what it was told here, or a document that it was given."""
        return feed.at(index) or self._readers.given.view(identity, index)

    async def _change(self, before: View | None, view: View, identity: str) -> bytes:
        if before is None:
            return _reload(view, INDEXES)
        order = Order("events", identity, str(before.index), view.index, is_search=False)
        return await self._archive.plain(order, partial(_changes, before, view))


class _Head(msgspec.Struct):
    is_too_much: bool


def _changes(before: View, after: View) -> bytes:
    told = render_changes(before, after)
    if len(told) > MAX_CHANGE_BYTES or msgspec.json.decode(told, type=_Head).is_too_much:
        changed = [name for name in INDEXES if getattr(before, name) != getattr(after, name)]
        return _reload(after, changed)
    return _frame("changes", told, after.index)


async def _stream(
    request: web.Request, frames: AsyncIterator[bytes], headers: dict[str, str]
) -> web.StreamResponse:
    response = EventSourceResponse(headers=headers, ping_interval=KEEP_ALIVE, send_timeout=STALL)
    response.headers[hdrs.CACHE_CONTROL] = CACHE_CONTROL
    response.headers[hdrs.VARY] = VARY
    await response.prepare(request)
    try:
        async with response:
            async for part in frames:
                await write_part(response, part)
    except TimeoutError:
        abort(request)
    return response


def frame(event: str, told: dict[str, Any], index: int | None = None) -> bytes:
    r"""
    Write one event.

    >>> frame("hello", {"index": 7}, 7)
    b'id: 7\nevent: hello\ndata: {"index":7}\n\n'
    """
    return _frame(event, msgspec.json.encode(told), index)


def _frame(event: str, data: bytes, index: int | None) -> bytes:
    # JSON has no line ends of its own.
    name = b"" if index is None else b"id: %d\n" % index
    return b"%sevent: %s\ndata: %s\n\n" % (name, event.encode(), data)


def _reload(view: View, changed: "list[str] | tuple[str, ...]") -> bytes:
    documents = [name.removesuffix("_index") for name in changed]
    return frame("reload", {"index": view.index, "documents": documents}, view.index)


def _told(standing: Standing) -> dict[str, Any]:
    servers = {"main_server": standing.main_server, "active_server": standing.active_server}
    return {**servers, "cache": surety(standing)}


def _known(request: web.Request) -> int | None:
    """Read what a reader knows already: what it read last, else what its target says."""
    poll = read_poll(named(parameters(request), "index"))
    # A reader that comes again sends both: the header, which has grown, and its first target.
    last = request.headers.get(LAST_ID)
    if last is not None:
        try:
            poll = read_poll({"index": last})
        except BadRequest as error:
            raise BadRequest(f"{LAST_ID}: {str(error).removeprefix('index: ')}") from None
    return poll.index if poll is not None else None
