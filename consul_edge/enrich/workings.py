"""
What views are made of, made again only where it changed.

Rule 1: a part of a snapshot that is the same object as before keeps its rows, so a change of one
service name costs that name and its nodes.
Rule 2: what was read again and came out equal is the old object: whoever follows sees no change.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from consul_edge.enrich.categorize import Categorizer
from consul_edge.enrich.nodes import NONE, Seat, Tallies, added, node_row, seated, tally
from consul_edge.enrich.rows import NodeRow, ServiceRow
from consul_edge.enrich.rules import Rules
from consul_edge.enrich.services import Map, rows_on
from consul_edge.enrich.shapes import HealthShape
from consul_edge.enrich.sites import Sites
from consul_edge.enrich.snapshot import OWN_SERVICE, Snapshot


class Part(Struct, frozen=True):
    """What was made of the instances of one service name."""

    instances: tuple[HealthShape, ...] = ()
    rows: tuple[ServiceRow, ...] = ()
    """None of Consul's own service."""

    tallies: Tallies = {}


class Workings(Struct, frozen=True, kw_only=True):
    """What was made, and of what."""

    snapshot: Snapshot = Snapshot(nodes={}, members={}, node_checks={}, services={})
    sites: Sites = Sites()
    rules: Rules | None = None
    unmapped: str = ""
    parts: Mapping[str, Part] = {}
    """By service name, in the order of the rows."""

    tallies: Tallies = {}
    """Those of all parts together."""

    seats: tuple[Seat, ...] = ()
    nodes: tuple[NodeRow, ...] = ()
    """One in each seat."""


START: Final = Workings()
"""Before anything was known."""

_NO_PART: Final = Part()


def proceed(
    before: Workings,
    snapshot: Snapshot,
    sites: Sites,
    rules: Rules,
    categorizer: Categorizer,
    unmapped: str,
) -> Workings:
    """Make what *snapshot*, *sites* and *rules* come to, of what was made *before*."""
    if sites is before.sites or sites == before.sites:
        sites = before.sites
    if rules is before.rules or rules == before.rules:
        rules = before.rules or rules
    given = Workings(snapshot=snapshot, sites=sites, rules=rules, unmapped=unmapped)
    parts = _parts(before, given, categorizer)
    tallies = _tallies(before, parts)
    seats = before.seats
    if not (
        sites is before.sites
        and snapshot.nodes is before.snapshot.nodes
        and snapshot.members is before.snapshot.members
    ):
        seats = seated(snapshot, sites)
    return Workings(
        snapshot=snapshot,
        sites=sites,
        rules=rules,
        unmapped=unmapped,
        parts=parts,
        tallies=tallies,
        seats=seats,
        nodes=_nodes(before, given, seats, tallies),
    )


def _keep_places(before: Workings, now: Workings) -> bool:
    return before.sites is now.sites and before.unmapped == now.unmapped


def _parts(before: Workings, now: Workings, categorizer: Categorizer) -> Mapping[str, Part]:
    is_kept = _keep_places(before, now) and before.rules is now.rules
    places = Map(now.sites, now.unmapped)
    parts = {}
    for name, instances in now.snapshot.services.items():
        old = before.parts.get(name, _NO_PART)
        is_same = old.instances is instances
        if is_same and is_kept:
            parts[name] = old
            continue
        rows = () if name == OWN_SERVICE else rows_on(places, instances, categorizer)
        tallies = old.tallies if is_same else tally(instances)
        parts[name] = Part(
            instances,
            old.rows if rows == old.rows else rows,
            old.tallies if tallies == old.tallies else tallies,
        )
    return parts


def _tallies(before: Workings, parts: Mapping[str, Part]) -> Tallies:
    """Sum up what all names have on each node, of the sum before and the names that changed."""
    more, less = [], []
    for name in {**parts, **before.parts}:
        new, old = (known.get(name, _NO_PART).tallies for known in (parts, before.parts))
        if new is not old:
            more.append(new)
            less.append(old)
    return added(before.tallies, more, less) if more else before.tallies


def _nodes(
    before: Workings, now: Workings, seats: tuple[Seat, ...], tallies: Tallies
) -> tuple[NodeRow, ...]:
    changed = _changed_nodes(before, now, tallies)
    is_kept = _keep_places(before, now)
    if is_kept and not changed and seats is before.seats:
        return before.nodes
    known = {
        seat.name: row
        for seat, row in zip(before.seats, before.nodes, strict=True)
        if not seat.is_vacant
    }
    rows = []
    for seat in seats:
        old = None if seat.is_vacant else known.get(seat.name)
        if old is None or seat.name in changed or not is_kept:
            row = node_row(seat, now.snapshot, tallies.get(seat.name, NONE), now.unmapped)
            old = row if row != old else old
        rows.append(old)
    return tuple(rows)


def _changed_nodes(before: Workings, now: Workings, tallies: Tallies) -> set[str]:
    """Name the nodes of which anything but their place may be other than before."""
    old, new = before.snapshot, now.snapshot
    if bool(old.members) is not bool(new.members):
        return {*new.nodes, *new.members}  # what is no member is something else now
    sources: tuple[tuple[Mapping[str, object], Mapping[str, object]], ...] = (
        (old.nodes, new.nodes),
        (old.members, new.members),
        (old.node_checks, new.node_checks),
        (old.nodes_in_doubt, new.nodes_in_doubt),
        (before.tallies, tallies),
    )
    return {
        name
        for one, other in sources
        if one is not other
        for name in one.keys() | other.keys()
        if one.get(name) is not other.get(name)
    }
