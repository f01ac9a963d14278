"""What a test does to the cluster behind a page: instances come, go, fail and get well."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from consul_edge.demo.records import Check, Node, Service
from consul_edge.demo.standin import StandIn


def names_of(standin: StandIn) -> list[tuple[str, str]]:
    """List instances by node and id, without Consul's own."""
    return [
        (shelf.node.name, service.id)
        for shelf in standin.state.catalog.nodes()
        for service in shelf.services.values()
        if service.name != "consul"
    ]


def make_node(standin: StandIn, name: str, address: str = "10.9.9.9") -> None:
    """Register a node without anything on it."""
    standin.state.catalog.register(Node(name, address, standin.state.datacenter), None, [], name)


def put(
    standin: StandIn,
    node: str,
    *ids: str,
    status: str = "passing",
    service: str = "web",
    meta: dict[str, str] | None = None,
) -> None:
    """Register instances on a node, or set what they are."""
    for one in ids:
        instance = Service(node, one, service, meta=meta, port=80, address="10.9.9.9")
        check = Check(
            node, f"check:{one}", status=status, service_id=one, service_name=service, type="http"
        )
        standin.state.catalog.register(None, instance, [check], node)


def drop(standin: StandIn, node: str, *ids: str) -> None:
    """Take instances away."""
    for one in ids:
        standin.state.catalog.deregister(node, one)


def drop_node(standin: StandIn, node: str) -> None:
    """Take a node away with all that is on it."""
    standin.state.catalog.deregister(node)


def set_status(standin: StandIn, node: str, instance: str, status: str) -> None:
    """Let all checks of an instance have a status."""
    shelf = standin.state.catalog.node(node)
    assert shelf is not None, node
    checks = [replace(check, status=status) for check in shelf.checks_of(instance)]
    assert checks, instance
    standin.state.catalog.register(None, None, checks, node)


def told(rows: Sequence[Any]) -> set[tuple[Any, ...]]:
    """Give what a page and the API have to agree on, row by row."""
    return {
        (row["dc"], row["Node"], row["ID"], row["status"], tuple(sorted(row["Meta"].items())))
        for row in rows
    }
