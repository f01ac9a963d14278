"""
The query parameters of routes that list rows: read once, checked, and refused by name.

Rule 1: a parameter that cannot mean anything is an error with its name, its value and what is
allowed; nobody gets rows that a slip of the pen has chosen.
Rule 2: a filter's value is the whole of a text, whatever the case. Commas separate several, any
of which will do; so do repeated parameters. A value with a comma is in double quotes, or the only
one. Nothing, and ``all``, is no filter; ``""`` is "has none".
Rule 3: where a route allows it, any other name is a key of Meta; ``meta.KEY`` is one anywhere.
"""

import csv
import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NoReturn

from consul_edge.core.durations import parse_duration
from consul_edge.core.errors import BadRequest
from consul_edge.enrich.columns import Column, Kind, Schema
from consul_edge.enrich.document import shown
from consul_edge.enrich.query import parse_query
from consul_edge.enrich.table import Key
from consul_edge.enrich.terms import Query, Term, Whole

MAX_PARAMETERS: Final = 100
MAX_VALUES: Final = 500
"""Of one filter."""

MAX_LENGTH: Final = 16_384
"""Of one value."""

PAGE_SIZE: Final = 50
LARGEST_PAGE_SIZE: Final = 1_000
LARGEST_PAGE: Final = 1_000_000
MAX_KEYS: Final = 3
LARGEST_INDEX: Final = (1 << 64) - 1
LONGEST_WAIT: Final = 600.0
DEFAULT_WAIT: Final = 300.0
ORDERS: Final = {"asc": False, "ascend": False, "desc": True, "descend": True}
META_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")

_ALIASES: Final = {"sort_field": "sort", "sort_order": "order"}
_CONTROLS: Final = ("q", "page", "page_size", "sort", "order", "format", "index", "wait")
_COUNT: Final = re.compile(r"[0-9]{1,20}")


class Format(StrEnum):
    """How rows are written."""

    JSON = "json"
    COLUMNS = "columns"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Accepted:
    """What one route takes."""

    schema: Schema
    formats: tuple[Format, ...] = (Format.JSON,)
    meta_filters: bool = False
    """Whether an unknown parameter is a key of Meta."""

    further: frozenset[str] = frozenset()
    """Parameters that the route reads itself."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which page, counted from 1."""

    number: int
    size: int


