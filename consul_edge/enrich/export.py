"""
Rows as CSV: RFC 4180, UTF-8, a header, in chunks.

Rule 1: a cell that a spreadsheet would take for a formula gets an apostrophe in front, which
spreadsheets do not show; and so does what follows a semicolon or a line end within a cell, where
Excel parts cells if commas are for decimals. Names come from whoever may register a service.
Rule 2: each key of Meta is a column of its own, the most frequent first; those beyond the bound
are together in the last one, ``Meta``, as JSON. Tags are joined by commas, a mapping is JSON.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from consul_edge.enrich.columnar import fields_of
from consul_edge.enrich.patience import in_steps
from consul_edge.enrich.table import RowType, Table

MAX_META_COLUMNS: Final = 100

CONTENT_TYPE: Final = "text/csv; charset=utf-8; header=present"

_SIGNS: Final = "=+-@\uff1d\uff0b\uff0d\uff20"
"""What formulas begin with, also as wide as a Chinese character."""

_FORMULA: Final = (*_SIGNS, "\t", "\r", "\n")
_PARTED: Final = re.compile(rf'[;\r\n]"*(?=[{re.escape(_SIGNS)}])')
_META: Final = frozenset({"Meta", "meta"})


def guarded(cell: str) -> str:
    """
    Make a cell harmless.

    >>> guarded("=HYPERLINK(1)"), guarded("-1"), guarded("a-1"), guarded("a;-1")
    ("'=HYPERLINK(1)", "'-1", 'a-1', "a;'-1")
    """
    if ";" in cell or "\n" in cell or "\r" in cell:
        cell = _PARTED.sub(r"\g<0>'", cell)
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def csv_chunks(table: Table[RowType], chosen: Sequence[int]) -> Iterator[bytes]:
    """Render the *chosen* rows of a table, in their order; the first chunk is the header."""
    fields = [(name, read) for name, read in fields_of(table) if name not in _META]
    keys = table.meta_keys[:MAX_META_COLUMNS]
    rest = frozenset(table.meta_keys[MAX_META_COLUMNS:])
    header = [name for name in table.schema.shown if name not in _META]
    yield _lines([header + [f"Meta.{key}" for key in keys] + ["Meta"] * bool(rest)])
    meta_of = table.schema.meta
    for numbers in in_steps(chosen):
        lines = []
        for number in numbers:
            row = table.rows[number]
            meta = meta_of(row)
            line = [_text(read(row)) for _, read in fields]
            line += [meta.get(key, "") for key in keys]
            if rest:
                line.append(_text({key: cell for key, cell in meta.items() if key in rest}))
            lines.append(line)
        yield _lines(lines)


def _lines(lines: list[list[str]]) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written).writerows([guarded(cell) for cell in line] for line in lines)
    # A lone surrogate, which JSON can hold, is no UTF-8.
    return written.getvalue().encode("utf-8", "replace")


def _text(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    if cell is None:
        return ""
    if isinstance(cell, tuple):
        return ",".join(cell)
    if isinstance(cell, Mapping | msgspec.Struct):
        return msgspec.json.encode(cell, order="sorted").decode() if cell else ""
    return str(cell)
