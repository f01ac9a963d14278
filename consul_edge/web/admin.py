"""
The admin calls: flush what is kept, and say what that is.

Rule 1: nobody is let in for where he comes from unless that is as good as a secret: a unix socket
whose file is the owner's alone, or loopback where the operator said so.  Behind loopback another
proxy may stand.
Rule 2: no call passes unrecorded.  Guesses at the token are not slowed down: it is long, each is
logged and counted, and an operator who is flooded with guesses must get in all the same.
Rule 3: a flush ends nobody's blocking query.
"""

import asyncio
import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from aiohttp import hdrs, web

from consul_edge.cache.cache import Cache
from consul_edge.cache.inventory import Selection, select, take_stock
from consul_edge.config import Settings
from consul_edge.core.errors import BadRequest, EdgeError, Refused
from consul_edge.web.admin_text import flush_line, info_lines, wants_text
from consul_edge.web.admin_token import AdminToken
from consul_edge.web.audit import as_target, record
from consul_edge.web.middlewares import check_site, render_error, render_route_error

CACHES: Final = ("proxy",)
"""The caches that there are."""

ALL: Final = "all"
"""Stands for each of them."""

WARNING: Final = "only this instance was flushed; other edges keep what they have"

FLUSHES: Final = (hdrs.METH_POST,)
LOOKS: Final = (hdrs.METH_GET, hdrs.METH_HEAD)


class _NoToken(Refused):
    """Raised for a call that brings none."""


class _WrongToken(Refused):
    """Raised for a call that brings another."""


@dataclass(frozen=True, slots=True)
class _Done:
    """What came of a call that was served."""

    document: dict[str, Any]

    text: Callable[[], str]
    """Writes it for people."""

    flushed: int | None = None


_Act = Callable[[str, tuple[str, ...], Selection], _Done]


class Admin:
    """Serves the admin calls."""

    def __init__(
        self, cache: Cache, settings: Settings, token: AdminToken, *, instance: str
    ) -> None:
        """Serve them for what *cache* keeps."""
        self._cache = cache
        self._settings = settings
        self._token = token
        self._trusts_loopback = settings.admin.trust_loopback
        self._instance = instance

    async def flush(self, request: web.Request) -> web.Response:
        """Forget what is kept under the keys that are meant."""
        return await self._serve(request, FLUSHES, self._flush)

    async def info(self, request: web.Request) -> web.Response:
        """Say what is kept, and list the keys that are meant."""
        return await self._serve(request, LOOKS, self._look)

    async def _serve(
        self, request: web.Request, methods: Sequence[str], act: _Act
    ) -> web.Response:
        """Let in, act, record; whoever is not let in learns why."""
        try:
            done = self._admit_and_act(request, methods, act)
        except EdgeError as error:
            response = render_error(error)
            if isinstance(error, _NoToken):
                response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
            record(request, error.status, _OUTCOMES.get(type(error), "refused"))
        except web.HTTPMethodNotAllowed as error:
            response = render_route_error(error)
            record(request, response.status, "refused")
        else:
            # First of all: the client may leave while its answer is written.
            record(request, 200, "done", flushed=done.flushed)
            response = await _write(request, done)
        response.headers[hdrs.CACHE_CONTROL] = "no-store"
        return response

    def _admit_and_act(self, request: web.Request, methods: Sequence[str], act: _Act) -> _Done:
        if request.method not in methods:
            raise web.HTTPMethodNotAllowed(request.method, methods)
        check_site(request)
        self._admit(request)
        name = request.match_info["name"]
        if name not in (*CACHES, ALL):
            known = ", ".join((*CACHES, ALL))
            raise Refused(404, f"there is no cache {name[:50]!r}: expected one of {known}")
        if request.can_read_body:
            raise BadRequest("body: expected none; what is meant is said by key or prefix")
        meant = parameters(request.raw_path.partition("?")[2])
        selection = select(meant.get("key"), meant.get("prefix"))
        return act(name, CACHES if name == ALL else (name,), selection)

    def _admit(self, request: web.Request) -> None:
        if _is_private(request) or (self._trusts_loopback and _is_loopback(request.remote)):
            return
        given = bearer(request.headers.getall(hdrs.AUTHORIZATION, ()))
        if not given:
            raise _NoToken(
                401,
                "admin calls need Authorization: Bearer and the token of admin.token or"
                " admin.token_file, or of the file that the log named when the edge started",
            )
        if not self._token.is_it(given):
            raise _WrongToken(403, "this is not the admin token")

    def _flush(self, _name: str, caches: tuple[str, ...], selection: Selection) -> _Done:
        began = time.perf_counter()
        flushed = self._cache.flush(selection.pick(self._cache.lines), "admin")
        took = time.perf_counter() - began
        document = {
            "success": True,
            "message": f"flushed {flushed} {'answer' if flushed == 1 else 'answers'}",
            "flushed": flushed,
            "keys_flushed": flushed,
            "flushed_at": _utc(datetime.now(UTC)),
            "namespaces": caches,
            "key": selection.key,
            "prefix": selection.prefix,
            "took_ms": round(took * 1000, 3),
            "instance": self._instance,
            "warning": WARNING,
        }
        return _Done(document, lambda: flush_line(document), flushed)

    def _look(self, name: str, caches: tuple[str, ...], selection: Selection) -> _Done:
        stock = take_stock(self._cache, self._settings, selection)
        found = dict.fromkeys(caches, stock)
        told: dict[str, Any] = (
            {"namespaces": found}
            if name == ALL
            else {field.name: getattr(stock, field.name) for field in fields(stock)}
        )
        document = {"success": True, "name": name, "instance": self._instance, **told}
        return _Done(document, lambda: info_lines(self._instance, found))


_OUTCOMES: Final[dict[type[EdgeError], str]] = {
    _NoToken: "unauthenticated",
    _WrongToken: "denied",
}


def parameters(query: str) -> dict[str, str]:
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
        if name not in ("key", "prefix"):
            # Without its value: it may be a token.
            raise BadRequest(
                f"{name[:50]!r}: unknown parameter: expected key or prefix, with %26 for each &"
                " within"
            )
        value = as_target(raw)
        if not value:
            raise BadRequest(f"{name}: '': expected a request target such as /v1/catalog/nodes")
        if name in found:
            raise BadRequest(f"{name}: {value[:200]!r}: expected only once")
        found[name] = value
    return found


def bearer(headers: Sequence[str]) -> str:
    """
    Find the token of ``Authorization``; "" if there is none, or more than one header.

    >>> bearer(["bearer  a"]), bearer(["Basic a"]), bearer(["Bearer a", "Bearer b"])
    ('a', '', '')
    """
    if len(headers) != 1:
        return ""
    scheme, _, token = headers[0].partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _is_private(request: web.Request) -> bool:
    """Tell whether a request came by a unix socket."""
    transport = request.transport
    connection = transport.get_extra_info("socket") if transport is not None else None
    return connection is not None and connection.family == socket.AF_UNIX


def _is_loopback(peer: str | None) -> bool:
    try:
        return ipaddress.ip_address(peer or "").is_loopback
    except ValueError:
        return False


async def _write(request: web.Request, done: _Done) -> web.Response:
    """Write an answer, a large one outside the event loop."""
    if wants_text(request.headers.get(hdrs.ACCEPT, "")):
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
