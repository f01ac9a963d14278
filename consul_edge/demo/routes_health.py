"""``/v1/health``: what the checks say."""

from collections.abc import Callable, Iterator
from typing import Final

from consul_edge.demo import gojson
from consul_edge.demo.answers import EMPTY_LIST, Answer, Body, Found, text
from consul_edge.demo.call import Call, Refusal
from consul_edge.demo.ledger import CHECKS, NODES, SERVICES, table
from consul_edge.demo.query import Options
from consul_edge.demo.records import Check, Node, Service
from consul_edge.demo.routes_catalog import has_tags
from consul_edge.demo.selection import filtered, node_filter
from consul_edge.demo.shelves import NodeShelf, drop_ill, health_row

_TRUE: Final = {"", "1", "t", "T", "TRUE", "true", "True"}
_FALSE: Final = {"0", "f", "F", "FALSE", "false", "False"}


async def node(call: Call) -> Answer:
    """List the checks of a node and its services."""
    options, name = call.options(), call.name
    if not name:
        return text(400, "Missing node name")

    def write() -> bytes:
        shelf = call.state.catalog.node(name)
        return gojson.join(list(shelf.check_fragments()) if shelf is not None else [])

    return await _checks_table(call, options, write, None)


async def state(call: Call) -> Answer:
    """List all checks, or those in one state."""
    options, wanted = call.options(), node_filter(call.parameters)
    status = None if call.name == "any" else call.name
    if not call.name:
        return text(400, "Missing check state")

    def write() -> bytes:
        rows: list[bytes] = []
        for shelf in call.state.catalog.nodes():
            if wanted is None or wanted(shelf.node):
                rows.extend(shelf.check_fragments(status))
        return gojson.join(rows)

    key = ("state", call.name, *call.parameters.get("node-meta", ()))
    return await _checks_table(call, options, write, key)


async def _checks_table(
    call: Call, options: Options, write: Callable[[], bytes], key: tuple[object, ...] | None
) -> Answer:
    """Answer what has the index of the checks' table."""
    ledger = call.state.ledger

    def look() -> Found:
        index = ledger.highest(CHECKS)
        if key is None:
            return Found(index, (table(CHECKS),), lambda: Body(write()))
        version = (call.state.epoch, index)
        return Found(index, (table(CHECKS),), lambda: call.kept(key, version, write))

    return filtered(call, await call.read(look, options))


async def checks(call: Call) -> Answer:
    """List the checks of a service."""
    options, name, wanted = call.options(), call.name, node_filter(call.parameters)
    if not name:
        return text(400, "Missing service name")
    catalog = call.state.catalog

    def write() -> bytes:
        rows: list[bytes] = []
        for home, instance in instances(call, wanted):
            rows.extend(check.json for check in home.checks_of(instance.id))
        return gojson.join(rows)

    if wanted is None:
        return await _checks_table(call, options, write, ("checks", name.lower()))

    def look() -> Found:
        # Here a missing service has the index of the tables: so it is in 1.8.7.
        shelf, tables = catalog.service(name), (NODES, SERVICES, CHECKS)
        index = shelf.index if shelf is not None else call.state.ledger.highest(*tables)
        return Found(index, (("service", name.lower()),), lambda: Body(write()))

    return filtered(call, await call.read(look, options))


async def service(call: Call) -> Answer:
    """List the instances of a service with their nodes and checks."""
    options, name, wanted = call.options(), call.name, node_filter(call.parameters)
    if not name:
        return text(400, "Missing service name")
    catalog, passing = call.state.catalog, _passing(call)
    tags = [tag.lower() for tag in call.parameters.get("tag", ())]

    def write() -> bytes:
        found: list[tuple[NodeShelf, Service, list[Check]]] = []
        for home, instance in instances(call, wanted):
            if tags and not has_tags(instance.tags, tags):
                continue
            found.append((home, instance, home.node_checks() + home.checks_of(instance.id)))
        if passing:
            drop_ill(found)
        return gojson.join([health_row(*row) for row in found])

    key = ("health", name.lower(), passing, *tags, "", *call.parameters.get("node-meta", ()))

    def look() -> Found:
        index = catalog.service_index(name, checks=True)
        topics = (("service", name.lower()),)
        shelf = catalog.service(name)
        if shelf is None:
            return Found(index, topics, lambda: EMPTY_LIST)
        version = (call.state.epoch, shelf.revision)
        return Found(index, topics, lambda: call.kept(key, version, write))

    return filtered(call, await call.read(look, options, cacheable=True))


def instances(
    call: Call, wanted: Callable[[Node], bool] | None
) -> Iterator[tuple[NodeShelf, Service]]:
    """List the instances of the service that a call names, each with its node."""
    catalog = call.state.catalog
    shelf = catalog.service(call.name)
    for instance in shelf.in_order() if shelf is not None else ():
        home = catalog.node(instance.node)
        assert home is not None  # noqa: S101 - an instance goes with its node
        if wanted is None or wanted(home.node):
            yield home, instance


def _passing(call: Call) -> bool:
    """Read ``?passing``, whose value may say no since 1.1."""
    if not call.has("passing"):
        return False
    value = call.get("passing")
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise Refusal(text(400, "Invalid value for ?passing"))
