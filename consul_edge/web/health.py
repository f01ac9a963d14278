"""Whether this process lives, and whether it can serve."""

import math

from aiohttp import web

from consul_edge.core.ask import Ask
from consul_edge.core.durations import parse_duration, render_duration
from consul_edge.core.errors import BadRequest
from consul_edge.core.policy import stand_in
from consul_edge.web.keys import CACHE, UPSTREAM


async def healthy(_request: web.Request) -> web.Response:
    """Answer 200 while the event loop turns; never touches Consul."""
    return web.Response(text="consul-edge is healthy\n")


async def ready(request: web.Request) -> web.Response:
    """
    Answer 200 if there is something to serve, be it stale; 503 otherwise or while shutting down.

    ``?max_stale=30s`` is for those who would rather not be served what is older.
    """
    upstream = request.app[UPSTREAM]
    servers = upstream.servers
    most = _max_stale(request)
    now = upstream.rotation.now()
    if upstream.rotation.is_draining:
        return web.Response(status=503, text="consul-edge is shutting down\n")
    out = ", ".join(server.name for server in servers if server.is_out)
    if not servers.are_useless(now):
        return web.Response(text=f"consul-edge is ready{f'; out: {out}' if out else ''}\n")
    why = f"no Consul server answers: {out}" if out else "no Consul server has a leader"
    lines = request.app[CACHE].lines
    # What a plain read would get; of KV, say, nothing.  One such line is enough to know.
    if not any(stand_in(Ask(), line.rule, line.kept(now, touch=False)) for line in lines):
        return web.Response(status=503, text=f"{why}\n")
    silent = servers.silent_for(now)
    since = "ever" if silent == math.inf else f"for {render_duration(float(round(silent)))}"
    text = f"consul-edge serves stale answers: {why} {since}\n"
    return web.Response(status=503 if silent > most else 200, text=text)


def _max_stale(request: web.Request) -> float:
    given = request.query.getall("max_stale", [])
    try:
        return parse_duration(given[-1]) if given else math.inf
    except ValueError:
        raise BadRequest(
            f"max_stale: {given[-1][:100]!r}: expected a duration such as 30s"
        ) from None
