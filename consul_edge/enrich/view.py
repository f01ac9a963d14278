"""
What one identity sees at one moment, as a value made of the one before.

Rule 1: values decide what clients are told: an index grows only with what somebody can see, what
could not be learnt included, however much was read again.
Rule 2: a table that did not change is the same object, with all that it has worked out.
Rule 3: a view never changes; threads may read it while the next one is made of it.
"""

from collections.abc import Callable
from itertools import chain

from msgspec import Struct
from msgspec.structs import replace

from consul_edge.enrich.categorize import Categorizer
from consul_edge.enrich.columns import NODES, SERVICES
from consul_edge.enrich.places import SiteRow, site_rows
from consul_edge.enrich.rows import NodeRow, ServiceRow
from consul_edge.enrich.rules import Rules
from consul_edge.enrich.sites import Sites
from consul_edge.enrich.snapshot import Snapshot
from consul_edge.enrich.table import Table
from consul_edge.enrich.workings import START, Workings, proceed


class View(Struct, frozen=True, kw_only=True):
    """Everything that clients of one identity are told."""

    snapshot: Snapshot
    sites: Sites
    rules: Rules
    services: Table[ServiceRow]
    """Without those of Consul's own service."""

    nodes: Table[NodeRow]
    site_rows: tuple[SiteRow, ...]
    index: int
    """The edge's own counter, more than 0; grows with each change of what clients can see."""

    services_index: int
    """That at which the services, or what could not be learnt of them, changed last."""

    nodes_index: int
    """The same of the nodes."""

    sites_index: int
    """The same of the sites, whose counts of nodes and services are part of them."""

    rules_index: int
    """The same of the rules and their categories."""

    workings: Workings
    """What the next view is made of."""


def compose(
    before: View | None,
    snapshot: Snapshot,
    sites: Sites,
    rules: Rules,
    categorizer: Categorizer,
    *,
    unmapped: str,
    next_index: Callable[[], int],
) -> View:
    """
    Make the view of a snapshot: work for a thread, the first time for all rows.

    Args:
        before: The view of the same identity that this one follows; None: there is none.

        snapshot: What Consul says now; it shares with that of *before* what did not change.

        sites: Likewise the sites.

        rules: Likewise the rules.

        categorizer: Decides by just these rules.

        unmapped: The name of no site.

        next_index: Gives the next number of the edge's counter; asked once if anything changed.
    """
    old = before.workings if before else START
    now = proceed(old, snapshot, sites, rules, categorizer, unmapped)
    services = tuple(chain.from_iterable(part.rows for part in now.parts.values()))
    if before is None:
        index = next_index()
        return View(
            snapshot=snapshot,
            sites=now.sites,
            rules=rules,
            services=Table(services, SERVICES),
            nodes=Table(now.nodes, NODES),
            site_rows=site_rows(now.sites, now.seats, now.nodes),
            index=index,
            services_index=index,
            nodes_index=index,
            sites_index=index,
            rules_index=index,
            workings=now,
        )
    fields: dict[str, object] = {"snapshot": snapshot, "workings": now}
    is_new_to_services = _failures(before.snapshot) != _failures(snapshot)
    is_new_to_nodes = before.snapshot.problems != snapshot.problems
    if services != before.services.rows:
        fields["services"] = Table(services, SERVICES)
        is_new_to_services = True
    if now.nodes is not before.workings.nodes and now.nodes != before.nodes.rows:
        fields["nodes"] = Table(now.nodes, NODES)
        is_new_to_nodes = True
    places = before.site_rows
    if "nodes" in fields or now.sites is not before.sites:
        places = site_rows(now.sites, now.seats, now.nodes)
    fields |= {"site_rows": places, "sites": now.sites, "rules": now.rules}
    changed = {
        "services_index": is_new_to_services,
        "nodes_index": is_new_to_nodes,
        "sites_index": now.sites is not before.sites or places != before.site_rows,
        "rules_index": now.rules is not before.rules,
    }
    if any(changed.values()):
        index = fields["index"] = next_index()
        fields |= {name: index for name, is_new in changed.items() if is_new}
    return replace(before, **fields)


def _failures(snapshot: Snapshot) -> tuple[object, ...]:
    """Give all that could not be learnt of services."""
    return snapshot.problems, snapshot.stale, snapshot.missing
