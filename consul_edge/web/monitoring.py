"""
The original's ``/api/v1/monitoring`` documents as routes give them.

Rule: parameters mean what they mean for ``/api/v1/services``; the category is one of them, and the
listing must have one, as it had there.
"""

from typing import Final

from consul_edge.core.errors import BadRequest
from consul_edge.enrich import columns, monitoring
from consul_edge.enrich.parameters import Accepted, read_listing
from consul_edge.enrich.rendering import ending
from consul_edge.enrich.standing import Standing
from consul_edge.enrich.view import View
from consul_edge.web.api_documents import (
    OF_RULES,
    OF_SERVICES,
    OF_SITES,
    Wanted,
    latest,
    polled,
    surety,
)
from consul_edge.web.api_request import Parameters, spelled
from consul_edge.web.hosts import host_name

_ACCEPTED: Final = Accepted(columns.SERVICES, meta_filters=True)


def data(given: Parameters) -> Wanted:
    """Read which instances of which category are meant."""
    listing = read_listing(given, _ACCEPTED)
    category = _category(given)
    if not category:
        raise BadRequest("category: expected one of those of /api/v1/categories, or all")
    return Wanted(
        "services",
        latest(OF_SERVICES, OF_SITES),
        lambda view: monitoring.data(view, listing, category),
        listing=f"data {spelled(given)}",
        poll=listing.poll,
        end=_source,
        is_search=True,
    )


def summary(given: Parameters) -> Wanted:
    """Read what is to be summed up."""
    listing = read_listing(given, _ACCEPTED)
    category = _category(given) or "all"
    return Wanted(
        "services",
        OF_SERVICES,
        lambda view: monitoring.summary(view, listing, category),
        listing=f"summary {spelled(given)}",
        poll=listing.poll,
        is_search=bool(spelled(given)),
    )


def categories(given: Parameters) -> Wanted:
    """Read what is asked of the categories."""
    return Wanted(
        "rules", OF_RULES, monitoring.categories, listing="monitoring", poll=polled(given)
    )


def _category(given: Parameters) -> str:
    return ",".join(value for name, value in given if name.lower() == "category" and value)


def _source(view: View, index: int, standing: Standing, took: float) -> bytes:
    source = monitoring.source(
        view.sites,
        active_host=host_name(standing.active_server),
        main_host=standing.main_server,
        state=standing.state,
        age=standing.age,
        took=took,
    )
    return ending({"_metadata": source, "index": index, "cache": surety(standing)})
