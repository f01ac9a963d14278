"""
What differs between two views: the rows to put in place of what a reader has, and those to drop.

Rule 1: a row is known by where it is: an id is unique on its node only, and a node's name is that
of a site, too, where no node has its address.
Rule 2: parts that both views share are passed over, so one changed name of many costs that name.
Rule 3: rows come in no order of their own: who shows nodes in the sites' order loads them again
when ``sites_index`` is another one.
"""

from collections.abc import Iterable
from typing import Any, Final, Generic, TypeVar

from msgspec import Struct

from consul_edge.enrich.problems import problems_of_nodes, problems_of_services
from consul_edge.enrich.rendering import encoded
from consul_edge.enrich.rows import NodeRow, ServiceRow
from consul_edge.enrich.view import View

LIMIT: Final = 5_000
"""Rows; who has to take more of them loads all of them instead."""

Key = tuple[str, str, str]

R = TypeVar("R")


class Delta(Struct, Generic[R], frozen=True):
    """What differs between two tables."""

    changed: tuple[R, ...] = ()
    """New ones among them."""

    removed: tuple[Key, ...] = ()


class Changes(Struct, frozen=True, kw_only=True):
    """What differs between two views."""

    index: int
    """Of the later one."""

    is_too_much: bool = False
    """Then there are no rows, and a reader loads again."""

    services: Delta[ServiceRow] = Delta()
    nodes: Delta[NodeRow] = Delta()


def service_key(row: ServiceRow) -> Key:
    """Tell where an instance is: datacenter, node and id."""
    return row.dc, row.node, row.id


def node_key(row: NodeRow) -> Key:
    """Tell where a node is: datacenter, name and address."""
    return row.dc, row.node, row.addr


def changes(before: View, after: View, *, limit: int = LIMIT) -> Changes:
    """
    Compare two views.

    Args:
        before: What a reader knows.

        after: What there is now, made of *before* or not.

        limit: The most rows that are worth telling one by one.
    """
    services, nodes = _service_delta(before, after), _node_delta(before, after)
    count = sum(len(delta.changed) + len(delta.removed) for delta in (services, nodes))
    if count > limit:
        return Changes(index=after.index, is_too_much=True)
    return Changes(index=after.index, services=services, nodes=nodes)


def render_changes(before: View, after: View, *, limit: int = LIMIT) -> bytes:
    """
    Render what differs as JSON in one line.

    It has all indexes of *after*, ``services`` and ``nodes`` with ``changed`` and ``removed``
    where there are any, and the ``problems`` of each where these are others.  With
    ``is_too_much`` it has no rows.
    """
    found = changes(before, after, limit=limit)
    told: dict[str, Any] = {
        "index": after.index,
        "services_index": after.services_index,
        "nodes_index": after.nodes_index,
        "sites_index": after.sites_index,
        "rules_index": after.rules_index,
        "is_too_much": found.is_too_much,
        "services": {"changed": found.services.changed, "removed": found.services.removed},
        "nodes": {"changed": found.nodes.changed, "removed": found.nodes.removed},
    }
    for name, problems_of in (("services", problems_of_services), ("nodes", problems_of_nodes)):
        problems = problems_of(after.snapshot)
        if problems != problems_of(before.snapshot):
            told[name] |= problems
    return encoded(told)


def _service_delta(before: View, after: View) -> Delta[ServiceRow]:
    if before.services.rows is after.services.rows:
        return Delta()
    old_parts, new_parts = before.workings.parts, after.workings.parts
    old: dict[Key, ServiceRow] = {}
    new: dict[Key, ServiceRow] = {}
    shared: list[Iterable[ServiceRow]] = []
    for name in {**old_parts, **new_parts}:
        old_rows = old_parts[name].rows if name in old_parts else ()
        new_rows = new_parts[name].rows if name in new_parts else ()
        if old_rows is new_rows:
            shared.append(new_rows)
        else:
            old.update((service_key(row), row) for row in old_rows)
            new.update((service_key(row), row) for row in new_rows)
    gone = old.keys() - new.keys()
    if gone:
        # An instance that was registered anew under another name is for a moment with both.
        ids = {key[2] for key in gone}
        new.update(
            (service_key(row), row)
            for rows in shared
            for row in rows
            if row.id in ids and service_key(row) in gone
        )
    return _delta(old, new)


def _node_delta(before: View, after: View) -> Delta[NodeRow]:
    if before.nodes.rows is after.nodes.rows:
        return Delta()
    # Most rows are the same objects, and need no look at their keys.
    ids = set(map(id, before.nodes.rows))
    new = {node_key(row): row for row in after.nodes.rows if id(row) not in ids}
    ids = set(map(id, after.nodes.rows))
    old = {node_key(row): row for row in before.nodes.rows if id(row) not in ids}
    return _delta(old, new)


def _delta(old: dict[Key, R], new: dict[Key, R]) -> Delta[R]:
    changed = (row for key, row in new.items() if old.get(key) != row)
    return Delta(tuple(changed), tuple(key for key in old if key not in new))
