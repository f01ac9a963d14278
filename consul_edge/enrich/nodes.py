"""
The nodes of a snapshot, as rows: who is there, at which site, with how many services, how well.

Rule 1: a node of the catalog and a member of the gossip pool with one name are one node.
Rule 2: addresses of the sites document come first, in its order, each with the nodes that have it;
one that no node has is a row of its own. The rest follow in the natural order of their names.
Rule 3: a check counts once: the node's own as such, an instance's own with the instance.
Rule 4: what a row says of its services depends on its node's tally alone, so that whoever keeps
the tallies of all names adds those of the changed ones only.
"""

from collections.abc import Container, Iterable, Mapping
from typing import Final

from msgspec import Struct

from consul_edge.enrich.natural import natural_key
from consul_edge.enrich.rows import Checks, NodeRow
from consul_edge.enrich.services import PASSING, WARNING
from consul_edge.enrich.shapes import CheckShape, HealthShape, MemberShape
from consul_edge.enrich.sites import Site, Sites, bare_address
from consul_edge.enrich.snapshot import OWN_SERVICE, Snapshot

ALIVE: Final = 1
"""Serf's number for a member that is there; all others are on their way out or gone."""

SERF_HEALTH: Final = "serfHealth"
"""The check by which Consul's leader tells of a node's agent; what has no agent has none."""

_TYPES: Final = {"consul": "server", "node": "client"}
"""By the tag ``role`` of a member."""

Tally = tuple[int, int, int, int]
"""Instances, and how many of their checks pass, warn, and are critical."""

Tallies = Mapping[str, Tally]
"""By node."""

NONE: Final[Tally] = (0, 0, 0, 0)


class Seat(Struct, frozen=True):
    """One place in the order of nodes: a node's, or a site's whose address no node has."""

    name: str
    """The node's; the site's if there is no node."""

    address: str
    site: Site | None = None
    is_vacant: bool = False
    """Whether no node has the site's address."""


def node_rows(snapshot: Snapshot, sites: Sites, *, unmapped: str) -> tuple[NodeRow, ...]:
    """Make the rows of all nodes; *unmapped* is the name of no site."""
    tallies = added({}, map(tally, snapshot.services.values()))
    return tuple(
        node_row(seat, snapshot, tallies.get(seat.name, NONE), unmapped)
        for seat in seated(snapshot, sites)
    )


def seated(snapshot: Snapshot, sites: Sites) -> tuple[Seat, ...]:
    """Put the nodes in order."""
    at_site: dict[str, list[Seat]] = {address: [] for address in sites.by_address}
    elsewhere: list[Seat] = []
    for name in sorted({**snapshot.nodes, **snapshot.members}, key=natural_key):
        address = _address(snapshot, name)
        known = _at(at_site, address)
        if known is None:
            elsewhere.append(Seat(name, address))
        else:
            at_site[known].append(Seat(name, address, sites.by_address[known]))
    first = (
        seat
        for address, site in sites.by_address.items()
        for seat in at_site[address] or [Seat(site.name, address, site, is_vacant=True)]
    )
    return (*first, *elsewhere)


def node_row(seat: Seat, snapshot: Snapshot, tally: Tally, unmapped: str) -> NodeRow:
    """Make the row of one place in the order."""
    code, place = (seat.site.code, seat.site.name) if seat.site else ("", unmapped)
    if seat.is_vacant:
        return NodeRow(
            node=seat.name, name=seat.name, addr=seat.address, site=code, site_name=place
        )
    node = snapshot.nodes.get(seat.name)
    member = snapshot.members.get(seat.name)
    own = snapshot.node_checks.get(seat.name, ())
    doubt = snapshot.nodes_in_doubt.get(seat.name)
    tags = (member.tags if member else None) or {}
    services, passing, warning, critical = _with_checks(tally, own)
    return NodeRow(
        node=seat.name,
        name=seat.name,
        addr=seat.address,
        status=_status(member, own),
        type=_type(member, own, are_known=bool(snapshot.members)),
        services_count=services,
        services_status="ok" if doubt is None else "error",
        services_error=None if doubt is None else str(doubt),
        checks=Checks(passing=passing, warning=warning, critical=critical),
        site=code,
        site_name=place,
        dc=(node.datacenter if node else None) or tags.get("dc", ""),
        tags=tags,
        meta=(node.meta if node else None) or {},
    )


def tally(instances: Iterable[HealthShape]) -> Tallies:
    """Count the instances of one name, and their own checks, by node."""
    counts: dict[str, Tally] = {}
    for instance in instances:
        own = [check for check in instance.checks or () if check.service_id]
        before = counts.get(instance.node.name, NONE)
        if instance.service.name != OWN_SERVICE:
            before = before[0] + 1, *before[1:]
        counts[instance.node.name] = _with_checks(before, own)
    return counts


def added(
    sums: Tallies, more: Iterable[Tallies], less: Iterable[Tallies] = ()
) -> dict[str, Tally]:
    """Add the tallies of names to *sums*, and take others off, of which they are sums."""
    total = dict(sums)
    for sign, parts in ((1, more), (-1, less)):
        for part in parts:
            for node, counts in part.items():
                before = total.get(node, NONE)
                total[node] = (
                    before[0] + sign * counts[0],
                    before[1] + sign * counts[1],
                    before[2] + sign * counts[2],
                    before[3] + sign * counts[3],
                )
                if total[node] == NONE:
                    del total[node]  # nodes that come and go leave nothing behind
    return total


def _with_checks(counts: Tally, checks: Iterable[CheckShape]) -> Tally:
    services, passing, warning, critical = counts
    for check in checks:
        if check.status == PASSING:
            passing += 1
        elif check.status == WARNING:
            warning += 1
        else:
            critical += 1
    return services, passing, warning, critical


def _address(snapshot: Snapshot, name: str) -> str:
    node = snapshot.nodes.get(name)
    return node.address if node else snapshot.members[name].address


def _at(addresses: Container[str], address: str) -> str | None:
    """Write *address* as those of sites are, if it is one of them."""
    if address in addresses:
        return address
    try:
        bare = bare_address(address)
    except ValueError:
        return None
    return bare if bare in addresses else None


def _status(member: MemberShape | None, own: Iterable[CheckShape]) -> str:
    if member is not None:
        return "alive" if member.status == ALIVE else "dead"
    for check in own:
        if check.id == SERF_HEALTH:
            return "alive" if check.status == PASSING else "dead"
    return "unknown"


def _type(member: MemberShape | None, own: Iterable[CheckShape], *, are_known: bool) -> str:
    """Tell what a node is; one with an agent is not external, even if members do not have it."""
    if member is not None:
        return _TYPES.get((member.tags or {}).get("role", ""), "unknown")
    if not are_known or any(check.id == SERF_HEALTH for check in own):
        return "unknown"
    return "external"
