"""The OpenAPI document: valid, complete, and served like every other document."""

import gzip
import inspect
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

import pytest
from aiohttp.web import AbstractRoute
from openapi_spec_validator import OpenAPIV31SpecValidator

from consul_edge.enrich import columns
from consul_edge.web.openapi import parameters
from tests.house import House
from tests.web.description import BEARER, DOCUMENT, METHODS, described, operations

TARGET: Final = "/api/v1/openapi.json"

NOT_DESCRIBED: Final = frozenset(
    {"consul_edge.web.proxy", "consul_edge.web.pages", "consul_edge.web.assets", "aiohttp"}
)
"""What serves Consul's own API, the pages for people, and their files."""


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Give a running edge."""
    async with described() as edge:
        yield edge


def test_document_is_openapi() -> None:
    """What validates OpenAPI 3.1 finds nothing wrong, examples and references included."""
    assert [str(error) for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


async def test_routes_and_paths_are_the_same(house: House) -> None:
    """Every route for programs is a path of the document, and every path is a route."""
    routes = {
        route.resource.canonical
        for route in house.app.router.routes()
        if route.resource is not None and not _is_other(route)
    }
    assert routes == DOCUMENT["paths"].keys()


def _is_other(route: AbstractRoute) -> bool:
    assert route.resource is not None
    handler: Any = route.handler
    while isinstance(handler, partial):
        handler = handler.func
    place = inspect.unwrap(handler).__module__
    is_refusal = place == "consul_edge.web.routes"
    is_rest = route.resource.canonical.endswith("/{rest}")
    return is_rest or is_refusal or any(place.startswith(name) for name in NOT_DESCRIBED)


@pytest.mark.parametrize("path", DOCUMENT["paths"])
async def test_methods_of_a_path_are_those_of_its_route(house: House, path: str) -> None:
    """A route allows just the methods that its path has, and says so to who tries another."""
    target = path.format(name="proxy", node="palmas-consul-01")
    refused = await house.ask("OPTIONS", target, BEARER)
    assert refused.status == 405
    allowed = {method.lower() for method in (refused.header("Allow") or "").split(", ")}
    assert allowed == METHODS & DOCUMENT["paths"][path].keys()


async def test_caches_are_those_of_the_document(house: House) -> None:
    """Each cache that an admin may name is there, and no other."""
    refused = await house.ask("GET", "/api/v1/admin/cache/none/info", BEARER)
    known = refused.body.decode().rpartition("one of ")[2].split(", ")
    assert DOCUMENT["components"]["parameters"]["cacheName"]["schema"]["enum"] == known


@pytest.mark.parametrize(
    ("path", "schema"),
    [("/api/v1/nodes", columns.NODES), ("/api/v1/services", columns.SERVICES)],
)
def test_column_of_a_list_is_a_parameter(path: str, schema: columns.Schema) -> None:
    """Whatever rows can be filtered by is told by name."""
    found = {
        one["name"].lower()
        for at, method, _, parameters in operations()
        for one in parameters
        if (at, method) == (path, "get")
    }
    assert {column.name.lower() for column in schema.columns.values()} <= found


def test_component_is_used() -> None:
    """Nothing is described that no route has; events are told beside OpenAPI's own words."""
    text = json.dumps(DOCUMENT)
    unused = [
        f"{kind}/{name}"
        for kind, named in DOCUMENT["components"].items()
        if kind != "securitySchemes"
        for name in named
        if f'"#/components/{kind}/{name}"' not in text
    ]
    assert unused == []


def test_operation_has_its_words() -> None:
    """Each is named once, says what it is for, and lies under a tag that is explained."""
    described = [one for _, method, one, _ in operations() if method != "head"]
    names = [one["operationId"] for one in described]
    assert len(set(names)) == len(names)
    assert all(one["summary"] for one in described)
    assert {tag for one in described for tag in one["tags"]} == {
        tag["name"] for tag in DOCUMENT["tags"]
    }


def test_field_says_what_the_code_says_of_it() -> None:
    """The text under a field of a struct is its description."""
    port = DOCUMENT["components"]["schemas"]["ServiceRow"]["properties"]["Port"]
    assert port == {"type": "integer", "description": "0: none."}


def test_bounds_are_those_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound that is another in the code is another in the document."""
    monkeypatch.setattr(parameters, "LARGEST_PAGE_SIZE", 7)
    made, _ = parameters.components()
    assert made["page_size"]["schema"]["maximum"] == 7


async def test_document_is_served_to_anybody(house: House) -> None:
    """No token is needed, whatever Consul would say."""
    answer = await house.ask("GET", TARGET, [("X-Consul-Token", "none")])
    assert answer.status == 200
    assert answer.header("Content-Type") == "application/json; charset=utf-8"
    assert answer.json() == DOCUMENT


async def test_document_that_a_client_has_is_not_sent_again(house: House) -> None:
    """Its ETag is answered by 304, without a body."""
    tag = (await house.ask("GET", TARGET)).header("ETag") or ""
    again = await house.ask("GET", TARGET, [("If-None-Match", tag)])
    assert (again.status, again.body, again.header("ETag")) == (304, b"", tag)
    other = await house.ask("GET", TARGET, [("If-None-Match", 'W/"other"')])
    assert other.status == 200


async def test_document_is_compressed_for_who_takes_that(house: House) -> None:
    """The same document, a tenth as large."""
    zipped = await house.ask("GET", TARGET, [("Accept-Encoding", "gzip")])
    assert zipped.header("Content-Encoding") == "gzip"
    assert json.loads(gzip.decompress(zipped.body)) == DOCUMENT
    plain = await house.ask("GET", TARGET)
    assert len(zipped.body) * 5 < len(plain.body)
    assert zipped.header("ETag") == plain.header("ETag")


async def test_head_of_the_document_has_no_body(house: House) -> None:
    """Its size is told."""
    head = await house.ask("HEAD", TARGET)
    plain = await house.ask("GET", TARGET)
    assert (head.status, head.body) == (200, b"")
    assert head.header("Content-Length") == str(len(plain.body))


async def test_parameter_of_the_document_is_refused_by_name(house: House) -> None:
    """It takes none."""
    refused = await house.ask("GET", f"{TARGET}?pretty=1")
    assert refused.status == 400
    assert "pretty" in refused.json()["detail"]
