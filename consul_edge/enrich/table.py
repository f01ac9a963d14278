"""
Rows as columns: what is asked of a hundred thousand rows is asked of their distinct cells.

Rule 1: a table never changes; what it works out it keeps, and threads may work it out twice.
Rule 2: rows go by their numbers; selecting and sorting give lists of them.
Rule 3: blank cells are last in either direction, and equal ones keep the order they had.
Rule 4: what is asked for decides how often all rows are gone through, so each time asks whether
there is ``patience`` for it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Any, Final, Generic, TypeVar

from consul_edge.enrich.columns import Cell, Column, Schema, texts_of
from consul_edge.enrich.matching import Holds, any_holds
from consul_edge.enrich.natural import natural_key
from consul_edge.enrich.patience import check, in_steps
from consul_edge.enrich.rows import NodeRow, ServiceRow
from consul_edge.enrich.terms import Term

MAX_COLUMNS: Final = 64
"""Columns that are kept: anybody may ask for any key of Meta."""

_BLANK_RANK: Final = 1 << 62

RowType = TypeVar("RowType", ServiceRow, NodeRow)


@dataclass(frozen=True, slots=True)
class Key:
    """One column to sort by."""

    column: Column
    descending: bool = False


class Coded:
    """One column: its distinct cells, and for each row the place of its cell among them."""

    def __init__(self, column: Column, rows: Iterable[ServiceRow | NodeRow]) -> None:
        """Read the column of all *rows*."""
        read: list[Cell] = list(map(column.read, rows))
        self.column = column
        self.cells: list[Cell] = list(dict.fromkeys(read))
        """In the order of their first rows."""

        places = {cell: place for place, cell in enumerate(self.cells)}
        self.codes: list[int] = list(map(places.__getitem__, read))

    @cached_property
    def _lowered(self) -> list[tuple[str, ...]] | list[str]:
        """The texts of each cell in small letters: one each, or several where a cell has them."""
        if all(isinstance(cell, str) for cell in self.cells):
            return [cell.lower() for cell in self.cells if isinstance(cell, str)]
        return [tuple(map(str.lower, texts_of(cell))) or ("",) for cell in self.cells]

    def hits(self, test: Holds, *, negated: bool) -> list[bool]:
        """Tell of each cell whether any of its texts passes, a blank one's being empty."""
        return [
            (test(texts) if isinstance(texts, str) else any(map(test, texts))) is not negated
            for some in in_steps(self._lowered)
            for texts in some
        ]

    @cached_property
    def ranks(self) -> list[int]:
        """The place of each cell in the column's order."""
        return self.ranked(range(len(self.cells)))

    def ranked(self, places: Sequence[int]) -> list[int]:
        """Rank some of the cells among each other; a blank one has the rank for that."""
        cells = map(self.cells.__getitem__, places)
        keys: list[Any] = list(map(self._key, cells))
        filled = [at for at, key in enumerate(keys) if key is not None]
        filled.sort(key=keys.__getitem__)
        ranks = [_BLANK_RANK] * len(keys)
        for rank, at in enumerate(filled):
            ranks[at] = rank
        return ranks

    def _key(self, cell: Cell) -> int | float | str | None:
        """Make a key that compares with those of the same column's other cells."""
        if isinstance(cell, int | float):
            return cell
        text = cell if isinstance(cell, str) else ",".join(texts_of(cell))
        if not text:
            return None
        order = self.column.severity
        if not order:
            return natural_key(text)
        return f"{order.index(text) if text in order else len(order)}{natural_key(text)}"


