"""
Query parameters of the enriched API as OpenAPI has them, made of what reads them.

Rule 1: names, values, bounds and defaults are those of ``enrich.parameters`` and of the columns:
nothing of them is written here a second time.
Rule 2: a name that only stands for another one (``tag`` for ``Tags``) is told, but is no parameter
of its own: of the two only one may be there, which OpenAPI cannot say.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from consul_edge.core.durations import render_duration
from consul_edge.enrich import columns, query
from consul_edge.enrich.columns import Column, Kind, Schema
from consul_edge.enrich.documents import MAX_FACETS
from consul_edge.enrich.parameters import (
    DEFAULT_WAIT,
    LARGEST_INDEX,
    LARGEST_PAGE,
    LARGEST_PAGE_SIZE,
    LONGEST_WAIT,
    MAX_KEYS,
    MAX_LENGTH,
    MAX_VALUES,
    META_KEY,
    ORDERS,
    PAGE_SIZE,
    Format,
)

Parameter = dict[str, Any]

_DURATION: Final = "(0|(([0-9]+([.][0-9]*)?|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h))+)"

_META: Final = f"^meta[.]{META_KEY.pattern}$"
_COUNT: Final = "^[0-9]{1,20}$"


def components() -> tuple[dict[str, Parameter], dict[str, list[str]]]:
    """
    Make all parameters by their names as components, and the groups of those that go together.

    A group is what a route takes: ``paths.yaml`` names groups.
    """
    made = _controls()
    nodes = _listing(made, "nodes", columns.NODES, _prefixed_meta())
    services = _listing(made, "services", columns.SERVICES, _any_meta())
    made["monitored.category"] = _required(made["services.category"])
    by_category = ["monitored.category", *(one for one in services if one != "services.category")]
    poll = ["index", "wait"]
    return made, {
        "poll": poll,
        "nodes": [*nodes, "facets.nodes", "format", *poll],
        "services": [*services, "facets.services", "format", *poll],
        "instances": [*services, "format.json", *poll],
        "instances of a category": [*by_category, "format.json", *poll],
        "categorize": ["service", "module", "metrics_path"],
        "events": ["index", "lastEventId"],
        "readiness": ["max_stale"],
    }


def _controls() -> dict[str, Parameter]:
    index = {"type": "integer", "minimum": 0, "maximum": LARGEST_INDEX, "default": 0}
    wait = {
        "type": "string",
        "pattern": _whole(f"([+]?{_DURATION})?"),
        "default": render_duration(DEFAULT_WAIT),
    }
    page = {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": 1}
    size = {
        "type": "integer",
        "minimum": 1,
        "maximum": LARGEST_PAGE_SIZE,
        "default": PAGE_SIZE,
    }
    text = {"type": "string", "maxLength": MAX_LENGTH}
    longest = render_duration(LONGEST_WAIT)
    order = {"type": "array", "items": {"enum": [*ORDERS]}, "maxItems": MAX_KEYS}
    return {
        "index": _one(
            "index",
            "The `index` of an answer: wait until the document is another one. Any other index"
            " is answered at once.",
            index,
        ),
        "wait": _one(
            "wait", f"How long to wait at most, as Go writes durations; up to {longest}.", wait
        ),
        "q": _one(
            "q",
            'Search: terms between blanks, all of which hold. `word`, `"two words"`, `-not`,'
            " `column:value,other`, `column:>5`, `column:/regex/`, `meta.KEY:value`, `/regex/`.",
            {"type": "string", "maxLength": query.MAX_LENGTH},
            example="status:critical,warning -meta.env:dev",
        ),
        "page": _one(
            "page", "Which page, from 1. Neither `page` nor `page_size`: all rows.", page
        ),
        "page_size": _one("page_size", "How many rows a page has.", size),
        "order": _commas(
            "order",
            "The direction of each column of `sort`, at most one each. Also `sort_order`.",
            order,
        ),
        "lastEventId": {
            "name": "Last-Event-ID",
            "in": "header",
            "description": "The `id` of the last event that the reader has; goes before `index`.",
            "schema": index,
        },
        "max_stale": _one(
            "max_stale",
            "Not ready if what there is to serve is older, as Go writes durations.",
            {"type": "string", "pattern": _whole(f"[+-]?{_DURATION}")},
            example="30s",
        ),
        "service": _one(
            "service",
            "The name of a service in Consul.",
            {**text, "minLength": 1},
            required=True,
            example="blackbox_exporter",
        ),
        "module": _one("module", "Its `Meta.module`.", text, example="icmp"),
        "metrics_path": _one("metrics_path", "Its `Meta.metrics_path`.", text, example="/probe"),
        "format": _one(
            "format",
            "`columns` is columnar and dictionary-coded; `csv` is for spreadsheets.",
            {"enum": [*Format], "default": Format.JSON},
        ),
        "format.json": _one(
            "format", "There is one.", {"enum": [Format.JSON], "default": Format.JSON}
        ),
    }


def _listing(made: dict[str, Parameter], name: str, schema: Schema, meta: Parameter) -> list[str]:
    """Make what is asked of rows of one sort; give the names of all that a listing takes."""
    one = _one_of(schema)
    sort = {"type": "array", "items": one, "maxItems": MAX_KEYS}
    facets = {"type": "array", "items": one}
    own = {f"{name}.{column.name}": _filter(column, also) for column, also in _names(schema)}
    own[f"sort.{name}"] = _commas(
        "sort",
        "Columns, the most important first. Also `sort_field`, which takes bare keys of Meta.",
        sort,
    )
    own[f"{name}.meta"] = meta
    made |= own
    made[f"facets.{name}"] = _commas(
        "facets",
        f"At most {MAX_FACETS} columns whose values are counted, whatever their own filters say.",
        facets,
    )
    return [*own, "q", "page", "page_size", "order"]


def _names(schema: Schema) -> Iterable[tuple[Column, list[str]]]:
    """Give each column with the further names that it has."""
    for column in dict.fromkeys(schema.columns.values()):
        names = [name for name, other in schema.columns.items() if other is column]
        yield column, [name for name in names if name != column.name.lower()]


def _one_of(schema: Schema) -> dict[str, Any]:
    names = [column.name for column, _ in _names(schema)]
    return {"anyOf": [{"enum": names}, {"type": "string", "pattern": _META}]}


def _filter(column: Column, also: Iterable[str]) -> Parameter:
    item: dict[str, Any] = {"type": "string"}
    if column.severity:
        item = {"enum": [*column.severity]}
    elif column.kind is Kind.NUMBER:
        item = {"type": "string", "pattern": _COUNT}
    names = "".join(f" Also `{name}`." for name in also)
    return _commas(
        column.name,
        f"Only rows whose `{column.name}` is one of these, of at most {MAX_VALUES}.{names}",
        # Not as maxItems: who says one of them twice is not refused.
        {"type": "array", "items": item},
    )


def _required(category: Parameter) -> Parameter:
    schema = category["schema"]
    return {
        **category,
        "description": f"{category['description']} `all` is every category.",
        "required": True,
        "schema": {**schema, "minItems": 1, "items": {**schema["items"], "minLength": 1}},
    }


def _any_meta() -> Parameter:
    return _meta("Only rows whose Meta has these values: any other name is a key of Meta.", "")


def _prefixed_meta() -> Parameter:
    return _meta("Only rows whose Meta has these values, by `meta.KEY`.", "meta[.]")


def _meta(description: str, prefix: str) -> Parameter:
    return {
        "name": "meta",
        "in": "query",
        "description": description,
        "style": "form",
        "explode": True,
        "schema": {
            "type": "object",
            "propertyNames": {"pattern": _whole(prefix + META_KEY.pattern)},
            "additionalProperties": {"type": "string"},
        },
    }


def _one(name: str, description: str, schema: Mapping[str, Any], **more: Any) -> Parameter:
    return {"name": name, "in": "query", "description": description, "schema": schema, **more}


def _commas(name: str, description: str, schema: Mapping[str, Any]) -> Parameter:
    return _one(name, f"{description} Separated by commas.", schema, style="form", explode=False)


def _whole(pattern: str) -> str:
    return f"^{pattern}$"
