"""
The documents of the enriched API as routes give them: what each takes, and what it is made of.

Rule 1: a document's index is that of the rows it shows; what shows several sorts has the latest.
Rule 2: what is said behind the rows is the moment's: who answered, the index, how sure that is.
Rule 3: a parameter that a document does not know is refused before anything is done.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Any, Final

import structlog
from aiohttp import hdrs

from consul_edge.enrich import columns, documents, node_documents
from consul_edge.enrich.columns import Schema
from consul_edge.enrich.export import CONTENT_TYPE
from consul_edge.enrich.parameters import Accepted, Format, Listing, Poll, read_listing, read_poll
from consul_edge.enrich.rendering import ending
from consul_edge.enrich.standing import Standing
from consul_edge.enrich.targets import render_targets
from consul_edge.enrich.view import View
from consul_edge.web.api_answer import JSON
from consul_edge.web.api_request import Parameters, named, spelled

log = structlog.get_logger()

Index = Callable[[View], int]

OF_NODES: Final[Index] = attrgetter("nodes_index")
OF_SERVICES: Final[Index] = attrgetter("services_index")
OF_SITES: Final[Index] = attrgetter("sites_index")
OF_RULES: Final[Index] = attrgetter("rules_index")


End = Callable[[View, int, Standing, float], bytes]
"""Makes the end of a document of its index, and of the seconds that it took."""


def moment(_view: View, index: int, standing: Standing, _took: float) -> bytes:
    """Render what most documents end with."""
    servers = {"main_server": standing.main_server, "active_server": standing.active_server}
    return ending({**servers, "index": index, "cache": surety(standing)})


def surety(standing: Standing) -> dict[str, Any]:
    """Tell how sure an answer is."""
    return {"state": standing.state, "age_seconds": round(standing.age, 3)}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One document as somebody asks for it."""

    document: str
    """What it is kept and flushed as."""

    index_of: Index
    render: Callable[[View], bytes]
    """Makes all but its end, in a thread."""

    listing: str = ""
    """What is asked of it, in one spelling; empty: all."""

    is_search: bool = False
    """Whether that decides how long it takes."""

    poll: Poll | None = None
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    end: End | None = moment


def latest(*indexes: Index) -> Index:
    """Make the index of what shows several things."""
    return lambda view: max(index(view) for index in indexes)


def nodes(given: Parameters) -> Wanted:
    """Read what is asked of the nodes."""
    accepted = _accepted(columns.NODES, meta_filters=False)
    return _rows(given, accepted, "nodes", OF_NODES, documents.nodes, _nodes_csv)


def services(given: Parameters) -> Wanted:
    """Read what is asked of the instances."""
    accepted = _accepted(columns.SERVICES, meta_filters=True)
    return _rows(given, accepted, "services", OF_SERVICES, documents.services, _services_csv)


def node_services(given: Parameters, who: str) -> Wanted:
    """Read whose instances are meant."""
    return _of_node(given, who, "services", node_documents.services_of)


def node_names(given: Parameters, who: str) -> Wanted:
    """Read whose services' names are meant."""
    return _of_node(given, who, "service-names", node_documents.names_of)


def sites(given: Parameters) -> Wanted:
    """Read what is asked of the sites."""
    return Wanted("sites", OF_SITES, documents.sites, poll=polled(given))


def categories(given: Parameters) -> Wanted:
    """Read what is asked of the categories."""
    index = latest(OF_SERVICES, OF_RULES)
    return Wanted("rules", index, documents.categories, poll=polled(given))


def targets(given: Parameters) -> Wanted:
    """Read which instances are to be scraped."""
    listing = read_listing(given, _TARGETS)
    return Wanted(
        "services",
        latest(OF_SERVICES, OF_NODES),  # the labels have the nodes' Meta
        partial(_targets_of, listing),
        listing=f"sd {spelled(given)}",
        poll=listing.poll,
        # Prometheus takes this one, and no other.
        content_type="application/json",
        end=None,
        is_search=bool(spelled(given)),
    )


def polled(given: Parameters) -> Poll | None:
    """Read the parameters of a document that takes no others."""
    return read_poll(named(given, "index", "wait"))


def _targets_of(listing: Listing, view: View) -> bytes:
    found = render_targets(view, listing)
    if found.left_out:
        # Prometheus has no place for it; each render tells it, so an operator has to ask for it.
        log.debug("instances without a usable address are no targets", count=found.left_out)
    return found.content


_FACETS: Final = "facets"
_FORMATS: Final = (Format.JSON, Format.COLUMNS, Format.CSV)
_TARGETS: Final = Accepted(columns.SERVICES, meta_filters=True)


def _accepted(schema: Schema, *, meta_filters: bool) -> Accepted:
    return Accepted(schema, _FORMATS, meta_filters, frozenset({_FACETS}))


def _nodes_csv(view: View, listing: Listing) -> bytes:
    return documents.csv_of(view.nodes, listing)


def _services_csv(view: View, listing: Listing) -> bytes:
    return documents.csv_of(view.services, listing)


def _rows(
    given: Parameters,
    accepted: Accepted,
    document: str,
    index_of: Index,
    render: Callable[..., bytes],
    csv: Callable[[View, Listing], bytes],
) -> Wanted:
    listing = read_listing(given, accepted)
    further = named([pair for pair in given if pair[0] == _FACETS], _FACETS)
    facets = documents.read_facets(further.get(_FACETS, ""), accepted.schema)
    asked = spelled(given)
    wanted = partial(
        Wanted, document, index_of, listing=asked, poll=listing.poll, is_search=bool(asked)
    )
    if listing.format is Format.CSV:
        return wanted(
            lambda view: csv(view, listing),
            content_type=CONTENT_TYPE,
            headers={hdrs.CONTENT_DISPOSITION: f'attachment; filename="{document}.csv"'},
            end=None,
        )
    return wanted(lambda view: render(view, listing, facets))


def _of_node(
    given: Parameters, who: str, what: str, render: Callable[[View, str], bytes]
) -> Wanted:
    index = latest(OF_NODES, OF_SERVICES)
    listing = f"{what} {who}"
    return Wanted(
        "nodes", index, lambda view: render(view, who), listing=listing, poll=polled(given)
    )
