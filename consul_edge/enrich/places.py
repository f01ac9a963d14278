"""The sites as rows: each with what is there."""

from collections.abc import Iterable

from msgspec import Struct

from consul_edge.enrich.nodes import Seat
from consul_edge.enrich.rows import NodeRow
from consul_edge.enrich.sites import Site, Sites


class SiteRow(Struct, frozen=True, kw_only=True):
    """One place; fields of the document first, what it does not have is empty."""

    code: str
    name: str
    is_default: bool
    color: str
    cluster: str
    datacenter: str
    environment: str
    site: str
    prometheus_instance: str
    prometheus_host: str
    prometheus_port: int | None
    ssh_port: int | None
    nodes: int
    """How many have its address."""

    services: int
    """How many instances they have, without ``consul``."""


def site_rows(sites: Sites, seats: Iterable[Seat], rows: Iterable[NodeRow]) -> tuple[SiteRow, ...]:
    """Make the rows of all sites, of the nodes and their places in the order."""
    counts: dict[Site, tuple[int, int]] = {}
    for seat, row in zip(seats, rows, strict=True):
        if seat.site is not None and not seat.is_vacant:
            nodes, services = counts.get(seat.site, (0, 0))
            counts[seat.site] = nodes + 1, services + row.services_count
    return tuple(_row(site, *counts.pop(site, (0, 0))) for site in sites.sites)


def _row(site: Site, nodes: int, services: int) -> SiteRow:
    return SiteRow(
        code=site.code,
        name=site.name,
        is_default=site.is_default,
        color=site.color,
        cluster=site.cluster,
        datacenter=site.datacenter,
        environment=site.environment,
        site=site.site,
        prometheus_instance=site.prometheus_instance,
        prometheus_host=site.prometheus_host,
        prometheus_port=site.prometheus_port,
        ssh_port=site.ssh_port,
        nodes=nodes,
        services=services,
    )
