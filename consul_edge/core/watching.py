"""
What Consul's indexes mean, endpoint by endpoint, to whoever watches or waits.
"""

from typing import Final

from consul_edge.core.endpoints import Endpoint, Treatment
from consul_edge.core.entry import Entry


def wakes_by_index(endpoint: Endpoint, entry: Entry) -> bool:
    """
    Tell whether a moved index is news to those who wait, though the body is the same.

    In KV it means that someone wrote what is asked for; elsewhere an index stands for a whole
    table, and moves for things that this answer does not show.
    """
    return endpoint.name == "kv" and entry.status == 200


def is_doubtful(endpoint: Endpoint, entry: Entry, before: Entry | None) -> bool:
    """
    Tell whether what a blocking query brought must be asked for again, without waiting.

    Of a config entry that was deleted meanwhile Consul 1.8 repeats the last state, at the new
    index: believed, it would be kept for as long as the next round waits.
    """
    if endpoint.name != "config" or before is None:
        return False
    return entry.index > before.index and entry.digest == before.digest


def is_table_wide(endpoint: Endpoint) -> bool:
    """Tell whether its index moves with every change of a whole table (CONSUL.md A.1.1)."""
    return endpoint.name in _TABLE_WIDE or endpoint.treatment is Treatment.TTL


_TABLE_WIDE: Final = frozenset(
    {
        *("catalog_nodes", "catalog_services", "catalog_node", "catalog_node_services"),
        *("health_state", "health_node", "config", "internal_ui", "exported_services"),
        *("connect_intentions", "connect_intention", "connect_intentions_match"),
    }
)
