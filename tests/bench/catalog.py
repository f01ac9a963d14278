"""
A catalog as large as it gets in practice: nodes, and instances of some names spread over them.

Rule 1: it is registered by transactions of as many operations as Consul takes.
Rule 2: each node has a check of its own, and each instance one that passes and Meta as monitoring
data has it.  No check is serfHealth: within a minute Consul's leader removes each node that has
one and is no member of its gossip.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from tests.server import ConsulServer

OPERATIONS: Final = 64
"""Of one transaction: Consul refuses more."""


def node_name(number: int) -> str:
    """Name a node."""
    return f"node-{number:04}"


def service_name(number: int) -> str:
    """Name a service."""
    return f"service-{number:03}"


def instance_id(number: int) -> str:
    """Name an instance as the original's users do."""
    return f"icmp/company-{number % 7}/group-{number % 13}/type@{number:05}"


def register(consul: ConsulServer, *, nodes: int, instances: int, names: int) -> None:
    """Register it all."""
    operations = _operations(nodes, instances, names)
    while batch := list(islice(operations, OPERATIONS)):
        reply = consul.put("/v1/txn", batch)
        assert reply.status == 200, f"not registered: {reply.body[:500]!r}"


def edit(consul: ConsulServer, number: int, nodes: int, names: int, mark: str) -> None:
    """Change nothing but the Meta of one instance."""
    told = _instance(number, nodes, names)
    told["Service"]["Service"]["Meta"]["mark"] = mark
    reply = consul.put("/v1/txn", [told])
    assert reply.status == 200, f"not edited: {reply.body[:500]!r}"


def _operations(nodes: int, instances: int, names: int) -> Iterator[dict[str, Any]]:
    for number in range(nodes):
        node = {"Node": node_name(number), "Address": _address(number)}
        yield {"Node": {"Verb": "set", "Node": node}}
        check = {"Node": node_name(number), "CheckID": "node-alive", "Status": "passing"}
        yield {"Check": {"Verb": "set", "Check": check}}
    for number in range(instances):
        yield _instance(number, nodes, names)
        check = {
            "Node": node_name(number % nodes),
            "CheckID": f"check-{number}",
            "ServiceID": instance_id(number),
            "Status": "passing",
        }
        yield {"Check": {"Verb": "set", "Check": check}}


def _instance(number: int, nodes: int, names: int) -> dict[str, Any]:
    service = {
        "ID": instance_id(number),
        "Service": service_name(number % names),
        "Tags": ["linux", f"shard-{number % 5}"],
        "Port": 9100,
        "Meta": {
            "name": f"host {number}",
            "instance": _address(number),
            "module": "icmp",
            "company": f"Company {number % 7}",
            "env": "prod",
        },
    }
    return {"Service": {"Verb": "set", "Node": node_name(number % nodes), "Service": service}}


def _address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
