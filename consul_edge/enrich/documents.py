"""
The documents of the enriched API, but for their ends: nodes, services, sites, categories.

Rule 1: what these functions give is an object whose closing brace is missing; who answers puts an
``ending`` behind it. CSV has none.
Rule 2: a document depends on its view's rows and on what was asked, on nothing else.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from consul_edge.core.errors import BadRequest
from consul_edge.enrich.columnar import to_columns
from consul_edge.enrich.columns import SERVICES, Column, Schema
from consul_edge.enrich.document import shown
from consul_edge.enrich.export import csv_chunks
from consul_edge.enrich.parameters import Format, Listing, Page
from consul_edge.enrich.problems import problems_of_nodes, problems_of_services
from consul_edge.enrich.rendering import opened
from consul_edge.enrich.rules import Rules
from consul_edge.enrich.table import RowType, Table, page_of
from consul_edge.enrich.view import View

MAX_FACETS: Final = 20


def nodes(view: View, listing: Listing, facets: Iterable[Column] = ()) -> bytes:
    """Render the nodes that are asked for."""
    return _listed(view.nodes, listing, facets, problems_of_nodes(view.snapshot))


def services(view: View, listing: Listing, facets: Iterable[Column] = ()) -> bytes:
    """Render the instances that are asked for."""
    return _listed(view.services, listing, facets, problems_of_services(view.snapshot))


def csv_of(table: Table[RowType], listing: Listing) -> bytes:
    """Render the rows of a table that are asked for as CSV: a whole document."""
    return b"".join(csv_chunks(table, ordered(table, listing)[0]))


def sites(view: View) -> bytes:
    """Render the sites with what is at each, and what is wrong with their document."""
    problems = [*map(str, view.sites.problems)]
    return opened(
        {
            "success": True,
            "data": view.site_rows,
            "total": len(view.site_rows),
            "problems": problems,
            "problems_left_out": view.sites.problems_left_out,
        }
    )


def categories(view: View) -> bytes:
    """Render the categories with the number of instances and of rules of each."""
    rows = view.services.count(range(len(view.services)), _CATEGORY)
    rules = rules_by_category(view.rules)
    data = [
        {
            "id": category.id,
            "display_name": category.display_name,
            "total": rows.get(category.id, 0),
            "rules": rules.get(category.id, 0),
            "color": category.color,
        }
        for category in view.rules.categories
    ]
    return opened({"success": True, "data": data, "total": len(data)})


def read_facets(text: str, schema: Schema) -> tuple[Column, ...]:
    """
    Read the names of columns whose values are to be counted.

    Raises:
        BadRequest: With the name that is none.

    >>> [column.name for column in read_facets("category, site,meta.os", SERVICES)]
    ['category', 'site', 'meta.os']
    """
    columns: dict[str, Column] = {}
    for name in filter(None, map(str.strip, text.split(","))):
        column = schema.find(name)
        if column is None:
            known = ", ".join([*schema.columns, "meta.KEY"])
            raise BadRequest(f"facets: {shown(name)}: expected one of {known}")
        columns[column.name] = column
    if len(columns) > MAX_FACETS:
        raise BadRequest(f"facets: {shown(text)}: expected at most {MAX_FACETS}")
    return tuple(columns.values())


def ordered(table: Table[RowType], listing: Listing) -> tuple[Sequence[int], int]:
    """Give the numbers of the rows that are asked for, in order, and how many all pages have."""
    order = table.sort(table.select(listing.terms), listing.keys)
    total = len(order)
    if listing.page is not None:
        order = page_of(order, listing.page.number, listing.page.size)
    return order, total


def paging(page: Page | None, total: int) -> dict[str, Any]:
    """
    Give the fields that tell of pages.

    >>> paging(Page(2, 50), 101), paging(None, 101)
    ({'page': 2, 'pageSize': 50, 'totalPages': 3}, {})
    """
    if page is None:
        return {}
    return {"page": page.number, "pageSize": page.size, "totalPages": -(-total // page.size)}


def picked(table: Table[RowType], order: Sequence[int]) -> Sequence[RowType]:
    """Give the rows of some numbers."""
    rows = table.rows
    is_all = isinstance(order, range) and len(order) == len(rows)
    return rows if is_all else [rows[number] for number in order]


def rules_by_category(rules: Rules) -> dict[str, int]:
    """Count the rules of each category that has some."""
    counts: dict[str, int] = {}
    for rule in rules.rules:
        counts[rule.category] = counts.get(rule.category, 0) + 1
    return counts


def _listed(
    table: Table[RowType],
    listing: Listing,
    facets: Iterable[Column],
    problems: dict[str, Any],
) -> bytes:
    order, total = ordered(table, listing)
    told: dict[str, Any] = {"success": True}
    if listing.format is Format.COLUMNS:
        told |= to_columns(table, order)
    else:
        told["data"] = picked(table, order)
    told |= {"total": total, **paging(listing.page, total)}
    columns = tuple(facets)
    if columns:
        told["facets"] = table.count_facets(listing.terms, columns)
    return opened(told | problems)


_CATEGORY: Final = SERVICES.columns["category"]
