"""Every route, once."""

import asyncio
from functools import partial
from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from consul_edge.web import api_documents, health, monitoring, pages
from consul_edge.web.admin import Admin
from consul_edge.web.admin_gate import GATE
from consul_edge.web.api import nowhere
from consul_edge.web.assets import ASSETS, Assets
from consul_edge.web.audit import RELOAD
from consul_edge.web.edge_state import edge
from consul_edge.web.enriched import Enriched
from consul_edge.web.exposition import TURN, metrics
from consul_edge.web.openapi.serving import describe
from consul_edge.web.proxy import Proxy
from consul_edge.web.reload import reload

HERE = Path(__file__).parent

READS = (hdrs.METH_GET, hdrs.METH_HEAD)

OWN = {
    "/": pages.services,
    "/nodes": pages.nodes,
    "/metrics": metrics,
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


DOCUMENTS = {
    "/api/v1/nodes": api_documents.nodes,
    "/api/v1/nodes/": api_documents.nodes,
    "/api/v1/services": api_documents.services,
    "/api/v1/sites": api_documents.sites,
    "/api/v1/categories": api_documents.categories,
    "/api/v1/sd": api_documents.targets,
    "/api/v1/monitoring/data": monitoring.data,
    "/api/v1/monitoring/summary": monitoring.summary,
    "/api/v1/monitoring/categories": monitoring.categories,
}
"""Documents of the enriched API, each by what reads who asks for it."""

NODE_DOCUMENTS = {
    "/api/v1/nodes/{node}/services": api_documents.node_services,
    "/api/v1/nodes/{node}/service-names": api_documents.node_names,
}
"""The same of one node."""

CATEGORIZE = "/api/v1/categorize"

EVENTS = "/api/v1/events"

EDGE = "/api/v1/edge"

STATIC = ("/static/{edition:[0-9a-f]{16}}/{name}", "/static/{name}")

OPENAPI = "/api/v1/openapi.json"


def add_routes(app: web.Application, proxy: Proxy, admin: Admin, enriched: Enriched) -> None:
    """Attach the edge's own routes, and the proxy to everything else."""
    aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True)
    app[TURN] = asyncio.Lock()
    for path, handler in OWN.items():
        _add_read(app, path, handler)
    app[GATE] = admin.gate
    for path, call in ADMIN.items():
        app.router.add_route("*", path, partial(call, admin))
    app.router.add_route("*", RELOAD, reload)
    add_api(app, enriched)
    assets = app[ASSETS] = Assets(HERE / "static")
    for path in STATIC:
        _add_read(app, path, assets.give)
    # Consul's API is matched first by its prefix; what is left is the proxy's to refuse.
    app.router.add_route("*", "/v1/{rest:.*}", proxy.handle)
    app.router.add_route("*", "/{rest:.*}", proxy.handle)


def add_api(app: web.Application, enriched: Enriched) -> None:
    """Attach the enriched API; what else is asked below its place is refused in its own words."""
    api, events = enriched.api, enriched.events
    for path, read in DOCUMENTS.items():
        _add_read(app, path, partial(api.give, read))
    for path, read_of_node in NODE_DOCUMENTS.items():
        # Braces are what aiohttp would not take otherwise; a slash in a name is encoded.
        path = path.replace("{node}", "{node:[^/]+}")
        _add_read(app, path, partial(api.give_of_node, read_of_node))
    _add_read(app, CATEGORIZE, api.categorize)
    _add_read(app, EVENTS, events.handle, (hdrs.METH_GET,))
    _add_read(app, EDGE, edge)
    _add_read(app, OPENAPI, describe)
    app.router.add_route("*", "/api/v1/{rest:.*}", nowhere)


def _add_read(
    app: web.Application, path: str, handler: Handler, methods: tuple[str, ...] = READS
) -> None:
    resource = app.router.add_resource(path)
    for method in methods:
        resource.add_route(method, handler)
    resource.add_route("*", partial(_refuse, methods))


async def _refuse(methods: tuple[str, ...], request: web.Request) -> web.StreamResponse:
    raise web.HTTPMethodNotAllowed(request.method, methods)
