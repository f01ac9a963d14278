"""The page at ``/``."""

from typing import Any

import aiohttp_jinja2
from aiohttp import web

from consul_edge import __version__
from consul_edge.web.keys import SETTINGS, UPSTREAM

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


async def index(request: web.Request) -> web.Response:
    """Say what is running, over which servers, and where to look."""
    upstream = request.app[UPSTREAM]
    context: dict[str, Any] = {
        "version": __version__,
        "servers": list(upstream.servers),
        "active": upstream.servers.active,
        "local_agent": upstream.local_agent,
        "ui": request.app[SETTINGS].ui_proxy,
    }
    response = aiohttp_jinja2.render_template("index.html", request, context)
    response.headers.update(SECURITY_HEADERS)
    return response
