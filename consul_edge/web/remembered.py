"""
Views that somebody was given, kept so that he can be told what has changed since.

Rule: they are kept without what their tables work out, which is far more than their rows; what did
not change from one to the next is the same object in both.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

from msgspec.structs import replace

from consul_edge.enrich.table import RowType, Table
from consul_edge.enrich.view import View

K = TypeVar("K")


class Remembered(Generic[K]):
    """The latest of them, by whatever they are asked for."""

    def __init__(self, most: int) -> None:
        """Begin with none, and never have more than *most*."""
        self._most = most
        self._views: OrderedDict[K, View] = OrderedDict()

    def keep(self, key: K, view: View) -> None:
        """Remember a view, unless there is one under that key."""
        if key in self._views:
            return
        last = next(reversed(self._views.values()), None)
        self._views[key] = replace(
            view,
            services=_bare(view.services, last.services if last else None),
            nodes=_bare(view.nodes, last.nodes if last else None),
        )
        if len(self._views) > self._most:
            self._views.popitem(last=False)

    def at(self, key: K) -> View | None:
        """Find one, for what can be said of its rows."""
        return self._views.get(key)


def _bare(table: Table[RowType], last: Table[RowType] | None) -> Table[RowType]:
    return (
        last if last is not None and last.rows is table.rows else Table(table.rows, table.schema)
    )
