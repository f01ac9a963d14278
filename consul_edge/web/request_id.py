"""
What a request is called in logs: by its client's name for it, else by one that is made up.

Rule 1: a client's name comes back to it, and goes on to Consul as any header does; one that is
made up is nobody's but the log's, for answers under ``/v1`` are Consul's own.
Rule 2: it is made when it is needed: a request that nothing is logged of has none.
"""

import re
import secrets
from typing import Final

from aiohttp import web

HEADER: Final = "X-Request-Id"

_SANE: Final = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,128}")
"""What can be written into any log as it is."""

_MADE: Final = web.RequestKey("request_id", str)


def request_id(request: web.BaseRequest) -> str:
    """Tell what a request is called."""
    given = request.headers.get(HEADER, "")
    if _SANE.fullmatch(given):
        return given
    if _MADE not in request:
        request[_MADE] = make()
    return request[_MADE]


def make() -> str:
    """Make up a name."""
    return secrets.token_hex(8)


async def give_back(request: web.Request, response: web.StreamResponse) -> None:
    """Return its name to a client that gave one."""
    if HEADER in request.headers:
        response.headers.setdefault(HEADER, request_id(request))
