"""The OpenAPI document as tests read it, and an edge that it is about."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from aiohttp import web

from consul_edge.demo.standin import StandIn
from consul_edge.web.openapi.document import compose
from consul_edge.web.routes import EVENTS
from tests.house import House, edge_over
from tests.wire import Headers

ADMIN_TOKEN: Final = "0000adm1-5ec2-e75e-c25e-c2e75ec2e75e"
BEARER: Final[Headers] = [("Authorization", f"Bearer {ADMIN_TOKEN}")]

DOCUMENT: Final = compose()

METHODS: Final = frozenset({"get", "head", "post"})


@contextlib.asynccontextmanager
async def described() -> AsyncIterator[House]:
    """Run an edge over the demo's cluster, small; its streams of events end at once."""
    standin = StandIn(nodes=3, services=8)
    async with standin.running():
        async with edge_over(standin.base_url, ADMIN__TOKEN=ADMIN_TOKEN) as house:
            _events(house.app).drain()
            yield house


def operations() -> Iterator[tuple[str, str, Any, list[Any]]]:
    """Give each operation with its path, method and parameters."""
    for path, item in DOCUMENT["paths"].items():
        parameters = [resolved(one) for one in item.get("parameters", ())]
        for method in METHODS & item.keys():
            yield path, method, item[method], parameters


def resolved(value: Any) -> Any:
    """Follow a reference."""
    while "$ref" in value:
        place: Any = DOCUMENT
        for step in value["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        value = place
    return value


def headers_of(operation: Any) -> Headers:
    """Give what an operation asks a caller for."""
    needed = operation.get("security", ())
    return BEARER if needed and all("adminBearer" in one for one in needed) else ()


def _events(app: web.Application) -> Any:
    (handler,) = {
        route.handler
        for route in app.router.routes()
        if route.resource is not None
        and route.resource.canonical == EVENTS
        and route.method == "GET"
    }
    return getattr(handler, "__self__")  # noqa: B009 - a handler in general has none
