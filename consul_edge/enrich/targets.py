"""
Instances as targets of Prometheus (``http_sd``), with the labels that its own discovery gives.

Rule 1: one group for each instance, in the rows' order. Labels are those of ``consul_sd``, but for
tagged addresses, and health is passing, warning or critical; ours follow under
``__meta_consul_edge_``.
Rule 2: an instance whose address can be none of a target is left out, and counted: Prometheus
would refuse it.
Rule 3: a character that a label's name cannot have is an underscore. Of two keys that become one,
that which was so already counts, else the first by code points.

See Also:
    https://prometheus.io/docs/prometheus/latest/http_sd/
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from msgspec import Struct

from consul_edge.core.address import parse_host
from consul_edge.enrich.documents import ordered, picked
from consul_edge.enrich.parameters import Listing
from consul_edge.enrich.rendering import encoded
from consul_edge.enrich.rows import ServiceRow
from consul_edge.enrich.view import View

_NO_LABEL: Final = re.compile(r"[^a-zA-Z0-9_]")

_REMEMBERED: Final = 16_384
"""Addresses and keys, of which most instances have the same."""


class Targets(Struct, frozen=True):
    """A rendered list of groups."""

    content: bytes
    """A whole document."""

    groups: int
    left_out: int
    """Instances without a usable address."""


def render_targets(view: View, listing: Listing) -> Targets:
    """Render the instances that are asked for."""
    order, _ = ordered(view.services, listing)
    rows = picked(view.services, order)
    groups = [
        {"targets": [target], "labels": labels_of(row, _node_meta(view, row))}
        for row in rows
        if (target := target_of(row)) is not None
    ]
    return Targets(encoded(groups), len(groups), len(rows) - len(groups))


def target_of(row: ServiceRow) -> str | None:
    """
    Write where an instance is scraped; None: its address is none.

    The service's port counts; without one that which its address has.

    >>> def at(address, port):
    ...     return target_of(ServiceRow(id="a", service="a", node="n", address=address, port=port))
    >>> at("fe80::0:1", 80), at("[::1]:81", 0), at("10.0.0.1", 0), at("http://x/", 80), at("", 80)
    ('[fe80::1]:80', '[::1]:81', '10.0.0.1', None, None)
    """
    host, own = _host(row.address or row.node_address)
    if not host or not 0 <= row.port <= 65535:
        return None
    port = row.port or own
    return f"{host}:{port}" if port else host


def labels_of(row: ServiceRow, node_meta: Mapping[str, str]) -> dict[str, str]:
    """Give all labels of an instance."""
    return {
        "__meta_consul_address": row.node_address,
        "__meta_consul_dc": row.dc,
        "__meta_consul_health": row.status,
        "__meta_consul_node": row.node,
        "__meta_consul_service": row.service,
        "__meta_consul_service_address": row.address,
        "__meta_consul_service_id": row.id,
        "__meta_consul_service_port": str(row.port),
        # Commas around them, so that a pattern need not care which is the first.
        "__meta_consul_tags": f",{','.join(row.tags)},",
        **_keyed("__meta_consul_metadata_", node_meta),
        **_keyed("__meta_consul_service_metadata_", row.meta),
        "__meta_consul_edge_category": row.category,
        "__meta_consul_edge_site_code": row.site_code,
        "__meta_consul_edge_site_name": row.site_name,
        "__meta_consul_edge_exporter_type": row.exporter_type,
        "__meta_consul_edge_display_name": row.display_name,
        "__meta_consul_edge_matched_rule": row.matched_rule or "",
    }


@lru_cache(_REMEMBERED)
def _host(address: str) -> tuple[str, int | None]:
    """Take an address apart, the host as a target has it; none if it is no address."""
    try:
        host, port = parse_host(address)
    except ValueError:
        return "", None
    return f"[{host}]" if ":" in host else host, port


@lru_cache(_REMEMBERED)
def _label(key: str) -> str:
    return _NO_LABEL.sub("_", key)


def _keyed(prefix: str, meta: Mapping[str, str]) -> dict[str, str]:
    """
    Make labels of a mapping.

    >>> _keyed("m_", {"a.b": "2", "a-b": "1", "c_d": "4", "c-d": "3", "é": "5"})
    {'m_a_b': '1', 'm_c_d': '4', 'm__': '5'}
    """
    labels: dict[str, str] = {}
    for key in sorted(meta):
        name = _label(key)
        if name == key or prefix + name not in labels:
            labels[prefix + name] = meta[key]
    return labels


def _node_meta(view: View, row: ServiceRow) -> Mapping[str, str]:
    node = view.snapshot.nodes.get(row.node)
    return (node.meta if node else None) or {}
