"""Every route, once."""

from functools import partial
from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import hdrs, web
from prometheus_async.aio.web import server_stats

from consul_edge.web import health, pages
from consul_edge.web.admin import Admin
from consul_edge.web.proxy import Proxy

HERE = Path(__file__).parent

READS = (hdrs.METH_GET, hdrs.METH_HEAD)

OWN = {
    "/": pages.index,
    "/metrics": server_stats,
    "/-/healthy": health.healthy,
    "/healthz": health.healthy,
    "/-/ready": health.ready,
    "/readyz": health.ready,
}
"""The edge's own routes; all of them are read."""


ADMIN = {
    "/api/v1/admin/cache/{name}/flush": Admin.flush,
    "/api/v1/admin/cache/{name}/info": Admin.info,
    "/api/v1/admin/rules": Admin.rules,
}
"""Routes that look at methods themselves: each call is recorded."""


def add_routes(app: web.Application, proxy: Proxy, admin: Admin) -> None:
    """Attach the edge's own routes, and the proxy to everything else."""
    aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True)
    for path, handler in OWN.items():
        resource = app.router.add_resource(path)
        for method in READS:
            resource.add_route(method, handler)
        resource.add_route("*", _refuse)
    for path, call in ADMIN.items():
        app.router.add_route("*", path, partial(call, admin))
    app.router.add_static("/static", HERE / "static")
    # Consul's API is matched first by its prefix; what is left is the proxy's to refuse.
    app.router.add_route("*", "/v1/{rest:.*}", proxy.handle)
    app.router.add_route("*", "/{rest:.*}", proxy.handle)


async def _refuse(request: web.Request) -> web.StreamResponse:
    raise web.HTTPMethodNotAllowed(request.method, READS)
