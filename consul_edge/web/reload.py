"""
``POST /-/reload``: the configuration read again, for whoever may make admin calls.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from consul_edge.config.changes import NEEDS_RESTART, Change
from consul_edge.core.errors import EdgeError
from consul_edge.web.admin_gate import GATE, NoToken, WrongToken
from consul_edge.web.audit import record
from consul_edge.web.middlewares import check_site, render_error

METHODS: Final = (hdrs.METH_POST,)


class NotReloaded(EdgeError):
    """Raised when a configuration cannot be put in force; the former one holds."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Hold everything that is wrong with it."""
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Reloaded:
    """That another configuration is in force."""

    changed: tuple[Change, ...]


Reload = Callable[[], Awaitable[Reloaded]]

RELOAD: Final[web.AppKey[Reload]] = web.AppKey("reload", Callable)  # type: ignore[arg-type] # a kind of callable


async def reload(request: web.Request) -> web.Response:
    """Read the configuration again, and tell what has changed or what is wrong."""
    if request.method not in METHODS:
        record(request, 405, "refused")
        raise web.HTTPMethodNotAllowed(request.method, METHODS)
    try:
        check_site(request)
        request.app[GATE].admit(request)
    except EdgeError as error:
        response = render_error(error)
        response.headers[hdrs.CACHE_CONTROL] = "no-store"
        outcome = "refused"
        if isinstance(error, NoToken):
            response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
            outcome = "unauthenticated"
        elif isinstance(error, WrongToken):
            outcome = "denied"
        record(request, error.status, outcome)
        return response
    try:
        done = await request.app[RELOAD]()
    except NotReloaded as error:
        record(request, 500, "done")
        return _answer(500, {"success": False, "problems": list(error.problems)})
    record(request, 200, "done")
    changed = [change.path for change in done.changed]
    waiting = [path for path in changed if path in NEEDS_RESTART]
    return _answer(200, {"success": True, "changed": changed, "needs_restart": waiting})


def _answer(status: int, document: dict[str, Any]) -> web.Response:
    response = web.Response(
        status=status, body=msgspec.json.encode(document), content_type="application/json"
    )
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response
