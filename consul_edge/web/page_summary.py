"""
What stands above the rows: how many there are, how well, and how sure all that is.

Rule 1: what is counted is counted once for each table, whoever looks.
Rule 2: the edge's own state (servers, hit ratio) is everybody's; rows are those of who asks.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Final
from weakref import WeakKeyDictionary

from msgspec import Struct

from consul_edge import metrics
from consul_edge.cache.served import MISSES
from consul_edge.enrich.columns import Cell, Column, texts_of
from consul_edge.enrich.natural import natural_key
from consul_edge.enrich.table import Table
from consul_edge.enrich.terms import Term
from consul_edge.upstream.servers import Servers
from consul_edge.web.page_columns import Layout

MOST_VALUES: Final = 200
"""Values of one facet in the page's HTML; a browser's modules list them all."""


class Group(Struct, frozen=True):
    """The rows that share a value."""

    value: str
    """What a filter takes."""

    label: str
    total: int
    by_health: tuple[int, ...]
    """In the order of the layout's health."""


class Strip(Struct, frozen=True):
    """The rows of a whole table, counted."""

    total: int
    by_health: tuple[int, ...]
    groups: tuple[Group, ...]
    """The largest first."""


class Value(Struct, frozen=True):
    """One value of a facet."""

    value: str
    label: str
    count: int


class ServerState(Struct, frozen=True):
    """One server, as the page tells of it."""

    name: str
    state: str
    """``out``, ``leaderless``, ``active`` or ``well``."""

    leader: str


_strips: "WeakKeyDictionary[Table[Any], Strip]" = WeakKeyDictionary()


def strip_of(table: Table[Any], layout: Layout) -> Strip:
    """Count the rows of a table, the first time."""
    found = _strips.get(table)
    if found is None:
        found = _strips[table] = _counted(table, layout)
    return found


def bare_strip(layout: Layout) -> Strip:
    """Count no rows."""
    return Strip(0, (0,) * len(layout.health), ())


def facets_of(
    table: Table[Any], terms: Sequence[Term], columns: Iterable[Column]
) -> dict[str, list[Value]]:
    """
    Count by each column what all terms but its own would leave; the most frequent first.

    What comes after ``MOST_VALUES`` is in no order: nobody reads it here.
    """
    everything = table.select(terms)
    facets = {}
    for column in columns:
        others = [term for term in terms if term.column is None or term.column != column]
        chosen = everything if len(others) == len(terms) else table.select(others)
        facets[column.name.lower()] = _values(table, chosen, column)
    return facets


def servers_of(servers: Servers) -> list[ServerState]:
    """Tell how each server is."""
    told = []
    for server in servers:
        state = "active" if server is servers.active else "well"
        if server.is_out:
            state = "out"
        elif server.leader == "":
            state = "leaderless"
        told.append(ServerState(server.name, state, server.leader or ""))
    return told


def hit_ratio() -> float | None:
    """Tell which share of the reads that can be kept was answered from memory; None: no read."""
    counted: Counter[str] = Counter()
    for family in metrics.CACHE_REQUESTS.collect():
        for sample in family.samples:
            counted[sample.labels["result"]] += int(sample.value)
    misses = sum(counted[result] for result in MISSES)
    hits = counted.total() - misses - counted["bypass"] - counted["error"]
    return hits / (hits + misses) if hits + misses else None


def _values(table: Table[Any], chosen: Sequence[int], column: Column) -> list[Value]:
    coded = table.coded(column)
    codes = coded.codes if len(chosen) == len(table) else map(coded.codes.__getitem__, chosen)
    values = [
        Value(*_named(column, coded.cells[code]), count) for code, count in Counter(codes).items()
    ]
    if column.severity:
        return sorted(values, key=lambda value: column.severity.index(value.value))
    values.sort(key=attrgetter("count"), reverse=True)
    first = sorted(
        values[:MOST_VALUES], key=lambda value: (-value.count, natural_key(value.label))
    )
    return first + values[MOST_VALUES:]


def _counted(table: Table[Any], layout: Layout) -> Strip:
    column = layout.schema.columns[layout.group]
    groups = table.coded(column)
    statuses = table.coded(layout.schema.columns["status"])
    places = {status: place for place, (status, _) in enumerate(layout.health)}
    sums = [0] * len(places)
    by_group: dict[int, list[int]] = {}
    for (group, status), rows in Counter(zip(groups.codes, statuses.codes, strict=True)).items():
        place = places[str(statuses.cells[status])]
        sums[place] += rows
        by_group.setdefault(group, [0] * len(places))[place] += rows
    listed = [
        Group(*_named(column, groups.cells[code]), sum(counts), tuple(counts))
        for code, counts in by_group.items()
    ]
    listed.sort(key=lambda group: (-group.total, natural_key(group.label)))
    return Strip(len(table), tuple(sums), tuple(listed))


def _named(column: Column, cell: Cell) -> tuple[str, str]:
    """
    Give what a filter takes for a cell, and how it is shown.

    A site is filtered by its code and shown by its name; a node's address is not its name.

    >>> from consul_edge.enrich.columns import SERVICES
    >>> site, node = SERVICES.columns["site"], SERVICES.columns["node"]
    >>> _named(site, ("rio", "Rio")), _named(site, ("", "Nao mapeado"))
    (('rio', 'Rio'), ('Nao mapeado', 'Nao mapeado'))
    >>> _named(node, ("n1", "10.0.0.1")), _named(node, None)
    (('n1', 'n1'), ('', ''))
    """
    texts = texts_of(cell)
    if not texts:
        return "", ""
    return texts[0], texts[-1 if column.name == "site" else 0]
