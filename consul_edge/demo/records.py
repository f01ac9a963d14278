"""
What Consul's catalog is made of, each value with its JSON.

Rule 1: a record never changes; a change is another record.  So its JSON is written at most once,
when first asked for, and an answer is mostly a join of such fragments.
Rule 2: order and presence of fields are those of Consul 1.8.7's wire.
"""

from functools import cached_property
from typing import Any, Final

import msgspec

from consul_edge.demo import gojson

PASSING: Final = "passing"
WARNING: Final = "warning"
CRITICAL: Final = "critical"

SERF_HEALTH: Final = "serfHealth"
"""The check by which the gossip pool says that a node's agent is alive."""


class Node(msgspec.Struct, frozen=True, dict=True):
    """A machine of the catalog, with or without an agent."""

    name: str
    address: str
    datacenter: str
    id: str = ""
    tagged_addresses: dict[str, str] | None = None
    meta: dict[str, str] | None = None
    create_index: int = 0
    modify_index: int = 0

    def _document(self, meta: str) -> dict[str, Any]:
        return {
            "ID": self.id,
            "Node": self.name,
            "Address": self.address,
            "Datacenter": self.datacenter,
            "TaggedAddresses": self.tagged_addresses,
            meta: self.meta,
        }

    @cached_property
    def json(self) -> bytes:
        """The node as catalog/nodes and health show it."""
        indexes = {"CreateIndex": self.create_index, "ModifyIndex": self.modify_index}
        return gojson.encode(self._document("Meta") | indexes)

    @cached_property
    def catalog_head(self) -> bytes:
        """The first half of each of its rows in catalog/service, up to and with a comma."""
        return gojson.encode(self._document("NodeMeta"))[:-1] + b","


class Service(msgspec.Struct, frozen=True, dict=True):
    """One instance of a service on one node."""

    node: str
    id: str
    name: str
    kind: str = ""
    tags: tuple[str, ...] = ()
    address: str = ""
    tagged_addresses: dict[str, dict[str, Any]] | None = None
    meta: dict[str, str] | None = None
    port: int = 0
    weights: tuple[int, int] = (1, 1)
    enable_tag_override: bool = False
    create_index: int = 0
    modify_index: int = 0

    def _weights(self) -> dict[str, int]:
        return {"Passing": self.weights[0], "Warning": self.weights[1]}

    @cached_property
    def json(self) -> bytes:
        """The instance as health and catalog/node show it."""
        return gojson.encode(
            ({"Kind": self.kind} if self.kind else {})
            | {"ID": self.id, "Service": self.name, "Tags": self.tags, "Address": self.address}
            | ({"TaggedAddresses": self.tagged_addresses} if self.tagged_addresses else {})
            | {
                "Meta": self.meta,
                "Port": self.port,
                "Weights": self._weights(),
                "EnableTagOverride": self.enable_tag_override,
                "Proxy": {"MeshGateway": {}, "Expose": {}},
                "Connect": {},
                "CreateIndex": self.create_index,
                "ModifyIndex": self.modify_index,
            }
        )

    @cached_property
    def catalog_tail(self) -> bytes:
        """The second half of its row in catalog/service, after the node's."""
        return gojson.encode(
            {
                "ServiceKind": self.kind,
                "ServiceID": self.id,
                "ServiceName": self.name,
                "ServiceTags": self.tags,
                "ServiceAddress": self.address,
            }
            | ({"ServiceTaggedAddresses": self.tagged_addresses} if self.tagged_addresses else {})
            | {
                "ServiceWeights": self._weights(),
                "ServiceMeta": self.meta or {},
                "ServicePort": self.port,
                "ServiceEnableTagOverride": self.enable_tag_override,
                "ServiceProxy": {"MeshGateway": {}, "Expose": {}},
                "ServiceConnect": {},
                "CreateIndex": self.create_index,
                "ModifyIndex": self.modify_index,
            }
        )[1:]


class Check(msgspec.Struct, frozen=True, dict=True):
    """One health check, of a node if it names no service."""

    node: str
    id: str
    name: str = ""
    status: str = CRITICAL
    notes: str = ""
    output: str = ""
    service_id: str = ""
    service_name: str = ""
    service_tags: tuple[str, ...] = ()
    type: str = ""
    definition: dict[str, Any] = {}
    create_index: int = 0
    modify_index: int = 0

    @cached_property
    def json(self) -> bytes:
        """The check as all of health shows it."""
        return gojson.encode(
            {
                "Node": self.node,
                "CheckID": self.id,
                "Name": self.name,
                "Status": self.status,
                "Notes": self.notes,
                "Output": self.output,
                "ServiceID": self.service_id,
                "ServiceName": self.service_name,
                "ServiceTags": self.service_tags,
                "Type": self.type,
                "Definition": self.definition,
                "CreateIndex": self.create_index,
                "ModifyIndex": self.modify_index,
            }
        )


class Entry(msgspec.Struct, frozen=True, dict=True):
    """One key of KV and its value."""

    key: str
    value: bytes
    flags: int = 0
    lock_index: int = 0
    session: str = ""
    create_index: int = 0
    modify_index: int = 0

    @cached_property
    def json(self) -> bytes:
        """The entry as ``/v1/kv`` shows it."""
        return gojson.encode(
            {
                "LockIndex": self.lock_index,
                "Key": gojson.readable(self.key),
                "Flags": self.flags,
                "Value": self.value or None,
            }
            | ({"Session": self.session} if self.session else {})
            | {"CreateIndex": self.create_index, "ModifyIndex": self.modify_index}
        )


class Session(msgspec.Struct, frozen=True, dict=True):
    """A holder of locks, which dies with the checks it is bound to."""

    id: str
    node: str
    name: str = ""
    lock_delay: float = 15.0
    behavior: str = "release"
    ttl: str = ""
    checks: tuple[str, ...] | None = None
    create_index: int = 0
    modify_index: int = 0

    @cached_property
    def json(self) -> bytes:
        """The session as ``/v1/session`` shows it."""
        return gojson.encode(
            {
                "ID": self.id,
                "Name": self.name,
                "Node": self.node,
                "LockDelay": round(self.lock_delay * 1e9),
                "Behavior": self.behavior,
                "TTL": self.ttl,
                "NodeChecks": self.checks,
                "ServiceChecks": None,
                "CreateIndex": self.create_index,
                "ModifyIndex": self.modify_index,
            }
        )
