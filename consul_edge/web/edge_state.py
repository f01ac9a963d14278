"""
``/api/v1/edge``: how this edge is, whoever asks: its servers, and what it answers from memory.

Rule 1: nothing in it is Consul's data, so no token is needed; the page's HTML tells it, too.
Rule 2: Consul is not asked: it says what is known now, also while no server answers.
"""

import hashlib

import msgspec
from aiohttp import hdrs, web

from consul_edge import __version__
from consul_edge.web.api_answer import JSON, has_tag, head, write
from consul_edge.web.api_request import named, parameters
from consul_edge.web.keys import INSTANCE, UPSTREAM
from consul_edge.web.page_summary import hit_ratio, servers_of


async def edge(request: web.Request) -> web.StreamResponse:
    """Tell it."""
    named(parameters(request))
    servers = request.app[UPSTREAM].servers
    told = {
        "success": True,
        "instance": request.app[INSTANCE],
        "version": __version__,
        "active_server": servers.active.name,
        "servers": servers_of(servers),
        "hit_ratio": hit_ratio(),
    }
    body = msgspec.json.encode(told)
    tag = hashlib.blake2b(body, digest_size=8).hexdigest()
    headers = head(tag)
    if has_tag(request, tag):
        return web.Response(status=304, headers=headers)
    headers[hdrs.CONTENT_TYPE] = JSON
    return await write(request, headers, (body,))
