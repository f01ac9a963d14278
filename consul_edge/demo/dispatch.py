"""
From a request to an answer: Go's mux, Consul's wrapper around every handler, and tokens.

The mux redirects what is not a clean path, and answers without ``Vary``; the wrapper knows
methods, broken queries and errors.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias
from urllib.parse import quote

from aiohttp import web
from msgspec.structs import replace

from consul_edge.core.endpoints import decode_path, is_canonical
from consul_edge.demo.answers import TEXT, Answer, Body, text
from consul_edge.demo.call import Call, Place, Refusal
from consul_edge.demo.query import BadQuery, Parameters, first, parse_parameters
from consul_edge.demo.routes import Route, find, is_tree

Rights: TypeAlias = Callable[[str, str], bool]
"""Whether METHOD may be done with PATH, which is decoded."""

Tokens: TypeAlias = Mapping[str, Rights | None]
"""What each token may do; None may do everything, and "" stands for callers without one."""

_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LISTINGS: Final = ("/v1/catalog/", "/v1/health/", "/v1/session/", "/v1/agent/members")
_SAFE_IN_PATH: Final = "/$&+,:;=@-._~"


async def dispatch(
    request: web.Request, body: bytes, place: Place, tokens: Tokens | None
) -> tuple[Answer, bool]:
    """
    Answer a request.

    Args:
        request: Its body was read, or is not wanted.

        body: What was read.

        place: The stand-in.

        tokens: None lets everybody do everything.

    Returns:
        The answer, and whether it shall be pretty.
    """
    raw_path, _, query = request.raw_path.partition("?")
    path = raw_path
    if "%" in raw_path or not raw_path.isascii():
        if _BAD_ESCAPE.search(raw_path):
            headers = {"Connection": "close"}
            return Answer(400, Body(b"400 Bad Request"), TEXT, headers, vary=False), False
        path = decode_path(raw_path)
    found = find(path) if path.startswith("/v1/") and is_canonical(path) else None
    if found is None:
        return _mux(request.method, path, query), False
    parameters: Parameters = {}
    try:
        answer = _methods(request.method, found[0])
        if answer is None:
            parameters = parse_parameters(query) if query else {}
            call = Call(request, path, parameters, place)
            call.name, call.body = found[1], body
            if tokens is None:
                answer = await found[0].handler(call)
            else:
                answer = await _with_rights(call, found[0], tokens)
    except Refusal as refusal:
        answer = refusal.answer
    except BadQuery as bad:
        answer = text(bad.status, str(bad))
    if place.newer:
        answer = answer.with_headers({"X-Consul-Default-Acl-Policy": "allow"})
    return answer, "pretty" in parameters


def _mux(method: str, path: str, query: str) -> Answer:
    """Answer what belongs to no handler: a redirect, the root, or 404."""
    target = path
    if not is_canonical(path):
        target = _clean(path)
    elif is_tree(path):
        target = path + "/"
    if target == path:
        if path == "/":
            return Answer(200, Body(b"Consul Agent"), TEXT, vary=False)
        return Answer(404, content_type=None, vary=False)
    location = quote(target, safe=_SAFE_IN_PATH, errors="surrogateescape")
    if query:
        location += f"?{query}"
    headers = {"Location": location}
    if method not in {"GET", "HEAD"}:
        return Answer(301, content_type=None, headers=headers, vary=False)
    shown = location.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    body = Body(f'<a href="{shown}">Moved Permanently</a>.\n\n'.encode())
    return Answer(301, body, "text/html; charset=utf-8", headers, vary=False)


def _clean(path: str) -> str:
    """Make a path canonical as Go's ``path.Clean`` does, keeping a slash at the end."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    tail = "/" if path.endswith("/") and kept else ""
    return "/" + "/".join(kept) + tail


def _methods(method: str, route: Route) -> Answer | None:
    """Answer OPTIONS, and methods that the route does not have."""
    if method in route.methods:
        return None
    allow = {"Allow": ",".join(("OPTIONS", *route.methods))}
    if method == "OPTIONS":
        return Answer(200, content_type=None, headers=allow)
    return text(405, f"method {method} not allowed", allow)


def _token(call: Call) -> str:
    given = first(call.parameters, "token") or call.request.headers.get("X-Consul-Token", "")
    if not given:
        scheme, _, credentials = call.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            given = credentials.split(" ")[0]
    return given


async def _with_rights(call: Call, route: Route, tokens: Tokens) -> Answer:
    """Answer as far as the caller's token allows, which is asked before anything is waited for."""
    token = _token(call)
    if token and token not in tokens:
        return text(403, "ACL not found")
    rights = tokens.get(token)
    if rights is None or rights(call.method, call.path):
        return await route.handler(call)
    if call.method != "GET" or not call.path.startswith(_LISTINGS):
        return text(403, "Permission denied")
    # Listings are filtered, and say nothing of it: the index is that of everything.
    answer = await route.handler(call)
    empty = {b"[": b"[]", b"{": b"{}"}.get(answer.body.plain[:1])
    if answer.content_type != "application/json" or empty is None:
        return answer
    return replace(
        answer, body=Body(b"null" if "/node" in call.path and empty == b"{}" else empty)
    )
