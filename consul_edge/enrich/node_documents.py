"""
The documents of one node: its instances, and the names of its services.

Rule 1: a node is found by its name, else by its address.  Two nodes with one address are told
apart by their names; asked for by the address, the first in the order of the nodes is meant.
Rule 2: what Consul registers of its own is not among them.
"""

from collections.abc import Mapping
from typing import Any

from consul_edge.core.errors import Refused
from consul_edge.enrich.document import shown
from consul_edge.enrich.rendering import opened
from consul_edge.enrich.rows import NodeRow, ServiceRow
from consul_edge.enrich.sites import bare_address
from consul_edge.enrich.view import View


def services_of(view: View, who: str) -> bytes:
    """
    Render the instances of a node by their ids.

    Raises:
        Refused: 404 when there is no such node.
    """
    node = find(view, who)
    services = {row.id: row for row in _rows(view, node)}
    return opened(
        {
            "success": True,
            "node": who,
            "node_name": node.name,
            "services": services,
            "total": len(services),
            **_doubt(node),
        }
    )


def names_of(view: View, who: str) -> bytes:
    """
    Render the sorted names of a node's services.

    Raises:
        Refused: 404 when there is no such node.
    """
    node = find(view, who)
    names = sorted({row.service for row in _rows(view, node)})
    return opened(
        {
            "success": True,
            "node": who,
            "node_name": node.name,
            "data": names,
            "total": len(names),
            **_doubt(node),
        }
    )


def find(view: View, who: str) -> NodeRow:
    """
    Find a node by its name or address.

    Raises:
        Refused: 404 when there is none.
    """
    try:
        address = bare_address(who)
    except ValueError:
        address = who
    by_address = None
    for row in view.nodes.rows:
        if row.name == who and _is_node(view, row):
            return row
        if by_address is None and row.addr and row.addr in (who, address):
            by_address = row
    if by_address is None:
        raise Refused(404, f"there is no node {shown(who)}: expected a name or an address")
    return by_address


def _is_node(view: View, row: NodeRow) -> bool:
    """Tell a node from the row of a site whose address no node has, and whose name one may."""
    snapshot = view.snapshot
    node = snapshot.nodes.get(row.name) or snapshot.members.get(row.name)
    return node is not None and node.address == row.addr


def _rows(view: View, node: NodeRow) -> list[ServiceRow]:
    if not _is_node(view, node):
        return []
    return [row for row in view.services.rows if row.node == node.name]


def _doubt(node: NodeRow) -> Mapping[str, Any]:
    """Tell whether some may be missing."""
    return {"services_status": node.services_status, "services_error": node.services_error}
