"""
The admin calls: flush what is kept, say what that is, and show the rules in force.

Rule 1: no call passes unrecorded, whoever makes it and whatever comes of it.
Rule 2: a flush ends nobody's blocking query.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from aiohttp import hdrs, web

from consul_edge.cache.cache import Flush
from consul_edge.cache.inventory import Selection, select
from consul_edge.core.errors import BadRequest, EdgeError, Refused
from consul_edge.enrich.rule_source import RuleSource
from consul_edge.web.admin_caches import AdminCache, Look
from consul_edge.web.admin_gate import Gate, NoToken, WrongToken
from consul_edge.web.admin_rules import rules_document
from consul_edge.web.admin_text import flush_line, info_lines, wants_text
from consul_edge.web.audit import as_target, record
from consul_edge.web.middlewares import check_site, render_error, render_route_error

ALL: Final = "all"
"""Stands for each cache that there is."""

WARNING: Final = "only this instance was flushed; other edges keep what they have"

LEFT: Final = 499
"""The status that is recorded of a call whose client did not wait for its end."""

FLUSHES: Final = (hdrs.METH_POST,)
LOOKS: Final = (hdrs.METH_GET, hdrs.METH_HEAD)


@dataclass(frozen=True, slots=True)
class _Done:
    """What came of a call that was served."""

    document: dict[str, Any]

    text: Callable[[], str] | None = None
    """Writes it for people."""

    flushed: int | None = None


_Act = Callable[[web.Request], Awaitable[_Done]]


class Admin:
    """Serves the admin calls."""

    def __init__(
        self, caches: Mapping[str, AdminCache], rules: RuleSource, gate: Gate, *, instance: str
    ) -> None:
        """Serve them for *caches*, by name in the order in which ``all`` has them."""
        self._caches = caches
        self._rules = rules
        self.gate = gate
        self._last: dict[str, Flush] = {}
        self._instance = instance

    def adopt(self, caches: Mapping[str, AdminCache]) -> None:
        """Serve them for others from now on: the same under other settings."""
        self._caches = caches

    async def flush(self, request: web.Request) -> web.Response:
        """Forget what is kept under the keys that are meant."""
        return await self._serve(request, FLUSHES, self._flush)

    async def info(self, request: web.Request) -> web.Response:
        """Say what is kept, and list the keys that are meant."""
        return await self._serve(request, LOOKS, self._look)

    async def rules(self, request: web.Request) -> web.Response:
        """Show the rules in force, where they are from, and what is wrong with them."""
        return await self._serve(request, LOOKS, self._show_rules)

    async def _serve(
        self, request: web.Request, methods: Sequence[str], act: _Act
    ) -> web.Response:
        """Let in, act, record; whoever is not let in learns why."""
        try:
            self._check(request, methods)
            done = await act(request)
        except EdgeError as error:
            response = render_error(error)
            if isinstance(error, NoToken):
                response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
            record(request, error.status, _OUTCOMES.get(type(error), "refused"))
        except web.HTTPMethodNotAllowed as error:
            response = render_route_error(error)
            record(request, response.status, "refused")
        except asyncio.CancelledError:
            # Its client left while something was loaded anew, which goes on.
            record(request, LEFT, "done")
            raise
        else:
            # First of all: the client may leave while its answer is written.
            record(request, 200, "done", flushed=done.flushed)
            response = await _write(request, done)
        response.headers[hdrs.CACHE_CONTROL] = "no-store"
        return response

    def _check(self, request: web.Request, methods: Sequence[str]) -> None:
        if request.method not in methods:
            raise web.HTTPMethodNotAllowed(request.method, methods)
        check_site(request)
        self.gate.admit(request)
        if request.can_read_body:
            raise BadRequest("body: expected none; what is meant is said by key or prefix")

    def _named(self, request: web.Request) -> tuple[str, dict[str, AdminCache]]:
        """Find the caches that the path names."""
        name = request.match_info["name"]
        if name == ALL:
            return name, dict(self._caches)
        if name not in self._caches:
            known = ", ".join((*self._caches, ALL))
            raise Refused(404, f"there is no cache {name[:50]!r}: expected one of {known}")
        return name, {name: self._caches[name]}

    async def _flush(self, request: web.Request) -> _Done:
        _, caches = self._named(request)
        selection = _selected(request)
        began = time.perf_counter()
        # Beside each other: each has begun when the client leaves.
        counts = await asyncio.gather(*(one.flush(selection) for one in caches.values()))
        now, flushed = datetime.now(UTC), sum(counts)
        for name, count in zip(caches, counts, strict=True):
            self._last[name] = Flush(now, "admin", count)
        took = time.perf_counter() - began
        document = {
            "success": True,
            "message": f"flushed {flushed} {'answer' if flushed == 1 else 'answers'}",
            "flushed": flushed,
            "keys_flushed": flushed,
            "flushed_at": _utc(now),
            "namespaces": [*caches],
            "key": selection.key,
            "prefix": selection.prefix,
            "took_ms": round(took * 1000, 3),
            "instance": self._instance,
            "warning": WARNING,
        }
        return _Done(document, lambda: flush_line(document), flushed)

    async def _look(self, request: web.Request) -> _Done:
        name, caches = self._named(request)
        selection = _selected(request)
        looks = {one: cache.look(selection) for one, cache in caches.items()}
        told: Mapping[str, Any] = (
            {"namespaces": {one: self._fields(one, look) for one, look in looks.items()}}
            if name == ALL
            else self._fields(name, looks[name])
        )
        document = {"success": True, "name": name, "instance": self._instance, **told}
        return _Done(
            document,
            lambda: info_lines(self._instance, {one: look.lines() for one, look in looks.items()}),
        )

    def _fields(self, name: str, look: Look) -> Mapping[str, Any]:
        # The proxy's cache knows of flushes that nobody called for.
        return {"last_flush": self._last.get(name), **look.fields}

    async def _show_rules(self, request: web.Request) -> _Done:
        parameters(request.raw_path.partition("?")[2], ())
        await self._rules.read()
        return _Done(rules_document(self._rules.value, self._rules.status))


_OUTCOMES: Final[dict[type[EdgeError], str]] = {
    NoToken: "unauthenticated",
    WrongToken: "denied",
}


def parameters(query: str, known: Sequence[str] = ("key", "prefix")) -> dict[str, str]:
    """
    Read the parameters of a call, each value as a target that could stand on the wire.

    Raises:
        BadRequest: When one is unknown, empty or repeated.

    >>> parameters("key=/v1/kv/a%2520b")
    {'key': '/v1/kv/a%20b'}
    """
    found: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        name, _, raw = pair.partition("=")
        name = unquote(name)
        if name not in known:
            # Without its value: it may be a token.
            expected = " or ".join(known) + ", with %26 for each & within" if known else "none"
            raise BadRequest(f"{name[:50]!r}: unknown parameter: expected {expected}")
        value = as_target(raw)
        if not value:
            raise BadRequest(f"{name}: '': expected a request target such as /v1/catalog/nodes")
        if name in found:
            raise BadRequest(f"{name}: {value[:200]!r}: expected only once")
        found[name] = value
    return found


def _selected(request: web.Request) -> Selection:
    meant = parameters(request.raw_path.partition("?")[2])
    return select(meant.get("key"), meant.get("prefix"))


async def _write(request: web.Request, done: _Done) -> web.Response:
    """Write an answer, a large one outside the event loop."""
    if done.text is not None and wants_text(request.headers.get(hdrs.ACCEPT, "")):
        return web.Response(text=await asyncio.to_thread(done.text))
    body = await asyncio.to_thread(msgspec.json.encode, done.document)
    return web.Response(body=body, content_type="application/json")


def _utc(moment: datetime) -> str:
    """
    Write a moment as the original did.

    >>> _utc(datetime(2026, 1, 2, tzinfo=UTC))
    '2026-01-02T00:00:00.000Z'
    """
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
