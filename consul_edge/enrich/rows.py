"""
The rows of the enriched API, as clients read them: one per instance, one per node.

Field names on the wire are the original's; what it did not have comes after what it had.
"""

from collections.abc import Mapping

from msgspec import Struct, field


class ServiceRow(Struct, frozen=True, kw_only=True, gc=False):
    """One registered instance."""

    id: str = field(name="ID")
    service: str = field(name="Service")
    tags: tuple[str, ...] = field(name="Tags", default=())
    meta: Mapping[str, str] = field(name="Meta", default_factory=dict)
    port: int = field(name="Port", default=0)
    """0: none."""

    address: str = field(name="Address", default="")
    """Its own; empty: the node's."""

    node: str = field(name="Node")
    node_address: str = field(name="NodeAddress", default="")
    status: str = ""
    """``passing``, ``warning`` or ``critical``, the worst of its checks and its node's."""

    site_code: str = ""
    site_name: str = ""
    category: str = ""
    display_name: str = ""
    exporter_type: str = ""
    matched_rule: str | None = None
    """The rule's id; None: none matched, it is the default category."""

    dc: str = ""


class Checks(Struct, frozen=True, kw_only=True):
    """How many of a node's checks, its services' included, say what."""

    passing: int = 0
    warning: int = 0
    critical: int = 0


class NodeRow(Struct, frozen=True, kw_only=True):
    """One node; ``node`` and ``name`` are the two spellings that clients know."""

    node: str
    name: str
    addr: str = ""
    status: str = "unknown"
    """``alive``, ``dead`` or ``unknown``."""

    type: str = "unknown"
    """``server``, ``client``, ``external`` or ``unknown``."""

    services_count: int = 0
    """Instances other than ``consul``."""

    services_status: str = "ok"
    """``ok`` or ``error``: then the count is not known."""

    services_error: str | None = None
    checks: Checks = Checks()
    site: str = ""
    site_name: str = ""
    dc: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)


Row = ServiceRow | NodeRow
