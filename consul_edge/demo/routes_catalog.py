"""``/v1/catalog``: who is registered, and registering."""

from collections.abc import Callable
from typing import Final

from consul_edge.demo import gojson
from consul_edge.demo.answers import EMPTY_LIST, NULL, TRUE, Answer, Body, Found, ok, text
from consul_edge.demo.call import Call
from consul_edge.demo.catalog import Rejected
from consul_edge.demo.ledger import NODES, SERVICES, table
from consul_edge.demo.records import Node
from consul_edge.demo.registration import parse_deregistration, parse_registration
from consul_edge.demo.selection import filtered, node_filter
from consul_edge.demo.shelves import NodeShelf

_NO_NODE: Final = Body(b'{"Node":null,"Services":null}')


async def datacenters(call: Call) -> Answer:
    """List the datacenters."""
    options = call.options()
    body = Body(gojson.encode(sorted(call.state.datacenters)))
    return Answer(body=body, headers=call.agent_cache() if options.cached else {})


async def nodes(call: Call) -> Answer:
    """List the nodes, all or those with some meta data."""
    options, wanted = call.options(), node_filter(call.parameters)
    catalog, ledger = call.state.catalog, call.state.ledger

    def write() -> bytes:
        return gojson.join(
            [shelf.node.json for shelf in catalog.nodes() if wanted is None or wanted(shelf.node)]
        )

    def look() -> Found:
        index = ledger.highest(NODES)
        key = ("nodes", *call.parameters.get("node-meta", ()))
        return Found(
            index, (table(NODES),), lambda: call.kept(key, (call.state.epoch, index), write)
        )

    return filtered(call, await call.read(look, options))


async def services(call: Call) -> Answer:
    """Name the services with their tags."""
    options, wanted = call.options(), node_filter(call.parameters)
    catalog, ledger = call.state.catalog, call.state.ledger

    def write() -> bytes:
        return b"{" + b",".join([shelf.summary for shelf in catalog.services()]) + b"}"

    def write_wanted() -> bytes:
        found: dict[str, set[str]] = {}
        for shelf in catalog.nodes():
            if wanted is not None and wanted(shelf.node):
                for service in shelf.services.values():
                    found.setdefault(service.name, set()).update(service.tags)
        return gojson.encode({name: sorted(found[name]) for name in sorted(found)})

    def look() -> Found:
        if wanted is not None:
            index = ledger.highest(SERVICES, NODES)
            topics = (table(SERVICES), table(NODES))
            return Found(index, topics, lambda: Body(write_wanted()))
        index = ledger.highest(SERVICES)
        version = (call.state.epoch, index)
        return Found(index, (table(SERVICES),), lambda: call.kept(("services",), version, write))

    return await call.read(look, options, cacheable=True)


async def service(call: Call) -> Answer:
    """List the instances of a service, all or those with some tags."""
    options, name = call.options(), call.name
    if not name:
        return text(400, "Missing service name")
    catalog, wanted = call.state.catalog, node_filter(call.parameters)
    tags = [tag.lower() for tag in call.parameters.get("tag", ())]

    def write() -> bytes:
        shelf, rows = catalog.service(name), []
        for instance in shelf.in_order() if shelf is not None else ():
            home = catalog.node(instance.node)
            assert home is not None  # noqa: S101 - an instance goes with its node
            if tags and not has_tags(instance.tags, tags):
                continue
            if wanted is None or wanted(home.node):
                rows.append(home.node.catalog_head + instance.catalog_tail)
        return gojson.join(rows)

    def look() -> Found:
        index = catalog.service_index(name, checks=False)
        key = ("service", name.lower(), *tags, "", *call.parameters.get("node-meta", ()))
        topics = (("service", name.lower()),)
        shelf = catalog.service(name)
        if shelf is None:
            return Found(index, topics, lambda: EMPTY_LIST)
        version = (call.state.epoch, shelf.revision)
        return Found(index, topics, lambda: call.kept(key, version, write))

    return filtered(call, await call.read(look, options, cacheable=True))


def has_tags(tags: tuple[str, ...], wanted: list[str]) -> bool:
    """Tell whether all of *wanted*, in lower case, are among *tags*."""
    return set(wanted) <= {tag.lower() for tag in tags}


async def node(call: Call) -> Answer:
    """Show a node with its services by their ids."""

    def write(shelf: NodeShelf) -> Body:
        rows = [
            gojson.encode(instance.id) + b":" + instance.json for instance in shelf.instances()
        ]
        return Body(b'{"Node":' + shelf.node.json + b',"Services":{' + b",".join(rows) + b"}}")

    return await _one_node(call, write, NULL)


def write_node_services(shelf: NodeShelf) -> Body:
    """Write a node with its services in a list, which is null if there are none."""
    rows = [instance.json for instance in shelf.instances()]
    listed = gojson.join(rows) if rows else b"null"
    return Body(b'{"Node":' + shelf.node.json + b',"Services":' + listed + b"}")


async def node_services(call: Call) -> Answer:
    """Show a node with its services in a list."""
    return await _one_node(call, write_node_services, _NO_NODE)


async def _one_node(call: Call, write: Callable[[NodeShelf], Body], missing: Body) -> Answer:
    options, name = call.options(), call.name
    if not name:
        return text(400, "Missing node name")
    catalog, ledger = call.state.catalog, call.state.ledger

    def look() -> Found:
        shelf = catalog.node(name)
        if shelf is None:
            return Found(1, (("node", name.lower()),), lambda: missing)
        # Per node only since 1.12: here any change of the tables wakes.
        index = ledger.highest(NODES, SERVICES)
        return Found(index, (table(NODES), table(SERVICES)), lambda: write(shelf))

    return await call.read(look, options)


async def register(call: Call) -> Answer:
    """Register a node with a service and checks, or some of them."""
    registration = parse_registration(call.body, call.state.datacenter)
    await call.write_through(registration.datacenter)
    given: Node | None = registration.node
    if registration.skip_node_update and call.state.catalog.node(registration.name) is not None:
        given = None
    try:
        call.state.catalog.register(
            given, registration.service, registration.checks, registration.name
        )
    except Rejected as rejected:
        return text(500, str(rejected))
    return ok(TRUE)


async def deregister(call: Call) -> Answer:
    """Remove a node, or one of its services or checks."""
    gone = parse_deregistration(call.body)
    await call.write_through(gone.datacenter)
    if not gone.node:
        return text(500, "Must provide node")
    call.state.catalog.deregister(gone.node, gone.service_id, gone.check_id)
    return ok(TRUE)
