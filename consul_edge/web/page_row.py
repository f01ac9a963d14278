"""One row of the page: its cells in the table, and everything about it beside the table."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from consul_edge.enrich.changes import node_key, service_key
from consul_edge.enrich.rows import NodeRow, ServiceRow
from consul_edge.enrich.table import Table
from consul_edge.web.page_address import Address, spelled_row
from consul_edge.web.page_columns import SERVICES_LAYOUT, Shown

Key = tuple[str, str, str]


class Row(Struct, frozen=True):
    """A row as the table shows it."""

    key: str
    """As an address names it."""

    is_open: bool
    cells: tuple[tuple[Shown, str], ...]


class Open(Struct, frozen=True):
    """A row as it is shown beside the table."""

    title: str
    subtitle: str
    fields: tuple[tuple[str, str], ...]
    """Names of words, and values."""

    meta: tuple[tuple[str, str], ...]


def row_of(address: Address, row: ServiceRow | NodeRow) -> Row:
    """Make the cells of a row that the address asks for."""
    key = key_of(row)
    cells = tuple((column, column.read(row)) for column in address.own.columns)
    return Row(spelled_row(key), key == address.own.row, cells)


def key_of(row: ServiceRow | NodeRow) -> Key:
    """Tell where a row is."""
    return service_key(row) if isinstance(row, ServiceRow) else node_key(row)


def sought(table: Table[Any], address: Address) -> Open | None:
    """Find the row that the address opens; None: none is, or it is gone."""
    if address.own.row is None:
        return None
    for row in table.rows:
        # The name is compared first: keys are made of few rows.
        if row.node == address.own.row[1] and key_of(row) == address.own.row:
            return _opened(address, row)
    return None


def _opened(address: Address, row: ServiceRow | NodeRow) -> Open:
    title, subtitle = (
        (row.service, row.id) if isinstance(row, ServiceRow) else (row.name, row.addr)
    )
    fields = tuple(_fields(address, row))
    return Open(title, subtitle, fields, tuple(sorted(row.meta.items())))


def _fields(address: Address, row: ServiceRow | NodeRow) -> Iterator[tuple[str, str]]:
    shown_above = {"service", "id", "name", "addr"}
    if address.layout is SERVICES_LAYOUT:
        shown_above -= {"name", "addr"}
    for column in address.layout.columns:
        text = column.read(row)
        if text and column.name not in shown_above:
            yield column.name, text
