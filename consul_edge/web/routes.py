"""Every route, once."""

from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import web
from prometheus_async.aio.web import server_stats

from consul_edge.web import health, pages
from consul_edge.web.proxy import Proxy

HERE = Path(__file__).parent


def add_routes(app: web.Application, proxy: Proxy) -> None:
    """Attach the edge's own routes, and the proxy to everything else."""
    aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True)
    router = app.router
    router.add_get("/", pages.index)
    router.add_get("/metrics", server_stats)
    for path in ("/-/healthy", "/healthz"):
        router.add_get(path, health.healthy)
    for path in ("/-/ready", "/readyz"):
        router.add_get(path, health.ready)
    router.add_static("/static", HERE / "static")
    # Consul's API is matched first by its prefix; what is left is the proxy's to refuse.
    router.add_route("*", "/v1/{rest:.*}", proxy.handle)
    router.add_route("*", "/{rest:.*}", proxy.handle)
