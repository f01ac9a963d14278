"""
What gauges show of tables, counted once for each table: scrapes come far more often than changes.

Rule: scrapes are answered in a thread; a hundred thousand rows are gone through with breaks.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final
from weakref import WeakKeyDictionary

from consul_edge.enrich.rows import NodeRow, ServiceRow
from consul_edge.enrich.table import Table
from consul_edge.metrics.nodes import Counts, breathe

STEP: Final = 4096
"""Rows that are counted without a break."""

_in_error: "WeakKeyDictionary[Table[Any], int]" = WeakKeyDictionary()
_by_category: "WeakKeyDictionary[Table[Any], Counts]" = WeakKeyDictionary()


def worst(tables: Iterable[Table[NodeRow]]) -> tuple[int, int]:
    """Tell how many nodes there are, and how many in error, where most of them are in error."""
    counts = [(_errors_of(table), len(table)) for table in tables]
    errors, total = max(
        counts, key=lambda count: (count[0] / max(count[1], 1), count[1]), default=(0, 0)
    )
    return total, errors


def most(tables: Iterable[Table[ServiceRow]]) -> Counts:
    """Count the rows by category and status, where there are most of them."""
    largest = max(tables, key=len, default=None)
    return _rows_of(largest) if largest is not None else {}


def _errors_of(table: Table[NodeRow]) -> int:
    found = _in_error.get(table)
    if found is None:
        found = _in_error[table] = sum(node.services_status != "ok" for node in table.rows)
    return found


def _rows_of(table: Table[ServiceRow]) -> Counts:
    found = _by_category.get(table)
    if found is None:
        counted: Counter[tuple[str, str]] = Counter()
        for start in range(0, len(table), STEP):
            counted.update((row.category, row.status) for row in table.rows[start : start + STEP])
            breathe()
        found = _by_category[table] = counted
    return found