class Table(Generic[RowType]):
    """All rows of one moment."""

    def __init__(self, rows: Sequence[RowType], schema: Schema) -> None:
        """Take *rows* in the document's order."""
        self.rows: Sequence[RowType] = rows
        self.schema = schema
        self._coded: dict[str, Coded] = {}

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def haystacks(self) -> list[str]:
        """All texts of each row, as ``Schema.haystack`` joins them."""
        return list(map(self.schema.haystack, self.rows))

    @cached_property
    def meta_keys(self) -> tuple[str, ...]:
        """Every key that any row's Meta has, the most frequent first."""
        counts: Counter[str] = Counter()
        for row in self.rows:
            counts.update(row.meta.keys())
        return tuple(sorted(counts, key=lambda key: (-counts[key], natural_key(key))))

    def coded(self, column: Column) -> Coded:
        """Give one column of all rows."""
        check()
        found = self._coded.get(column.name)
        if found is None:
            found = Coded(column, self.rows)
            if len(self._coded) >= MAX_COLUMNS:
                # Two threads may drop the same one.
                self._coded.pop(next(iter(tuple(self._coded))), None)
            self._coded[column.name] = found
        return found

    def select(self, terms: Iterable[Term]) -> Sequence[int]:
        """
        Give the numbers of the rows for which all *terms* hold, in order.

        Those about one column go first: they are cheap, and leave less to the others.
        """
        chosen: Sequence[int] = range(len(self.rows))
        for term in sorted(terms, key=lambda term: term.column is None):
            chosen = self._narrow(chosen, term)
        return chosen

    def _narrow(self, chosen: Sequence[int], term: Term) -> Sequence[int]:
        test = any_holds(term.tests)
        negated = term.negated
        if term.column is None:
            hay = self.haystacks
            return [
                number
                for some in in_steps(chosen)
                for number in some
                if test(hay[number]) is not negated
            ]
        coded = self.coded(term.column)
        hits = coded.hits(test, negated=negated)
        codes: Iterable[int] = coded.codes
        if len(chosen) < len(self.rows):
            codes = map(coded.codes.__getitem__, chosen)
        return list(compress(chosen, map(hits.__getitem__, codes)))

    def sort(self, chosen: Sequence[int], keys: Sequence[Key]) -> Sequence[int]:
        """Order the *chosen* rows by the first key, equal ones by the next, and so on."""
        order: Sequence[int] = chosen
        for key in reversed(keys):
            order = self._sorted(order, key)
        return order

    def _sorted(self, order: Sequence[int], key: Key) -> list[int]:
        coded = self.coded(key.column)
        codes = coded.codes
        ranks: Sequence[int] | dict[int, int]
        if len(order) * 4 < len(coded.cells):
            used = list({codes[number] for number in order})
            ranks = dict(zip(used, coded.ranked(used), strict=True))
        else:
            ranks = coded.ranks
        by_place = [ranks[codes[number]] for number in order]
        if key.descending:
            # Negated rather than reversed: equal rows keep their order, blank ones their end.
            by_place = [rank if rank == _BLANK_RANK else -rank for rank in by_place]
        return [order[place] for place in sorted(range(len(order)), key=by_place.__getitem__)]

    def count(self, chosen: Sequence[int], column: Column) -> dict[str, int]:
        """
        Count the rows by each text of a column, in natural order; those without under ``""``.

        A row with several texts, such as tags, counts once for each.
        """
        coded = self.coded(column)
        counts: Counter[str] = Counter()
        for code, rows in Counter(map(coded.codes.__getitem__, chosen)).items():
            for text in set(texts_of(coded.cells[code])) or {""}:
                counts[text] += rows
        return {text: counts[text] for text in sorted(counts, key=natural_key)}

    def count_facets(
        self, terms: Sequence[Term], columns: Iterable[Column]
    ) -> dict[str, dict[str, int]]:
        """
        Count by each of the *columns* what all terms but its own would leave.

        So a chosen value does not hide the others that might be chosen instead.
        """
        everything = self.select(terms)
        facets = {}
        for column in columns:
            # By name: a key of Meta is a column made anew each time it is asked for.
            others = [term for term in terms if not term.column or term.column.name != column.name]
            chosen = everything if len(others) == len(terms) else self.select(others)
            facets[column.name] = self.count(chosen, column)
        return facets


def page_of(order: Sequence[int], page: int, page_size: int) -> Sequence[int]:
    """
    Cut one page out, counted from 1; one behind the last is empty.

    >>> page_of([7, 8, 9], 2, 2), page_of([7], 5, 2)
    ([9], [])
    """
    return order[(page - 1) * page_size : page * page_size]
