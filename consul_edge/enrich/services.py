"""
The instances of one service name, as rows: where each is, how it is and what it is.

Rule 1: a row is as bad as the worst of its own checks and its node's; what a check says that
nobody knows is bad, and no check at all is good.
Rule 2: a row is at its node's site: the service's own address may be anybody's.
Rule 3: rows are in the natural order of their nodes, then of their ids, whoever answered.
"""

from collections.abc import Callable
from typing import Final

from consul_edge.enrich.categorize import Categorizer, Decision
from consul_edge.enrich.natural import natural_key
from consul_edge.enrich.rows import ServiceRow
from consul_edge.enrich.shapes import CheckShape, HealthShape
from consul_edge.enrich.sites import Sites

PASSING: Final = "passing"
WARNING: Final = "warning"
CRITICAL: Final = "critical"

Place = tuple[str, str]
"""Code and name of a site."""

_NO_META: Final[dict[str, str]] = {}


class Map:
    """
    Which site an address is at, each address looked up once.

    Most rows share their node with others, and what has no site costs the most to look up.
    """

    def __init__(self, sites: Sites, unmapped: str) -> None:
        """Read *sites*; what is at none of them is at *unmapped*."""
        self.sites = sites
        self.unmapped = unmapped
        self._known: dict[str, Place] = {}

    def place(self, address: str) -> Place:
        """Tell code and name of an address's site."""
        found = self._known.get(address)
        if found is None:
            found = self._known[address] = self.sites.place_of(address, self.unmapped)
        return found


def service_rows(
    instances: tuple[HealthShape, ...],
    sites: Sites,
    categorizer: Categorizer,
    *,
    unmapped: str,
) -> tuple[ServiceRow, ...]:
    """Make the rows of all instances of one name; *unmapped* is the name of no site."""
    return rows_on(Map(sites, unmapped), instances, categorizer)


def rows_on(
    places: Map,
    instances: tuple[HealthShape, ...],
    categorizer: Categorizer,
) -> tuple[ServiceRow, ...]:
    """Make the same of a map that several names share."""
    place, categorize = places.place, categorizer.categorize
    rows = [_row(instance, place, categorize) for instance in instances]
    if len(rows) > 1:
        node_keys = {row.node: "" for row in rows}
        for node in node_keys:
            node_keys[node] = natural_key(node)
        rows.sort(key=lambda row: (node_keys[row.node], natural_key(row.id)))
    return tuple(rows)


def worst(checks: tuple[CheckShape, ...] | None) -> str:
    """
    Tell the worst that any of *checks* says.

    >>> worst(()), worst((CheckShape("n1", "a", "warning"), CheckShape("n1", "b", "passing")))
    ('passing', 'warning')
    """
    status = PASSING
    for check in checks or ():
        if check.status == WARNING:
            status = WARNING
        elif check.status != PASSING:
            return CRITICAL
    return status


def _row(
    instance: HealthShape,
    place: Callable[[str], Place],
    categorize: Callable[[str, str | None, str | None], Decision],
) -> ServiceRow:
    node, service = instance.node, instance.service
    meta = service.meta or _NO_META
    decision = categorize(service.name, meta.get("module"), meta.get("metrics_path"))
    code, name = place(node.address)
    return ServiceRow(
        id=service.id,
        service=service.name,
        tags=service.tags or (),
        meta=meta,
        port=service.port,
        address=service.address,
        node=node.name,
        node_address=node.address,
        status=worst(instance.checks),
        site_code=code,
        site_name=name,
        category=decision.category,
        display_name=decision.display_name,
        exporter_type=decision.exporter_type,
        matched_rule=decision.matched_rule,
        dc=node.datacenter or "",
    )
