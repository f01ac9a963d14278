"""
The original's ``monitoring`` documents, for clients that read those, but for their ends.

Rule 1: names and shapes are the original's, so is what they leave out: rows do not say their
category. Who wants more reads ``/api/v1/services``.
Rule 2: options are those of the rows that the filters leave, before paging.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from operator import attrgetter
from typing import Final

from msgspec import Struct, field

from consul_edge.enrich.categories import titled
from consul_edge.enrich.columns import SERVICES, Column, Kind
from consul_edge.enrich.documents import paging, picked, rules_by_category
from consul_edge.enrich.natural import natural_key
from consul_edge.enrich.parameters import Listing
from consul_edge.enrich.problems import problems_of_services
from consul_edge.enrich.rendering import opened
from consul_edge.enrich.rows import ServiceRow
from consul_edge.enrich.sites import Sites
from consul_edge.enrich.table import page_of
from consul_edge.enrich.view import View

MAX_FIELDS: Final = 100
"""Keys of Meta that are told, the most frequent first: anybody may register any."""

MAX_OPTIONS: Final = 1_000
"""Values of one field, the first in natural order; how many there are is told beside."""

MISSING: Final = "N/A"


class MonitoringRow(Struct, frozen=True, kw_only=True):
    """One instance, as the original had it."""

    id: str = field(name="ID")
    service: str = field(name="Service")
    tags: tuple[str, ...] = field(name="Tags")
    meta: Mapping[str, str] = field(name="Meta")
    port: int = field(name="Port")
    address: str = field(name="Address")
    node: str = field(name="Node")
    node_address: str = field(name="NodeAddress")
    node_ip: str
    site_code: str | None
    """None: at no site, which then has no name either."""

    site_name: str | None


class Source(Struct, frozen=True, kw_only=True):
    """Who answered, and how sure it is: the original's ``_metadata``, for a document's end."""

    source_node: str | None
    """A bare host."""

    source_name: str | None
    """Of its site; without one, the host."""

    is_master: bool
    """Whether it is the main server."""

    attempts: int
    total_time_ms: int
    cache_status: str
    age_seconds: int
    staleness_ms: int


def data(view: View, listing: Listing, category: str) -> bytes:
    """
    Render instances of a category.

    Args:
        listing: All filters, that of the category among them.

        category: What was asked for, as it was written.
    """
    table, page = view.services, listing.page
    order = table.sort(table.select(listing.terms), listing.keys)
    options, distinct = _options(view, picked(table, order))
    shown = order if page is None else page_of(order, page.number, page.size)
    return opened(
        {
            "success": True,
            "category": category,
            "data": list(map(_row, picked(table, shown))),
            "total": len(order),
            **paging(page, len(order)),
            "available_fields": _fields(view),
            "filters_applied": _applied(listing),
            "metadata": {
                "total_sites": len(view.sites.sites),
                "categorization_engine": "loaded",
            },
            "filterOptions": options,
            "_fieldStats": distinct,
            **problems_of_services(view.snapshot),
        }
    )


def summary(view: View, listing: Listing, category: str) -> bytes:
    """Render how many instances of a category there are of each company, environment, place."""
    table = view.services
    chosen = table.select(listing.terms)
    counts = {name: table.count(chosen, column) for name, column in _SUMMED.items()}
    summed = {name: _with_missing(count) for name, count in counts.items()}
    return opened(
        {
            "success": True,
            "category": category,
            "summary": {
                "total": len(chosen),
                "byCompany": summed["company"],
                "byEnv": summed["env"],
                "bySite": summed["site"],
                "byNode": summed["node"],
            },
            "filterOptions": {
                name: list(islice(filter(None, count), MAX_OPTIONS))
                for name, count in counts.items()
            },
            "filtersApplied": _applied(listing),
            **problems_of_services(view.snapshot),
        }
    )


def categories(view: View) -> bytes:
    """Render the categories with the number of rules of each."""
    counts = rules_by_category(view.rules)
    listed = [
        {
            "id": category.id,
            "display_name": category.display_name,
            "total_rules": counts.get(category.id, 0),
        }
        for category in view.rules.categories
    ]
    return opened({"success": True, "categories": listed, "total_categories": len(listed)})


def source(
    sites: Sites,
    *,
    active_host: str | None,
    main_host: str,
    state: str,
    age: float,
    took: float,
    attempts: int = 1,
) -> Source:
    """
    Tell who answered.

    Args:
        active_host: Of the server that is asked now, without its port; None: none answers.

        age: Seconds since the rows were proven last.

        took: Seconds that this answer took.
    """
    site = sites.site_of(active_host) if active_host else None
    return Source(
        source_node=active_host,
        source_name=site.name if site else active_host,
        is_master=active_host == main_host,
        attempts=attempts,
        total_time_ms=round(took * 1000),
        cache_status=state,
        age_seconds=int(age),
        staleness_ms=round(age * 1000),
    )


def _row(row: ServiceRow) -> MonitoringRow:
    return MonitoringRow(
        id=row.id,
        service=row.service,
        tags=row.tags,
        meta=row.meta,
        port=row.port,
        address=row.address,
        node=row.node,
        node_address=row.node_address,
        node_ip=row.node_address,
        site_code=row.site_code or None,
        site_name=row.site_name if row.site_code else None,
    )


def _fields(view: View) -> list[dict[str, str]]:
    return [
        {"name": key, "display_name": titled(key), "field_type": "string"}
        for key in view.services.meta_keys[:MAX_FIELDS]
    ]


def _options(
    view: View, rows: Iterable[ServiceRow]
) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Give the values of each field, and how many there are."""
    values: dict[str, dict[str, None]] = {name: {} for name in _FIXED}
    values |= {key: {} for key in view.services.meta_keys[:MAX_FIELDS]}
    for row in rows:
        for name, value in zip(_FIXED, _fixed(row), strict=True):
            values[name][value] = None
        for key, value in row.meta.items():
            if key in values:
                values[key][value] = None
    options, distinct = {}, {}
    for name, found in values.items():
        found.pop("", None)
        if found:
            options[name] = sorted(found, key=natural_key)[:MAX_OPTIONS]
            distinct[name] = len(found)
    return options, distinct


_FIXED: Final = ("Node", "Service", "node_ip", "site_code", "site_name")


def _fixed(row: ServiceRow) -> tuple[str, ...]:
    name = row.site_name if row.site_code else ""
    return row.node, row.service, row.node_address, row.site_code, name


def _applied(listing: Listing) -> dict[str, str]:
    """Give the filters as they were read, but for the category, which has a field."""
    return {
        name: ",".join(values)
        for name, values in listing.applied.items()
        if name.lower() != "category"
    }


def _with_missing(counts: Mapping[str, int]) -> dict[str, int]:
    named = {text: count for text, count in counts.items() if text}
    if counts.get(""):
        named[MISSING] = named.get(MISSING, 0) + counts[""]
    return named


_SUMMED: Final = {
    "company": SERVICES.columns["company"],
    "env": SERVICES.columns["env"],
    "site": SERVICES.columns["site_code"],
    "node": Column("node_name", Kind.TEXT, attrgetter("node")),
}