@dataclass(frozen=True, slots=True)
class Poll:
    """Wait for something other than this index."""

    index: int
    wait: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Which rows are asked for, and how."""

    query: Query
    filters: tuple[Term, ...]
    applied: Mapping[str, tuple[str, ...]]
    """The filters as they were read: values by the name of the parameter."""

    keys: tuple[Key, ...]
    page: Page | None
    """None: all rows."""

    format: Format
    poll: Poll | None

    @property
    def terms(self) -> tuple[Term, ...]:
        """All that a row must fulfil."""
        return self.filters + self.query.terms


def read_listing(parameters: Iterable[tuple[str, str]], accepted: Accepted) -> Listing:
    """
    Read decoded parameters in their order.

    Raises:
        BadRequest: With the name, the value and what is allowed.
    """
    controls: dict[str, str] = {}
    named: dict[str, list[str]] = {}
    bare_sort = False
    for count, (name, value) in enumerate(parameters, 1):
        if count > MAX_PARAMETERS:
            raise BadRequest(f"expected at most {MAX_PARAMETERS} parameters")
        if len(value) > MAX_LENGTH:
            _refuse(name, value, f"expected at most {MAX_LENGTH:,} characters")
        control = _ALIASES.get(name, name)
        if name in accepted.further:
            continue
        if control not in _CONTROLS:
            named.setdefault(name, []).append(value)
        elif control in controls:
            _refuse(name, value, "expected it once")
        else:
            controls[control] = value
            bare_sort = bare_sort or name == "sort_field"
    filters, applied = _filters(named, accepted)
    return Listing(
        query=parse_query(controls.get("q", ""), accepted.schema),
        filters=filters,
        applied=applied,
        keys=_keys(controls, accepted.schema, bare=bare_sort),
        page=_page(controls),
        format=_format(controls, accepted),
        poll=read_poll(controls),
    )


def read_poll(controls: Mapping[str, str]) -> Poll | None:
    """
    Read ``index`` and ``wait`` as Consul reads its own.

    Raises:
        BadRequest: With the name, the value and what is expected.
    """
    wait = DEFAULT_WAIT
    if controls.get("wait"):
        try:
            wait = parse_duration(controls["wait"])
        except ValueError as error:
            _refuse("wait", controls["wait"], str(error))
        if wait < 0:
            _refuse("wait", controls["wait"], "expected a duration from 0s")
    text = controls.get("index") or "0"
    if not _COUNT.fullmatch(text) or int(text) > LARGEST_INDEX:
        _refuse("index", text, "expected the index of an answer")
    # Consul takes no wait for its default, and caps a longer one.
    return Poll(int(text), min(wait, LONGEST_WAIT) or DEFAULT_WAIT) if int(text) else None


def split_values(name: str, text: str) -> tuple[str, ...]:
    """
    Take the values of a filter apart.

    >>> split_values("site", "rio, dtc,"), split_values("site", "all"), split_values("site", "")
    (('rio', 'dtc'), (), ())
    >>> split_values("company", '"Beta, Inc",Acme'), split_values("company", "Beta, Inc")
    (('Beta, Inc', 'Acme'), ('Beta', 'Inc'))
    """
    if '"' in text:
        return _split_quoted(name, text)
    values = tuple(part for part in map(str.strip, text.split(",")) if part)
    if "all" in map(str.lower, values):
        return ()
    return values


def _split_quoted(name: str, text: str) -> tuple[str, ...]:
    try:
        (values,) = csv.reader([text], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError):
        _refuse(name, text, 'expected values in double quotes, with "" for one within')
    return tuple(values)


def _filters(
    named: Mapping[str, list[str]], accepted: Accepted
) -> tuple[tuple[Term, ...], dict[str, tuple[str, ...]]]:
    terms, applied = [], {}
    for name, texts in named.items():
        column = _filtered_column(name, accepted)
        split = [split_values(name, text) for text in texts]
        values = tuple(dict.fromkeys(value for part in split for value in part))
        if not all(split):
            continue  # one of them says: all
        if len(values) > MAX_VALUES:
            _refuse(name, texts[0], f"expected at most {MAX_VALUES} values")
        for value in values:
            _check(name, value, column)
        # A client that chose one value only has no reason to quote its comma.
        wholes = [text.strip() for text in texts if "," in text and '"' not in text]
        tests = (Whole(value.lower()) for value in dict.fromkeys((*values, *wholes)))
        terms.append(Term(tuple(tests), column))
        applied[name] = values
    return tuple(terms), applied


def _filtered_column(name: str, accepted: Accepted) -> Column:
    column = accepted.schema.find(name)
    if column is not None:
        return column
    plain = name.lower().replace("_", "").replace("-", "")
    for control in (*_CONTROLS, *accepted.further):
        if plain == control.replace("_", ""):
            raise BadRequest(f"{name}: no such parameter; did you mean {control}?")
    if accepted.meta_filters and META_KEY.fullmatch(name):
        return accepted.schema.meta_column(name)
    known = [*_CONTROLS, *sorted(accepted.further), *accepted.schema.columns, "meta.KEY"]
    near = difflib.get_close_matches(name[:100].lower(), known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise BadRequest(f"{shown(name)}: no such parameter; {hint}known are {', '.join(known)}")


def _check(name: str, value: str, column: Column) -> None:
    if column.kind is Kind.NUMBER and value and not _COUNT.fullmatch(value):
        _refuse(name, value, "expected a number")
    if column.severity and value and value.lower() not in column.severity:
        _refuse(name, value, f"expected one of {', '.join(column.severity)}")


def _keys(controls: Mapping[str, str], schema: Schema, *, bare: bool) -> tuple[Key, ...]:
    names = [name for name in map(str.strip, controls.get("sort", "").split(",")) if name]
    orders = [one for one in map(str.strip, controls.get("order", "").split(",")) if one]
    if len(names) > MAX_KEYS:
        _refuse("sort", controls["sort"], f"expected at most {MAX_KEYS} columns")
    if len(orders) > max(len(names), 1):
        _refuse("order", controls["order"], "expected one for each column of sort")
    for order in orders:
        if order.lower() not in ORDERS:
            _refuse("order", order, f"expected one of {', '.join(ORDERS)}")
    keys = []
    for place, name in enumerate(names):
        column = schema.find(name)
        if column is None and bare and META_KEY.fullmatch(name):
            column = schema.meta_column(name)
        if column is None:
            known = ", ".join([*schema.columns, "meta.KEY"])
            _refuse("sort", name, f"expected one of {known}")
        # Columns without an order of their own are ascending.
        keys.append(Key(column, place < len(orders) and ORDERS[orders[place].lower()]))
    return tuple(keys)


def _page(controls: Mapping[str, str]) -> Page | None:
    if "page" not in controls and "page_size" not in controls:
        return None
    return Page(
        _number(controls, "page", 1, LARGEST_PAGE),
        _number(controls, "page_size", PAGE_SIZE, LARGEST_PAGE_SIZE),
    )


def _number(controls: Mapping[str, str], name: str, default: int, largest: int) -> int:
    text = controls.get(name, str(default))
    if not _COUNT.fullmatch(text) or not 1 <= int(text) <= largest:
        _refuse(name, text, f"expected a whole number from 1 to {largest}")
    return int(text)


def _format(controls: Mapping[str, str], accepted: Accepted) -> Format:
    text = controls.get("format") or accepted.formats[0]
    if text not in accepted.formats:
        _refuse("format", text, f"expected one of {', '.join(accepted.formats)}")
    return Format(text)


def _refuse(name: str, value: str, expected: str) -> NoReturn:
    raise BadRequest(f"{name}: {shown(value)}: {expected}")
