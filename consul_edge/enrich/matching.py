r"""
What the tests of a query mean for texts, and a query for one row.

Rule 1: texts are held in small letters, as tests have them; ``str.lower``, which is JavaScript's
``toLowerCase``, not ``casefold``, which a page does not have.
Rule 2: a regex searches; over a row as a whole ``^`` and ``$`` are the ends of each text, but a
class such as ``[^a]`` or ``\s`` may reach over the newline between two texts.
Rule 3: every test is linear in the text; a pattern asks for each whether there is ``patience``.
"""

import operator
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from consul_edge.enrich.columns import Cell, Column, Schema, texts_of
from consul_edge.enrich.patience import check
from consul_edge.enrich.patterns import PatternSet
from consul_edge.enrich.terms import (
    NUMBER,
    Compare,
    Glob,
    Part,
    Pattern,
    Query,
    Term,
    Test,
    Whole,
    searching,
)

Holds = Callable[[str], bool]

_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def holds(test: Test) -> Holds:
    """Make the function that a text in small letters is given to."""
    match test:
        case Part(text):
            return lambda value: text in value
        case Whole(text):
            return partial(operator.eq, text)
        case Glob(parts):
            return partial(_globs, parts)
        case Compare(sign, number):
            compare = _COMPARE[sign]
            return lambda value: (
                NUMBER.fullmatch(value) is not None and compare(float(value), number)
            )
        case Pattern(pattern):
            return partial(_finds, PatternSet([searching(pattern)]))


def any_holds(tests: tuple[Test, ...]) -> Holds:
    """Make the function of several tests, any of which will do."""
    wholes = frozenset(test.text for test in tests if isinstance(test, Whole))
    others = [holds(test) for test in tests if not isinstance(test, Whole)]
    if not others:
        return wholes.__contains__
    if len(others) == 1 and not wholes:
        return others[0]
    return lambda value: value in wholes or any(test(value) for test in others)


def cell_holds(tests: tuple[Test, ...]) -> Callable[[Cell], bool]:
    """Make the function that tells of a cell whether any of its texts passes any of *tests*."""
    test = any_holds(tests)

    def hold(cell: Cell) -> bool:
        # Without a text there is the empty one, so that "" finds what has none.
        return any(test(text.lower()) for text in texts_of(cell) or ("",))

    return hold


def row_predicate(query: Query, schema: Schema) -> Callable[[Any], bool]:
    """
    Make the function that tells whether a row matches.

    For single rows, as they change; a table answers for all of its rows at once.
    """
    terms = [_term_predicate(term, schema) for term in query.terms]
    return lambda row: all(holds_for(row) for holds_for in terms)


def _term_predicate(term: Term, schema: Schema) -> Callable[[Any], bool]:
    if term.column is None:
        test = any_holds(term.tests)
        return lambda row: test(schema.haystack(row)) is not term.negated
    return partial(_column_holds, term.column, cell_holds(term.tests), term.negated)


def _column_holds(column: Column, test: Callable[[Cell], bool], negated: bool, row: Any) -> bool:
    return test(column.read(row)) is not negated


def _finds(patterns: PatternSet, value: str) -> bool:
    check()
    return bool(patterns.matches(value))


def _globs(parts: tuple[str, ...], value: str) -> bool:
    """
    Match a glob without going back: the first place of each part is as good as any later one.

    >>> _globs(("a", "b", ""), "axbx"), _globs(("a", "a"), "a"), _globs(("", ""), "")
    (True, False, False)
    """
    first, *middle, last = parts
    end = len(value) - len(last)
    if not value or len(first) > end or not (value.startswith(first) and value.endswith(last)):
        return False
    at = len(first)
    for part in middle:
        at = value.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
