"""Whether this process lives, and whether it can serve."""

from aiohttp import web

from consul_edge.web.keys import UPSTREAM


async def healthy(_request: web.Request) -> web.Response:
    """Answer 200 while the event loop turns; never touches Consul."""
    return web.Response(text="consul-edge is healthy\n")


async def ready(request: web.Request) -> web.Response:
    """Answer 200 if some server is believed to be well, 503 otherwise or while shutting down."""
    upstream = request.app[UPSTREAM]
    if upstream.rotation.is_draining:
        return web.Response(status=503, text="consul-edge is shutting down\n")
    out = [server.name for server in upstream.servers if server.is_out]
    if len(out) == sum(1 for _ in upstream.servers):
        return web.Response(status=503, text=f"no Consul server answers: {', '.join(out)}\n")
    if out:
        return web.Response(text=f"consul-edge is ready; out: {', '.join(out)}\n")
    return web.Response(text="consul-edge is ready\n")
