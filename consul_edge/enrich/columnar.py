"""
``format=columns``: rows as columns of codes, a third of the size and a sixth of the parsing.

What a decoder is told::

    {"rows": 3,
     "columns": {"Service": {"values": ["web", "db"], "codes": [0, 1, 0]},
                 "ID": {"values": ["a", "b", "c"]},
                 "Meta": {"keys": {"os": {"values": [null, "linux"], "codes": [1, 0, 1]},
                                   "env": {"values": ["prod"], "codes": [0], "at": [2]}}}}}

Rule 1: cell ``i`` of a column is ``values[codes[i]]``; without ``codes`` it is ``values[i]``.
Rule 2: a column with ``keys`` holds mappings: row ``i`` has each key whose cell is not null.
Rule 3: a key that few rows have says where ``at``, rising: its j-th cell is of row ``at[j]``, all
other rows do not have it. So no table is larger than its entries, however many keys there are.
Rule 4: values are in the order of their first rows, and no two are equal; columns are in the
order of the fields of a row.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec

from consul_edge.enrich.rows import NodeRow, ServiceRow
from consul_edge.enrich.table import RowType, Table

_SPARSE: Final = 4
"""A key is sparse if fewer than one row in so many has it."""

_MAPPINGS: Final = frozenset({"Meta", "meta", "tags"})
"""Fields of rows that hold texts by name."""


def encode_columns(table: Table[RowType], chosen: Sequence[int]) -> bytes:
    """Render the *chosen* rows of a table, in their order, as JSON."""
    return msgspec.json.encode(to_columns(table, chosen))


def to_columns(table: Table[RowType], chosen: Sequence[int]) -> dict[str, Any]:
    """Build what ``encode_columns`` renders, for an answer that holds more."""
    rows = table.rows
    if not isinstance(chosen, range) or len(chosen) < len(rows):
        rows = [rows[number] for number in chosen]
    columns = {
        name: _mapping(rows, read) if name in _MAPPINGS else _coded(list(map(read, rows)))
        for name, read in fields_of(table)
    }
    return {"rows": len(rows), "columns": columns}


def fields_of(table: Table[RowType]) -> Iterable[tuple[str, Callable[[Any], Any]]]:
    """Give each field that rows have on the wire, and how it is read."""
    if not table.rows:
        return
    for found in msgspec.structs.fields(table.rows[0]):
        yield found.encode_name, attrgetter(found.name)


def decode_columns(content: bytes, row: type[RowType]) -> list[RowType]:
    """Read the rows back: what a client does, in its plainest form."""
    document = msgspec.json.decode(content)
    count = document["rows"]
    columns = {name: _cells(column, count) for name, column in document["columns"].items()}
    return [
        msgspec.convert({name: cells[place] for name, cells in columns.items()}, row)
        for place in range(count)
    ]


def _coded(cells: Sequence[Any]) -> dict[str, Any]:
    values = list(dict.fromkeys(cells))
    if len(values) == len(cells):
        return {"values": cells}
    places = {value: place for place, value in enumerate(values)}
    return {"values": values, "codes": list(map(places.__getitem__, cells))}


def _mapping(
    rows: Sequence[ServiceRow | NodeRow], read: Callable[[Any], Mapping[str, str]]
) -> dict[str, Any]:
    mappings = list(map(read, rows))
    # Where each key is, in one pass over the entries: rows times keys may be far more.
    at: dict[str, list[int]] = {}
    for place, mapping in enumerate(mappings):
        for key in mapping:
            if key in at:
                at[key].append(place)
            else:
                at[key] = [place]
    keys = {}
    for key, places in at.items():
        if len(places) * _SPARSE < len(rows):
            cells = [mappings[place][key] for place in places]
            keys[key] = {**_coded(cells), "at": places}
        else:
            keys[key] = _coded([mapping.get(key) for mapping in mappings])
    return {"keys": keys}


def _cells(column: Mapping[str, Any], count: int) -> Sequence[Any]:
    if "keys" in column:
        keys = {key: _cells(inner, count) for key, inner in column["keys"].items()}
        return [
            {key: cells[place] for key, cells in keys.items() if cells[place] is not None}
            for place in range(count)
        ]
    values, codes = column["values"], column.get("codes")
    cells = list(values) if codes is None else [values[code] for code in codes]
    if "at" not in column:
        return cells
    spread: list[Any] = [None] * count
    for place, cell in zip(column["at"], cells, strict=True):
        spread[place] = cell
    return spread
