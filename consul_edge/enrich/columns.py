"""
What can be asked of a row, by name: the columns that searching, filtering and sorting share.

Rule 1: names are those of the wire, and short ones beside them; their case does not matter.
Rule 2: ``meta.KEY`` is any key of Meta, written as it is there.
Rule 3: a cell is hashable, so that each distinct one is looked at once, however many rows have it.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final

from consul_edge.enrich.rows import NodeRow, ServiceRow

Cell = Hashable
"""None, a text, a number, or a tuple of these."""


class Kind(StrEnum):
    """What a value asked of a column means."""

    TEXT = "text"
    """A part of the text."""

    CHOICE = "choice"
    """One of few texts: the whole of it."""

    NUMBER = "number"

    META = "meta"
    """A part of the text, which may be compared as a number, too."""


@dataclass(frozen=True, slots=True)
class Column:
    """One thing that rows have."""

    name: str
    kind: Kind
    read: Callable[[Any], Cell]
    severity: tuple[str, ...] = ()
    """Texts in their order when sorted, before all others; empty: by text."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of one sort of rows."""

    shown: tuple[str, ...]
    """Fields of the row on the wire, in order; each has a column but for ``Meta``."""

    meta: Callable[[Any], Mapping[str, str]]
    columns: Mapping[str, Column]
    """By name in small letters."""

    haystack: Callable[[Any], str]
    """All texts of a row, as ``joined`` joins them: what a word is looked for in."""

    def find(self, name: str) -> Column | None:
        """
        Find a column by any of its names.

        >>> SERVICES.find("ADDR").name, SERVICES.find("meta.os").name, SERVICES.find("os")
        ('addr', 'meta.os', None)
        """
        lowered = name.lower()
        if lowered.startswith("meta.") and len(name) > len("meta."):
            return self.meta_column(name[len("meta.") :])
        return self.columns.get(lowered)

    def meta_column(self, key: str) -> Column:
        """Make the column of one key of Meta."""
        meta = self.meta
        return Column(f"meta.{key}", Kind.META, lambda row: meta(row).get(key))


def joined(*texts: str | None) -> str:
    r"""
    Join texts that are not blank by newlines, in small letters.

    >>> joined("ICMP", "", None, "80")
    'icmp\n80'
    """
    return "\n".join(filter(None, texts)).lower()


def texts_of(cell: Cell) -> tuple[str, ...]:
    """
    Give the texts of a cell that are not blank.

    >>> texts_of(("rio", "Rio", "")), texts_of(80), texts_of(None), texts_of(0)
    (('rio', 'Rio'), ('80',), (), ('0',))
    """
    if isinstance(cell, str):
        return (cell,) if cell else ()
    if isinstance(cell, tuple):
        return tuple(text for part in cell for text in texts_of(part))
    return () if cell is None else (str(cell),)


def _both(first: str, second: str) -> Callable[[Any], Cell]:
    return attrgetter(first, second)


def _named(row: ServiceRow) -> Cell:
    return row.service, row.meta.get("name")


def _reached(row: ServiceRow) -> Cell:
    return row.address or row.node_address


def _port(row: ServiceRow) -> Cell:
    return row.port or None


def _pairs(row: NodeRow) -> Cell:
    return tuple(f"{key}={value}" for key, value in row.tags.items())


def _meta_of(key: str) -> Callable[[Any], Cell]:
    return lambda row: row.meta.get(key)


def _table(columns: Iterable[Column], also: Mapping[str, str]) -> dict[str, Column]:
    by_name = {column.name.lower(): column for column in columns}
    return by_name | {alias: by_name[name] for alias, name in also.items()}


def _plain(kind: Kind, *names: str, **fields: str) -> Iterator[Column]:
    for name in names:
        yield Column(name, kind, attrgetter(name))
    for name, attribute in fields.items():
        yield Column(name, kind, attrgetter(attribute))


def _service_texts(row: ServiceRow) -> str:
    return joined(
        row.service,
        row.id,
        row.node,
        row.node_address,
        row.address,
        str(row.port or ""),
        *row.tags,
        row.dc,
        row.status,
        row.site_code,
        row.site_name,
        row.category,
        row.display_name,
        row.exporter_type,
        row.matched_rule,
        *row.meta.values(),
    )


def _node_texts(row: NodeRow) -> str:
    return joined(
        row.name,
        row.addr,
        row.status,
        row.type,
        row.services_status,
        row.services_error,
        row.site,
        row.site_name,
        row.dc,
        *(f"{key}={value}" for key, value in row.tags.items()),
        *row.meta.values(),
    )


HEALTH: Final = ("critical", "warning", "passing")
"""Failing things first."""

_SERVICE_COLUMNS: Final = (
    *_plain(Kind.TEXT, ID="id", Service="service"),
    *_plain(Kind.TEXT, "display_name", Address="address", NodeAddress="node_address"),
    *_plain(Kind.CHOICE, "category", "exporter_type", "matched_rule", "dc", Tags="tags"),
    *_plain(Kind.CHOICE, "site_code", "site_name"),
    Column("Port", Kind.NUMBER, _port),
    Column("status", Kind.CHOICE, attrgetter("status"), HEALTH),
    Column("name", Kind.TEXT, _named),
    Column("Node", Kind.TEXT, _both("node", "node_address")),
    Column("addr", Kind.TEXT, _reached),
    Column("site", Kind.CHOICE, _both("site_code", "site_name")),
    *(Column(key, Kind.META, _meta_of(key)) for key in ("company", "env", "module")),
)

_SERVICE_NAMES: Final = _table(
    _SERVICE_COLUMNS,
    {
        "tag": "tags",
        "rule": "matched_rule",
        "exporter": "exporter_type",
        "display": "display_name",
        "datacenter": "dc",
        "node_ip": "nodeaddress",
    },
)

SERVICES: Final = Schema(
    shown=(
        *("ID", "Service", "Tags", "Meta", "Port", "Address", "Node", "NodeAddress", "status"),
        *("site_code", "site_name", "category", "display_name", "exporter_type"),
        *("matched_rule", "dc"),
    ),
    meta=attrgetter("meta"),
    columns=_SERVICE_NAMES,
    haystack=_service_texts,
)

_NODE_COLUMNS: Final = (
    *_plain(Kind.TEXT, "node", "name", "addr", "services_error"),
    *_plain(Kind.CHOICE, "type", "services_status", "site_name", "dc"),
    *_plain(Kind.NUMBER, "services_count"),
    *_plain(Kind.NUMBER, passing="checks.passing", warning="checks.warning"),
    *_plain(Kind.NUMBER, critical="checks.critical"),
    Column("status", Kind.CHOICE, attrgetter("status"), ("dead", "unknown", "alive")),
    Column("site", Kind.CHOICE, _both("site", "site_name")),
    Column("tags", Kind.CHOICE, _pairs),
)

_NODE_NAMES: Final = _table(
    _NODE_COLUMNS, {"tag": "tags", "services": "services_count", "datacenter": "dc"}
)

NODES: Final = Schema(
    shown=(
        *("node", "name", "addr", "status", "type", "services_count", "services_status"),
        *("services_error", "checks", "site", "site_name", "dc", "tags", "meta"),
    ),
    meta=attrgetter("meta"),
    columns=_NODE_NAMES,
    haystack=_node_texts,
)
