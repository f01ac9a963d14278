"""
Consul's own JSON, as far as the enrichment reads it.

Rule 1: unknown fields are passed over; what Go writes as null for "none" is none.
Rule 2: a body of another shape is an error, never an empty list.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct, field


class NodeShape(Struct, frozen=True, gc=False):
    """A node, of ``/v1/catalog/nodes`` and within ``/v1/health/service``."""

    name: str = field(name="Node")
    address: str = field(name="Address", default="")
    datacenter: str | None = field(name="Datacenter", default=None)
    meta: Mapping[str, str] | None = field(name="Meta", default=None)


class ServiceShape(Struct, frozen=True, gc=False):
    """One instance, without its node and checks."""

    id: str = field(name="ID")
    name: str = field(name="Service")
    tags: tuple[str, ...] | None = field(name="Tags", default=None)
    meta: Mapping[str, str] | None = field(name="Meta", default=None)
    port: int = field(name="Port", default=0)
    address: str = field(name="Address", default="")


class CheckShape(Struct, frozen=True, gc=False):
    """One check; without a service it is the node's."""

    node: str = field(name="Node")
    id: str = field(name="CheckID")
    status: str = field(name="Status", default="")
    service_id: str = field(name="ServiceID", default="")


class HealthShape(Struct, frozen=True, gc=False):
    """One instance as ``/v1/health/service`` has it."""

    node: NodeShape = field(name="Node")
    service: ServiceShape = field(name="Service")
    checks: tuple[CheckShape, ...] | None = field(name="Checks", default=None)


class MemberShape(Struct, frozen=True, gc=False):
    """One member of the gossip pool, of ``/v1/agent/members``."""

    name: str = field(name="Name")
    address: str = field(name="Addr", default="")
    status: int = field(name="Status", default=0)
    """Serf's: 1 is alive."""

    tags: Mapping[str, str] | None = field(name="Tags", default=None)


class SummaryShape(Struct, frozen=True, gc=False):
    """Who has a service, of ``/v1/internal/ui/services``."""

    name: str = field(name="Name")
    nodes: tuple[str, ...] | None = field(name="Nodes", default=None)


read_nodes = msgspec.json.Decoder(list[NodeShape] | None).decode
read_members = msgspec.json.Decoder(list[MemberShape] | None).decode
read_checks = msgspec.json.Decoder(list[CheckShape] | None).decode
read_health = msgspec.json.Decoder(tuple[HealthShape, ...] | None).decode
read_summaries = msgspec.json.Decoder(list[SummaryShape] | None).decode
read_names = msgspec.json.Decoder(Mapping[str, tuple[str, ...] | None] | None).decode
"""Decoders of whole bodies; each raises ``msgspec.MsgspecError`` for another shape."""
