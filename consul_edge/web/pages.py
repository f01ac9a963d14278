"""
The page: services at ``/``, nodes at ``/nodes``; the first rows are in its HTML.

Rule 1: it is whole without a script: rows, links that sort, filter and turn pages, one row's
details.  Scripts make it faster to use, and show nothing that the API does not give.
Rule 2: it always comes.  What cannot be gathered in ``PATIENCE`` is not waited for; if there is
nothing to show, it says so, why, and how each server is.
Rule 3: nothing in it runs but our own modules, and no text in it is taken for markup.
"""

import asyncio
import gzip
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any, Final

import aiohttp_jinja2
import msgspec
from aiohttp import hdrs, web
from markupsafe import Markup

from consul_edge import __version__
from consul_edge.core.errors import EdgeError
from consul_edge.enrich import archive
from consul_edge.enrich.patience import Patience, TakesTooLong
from consul_edge.enrich.problems import problems_of_nodes, problems_of_services
from consul_edge.enrich.standing import Standing, State
from consul_edge.enrich.table import Table, page_of
from consul_edge.enrich.view import View
from consul_edge.web.admin_gate import GATE
from consul_edge.web.api_answer import CACHE_CONTROL, VARY, provenance
from consul_edge.web.assets import ASSETS
from consul_edge.web.hits import accepts_gzip
from consul_edge.web.keys import GENERATION, UPSTREAM, VIEWS
from consul_edge.web.page_address import MOST_ROWS, ROWS, Address, read_address, simpler
from consul_edge.web.page_columns import LAYOUTS, NODES_LAYOUT, SERVICES_LAYOUT, Layout
from consul_edge.web.page_data import page_data
from consul_edge.web.page_row import row_of, sought
from consul_edge.web.page_summary import (
    MOST_VALUES,
    bare_strip,
    facets_of,
    hit_ratio,
    servers_of,
    strip_of,
)
from consul_edge.web.rendering import LEVEL
from consul_edge.web.words import Speech, negotiated

PATIENCE: Final = 3.0
"""Seconds that a page waits for a cluster that nobody has looked at yet."""

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(
        f"{feature}=()"
        for feature in ("camera", "geolocation", "microphone", "payment", "usb", "browsing-topics")
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

TEMPLATE: Final = "page.html"


async def services(request: web.Request) -> web.StreamResponse:
    """Show the instances."""
    return await _page(request, SERVICES_LAYOUT)


async def nodes(request: web.Request) -> web.StreamResponse:
    """Show the nodes."""
    return await _page(request, NODES_LAYOUT)


async def _page(request: web.Request, layout: Layout) -> web.StreamResponse:
    address = read_address(request.query.items(), layout)
    language = address.own.lang or negotiated(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))
    token = request.app[UPSTREAM].credentials.token_in(request.headers.items())
    views = request.app[VIEWS]
    view: View | None = None
    error: EdgeError | None = None
    try:
        async with asyncio.timeout(PATIENCE):
            view = await views.view(token, request.remote or "")
    except EdgeError as failure:
        error = failure
    except TimeoutError:
        pass  # it is still being gathered, and the page says so
    standing = views.standing(token) if view is not None else None
    context = _surroundings(request, address, Speech(language), standing, error)
    # Sorting a hundred thousand rows, or writing two thousand, is nothing for the event loop.
    zips = accepts_gzip(",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ())))
    body = await _patiently(partial(_rendered, request, context, view, zips=zips), address)
    status = 200 if error is None else error.status
    response = web.Response(status=status, body=body, charset="utf-8", content_type="text/html")
    if zips:
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
    response.headers.update(SECURITY_HEADERS)
    response.headers[hdrs.CACHE_CONTROL] = CACHE_CONTROL
    response.headers[hdrs.VARY] = f"{VARY}, Accept-Language"
    response.headers[hdrs.CONTENT_LANGUAGE] = language
    if standing is not None:
        response.headers.update(provenance(standing))
    return response


async def _patiently(render: Callable[[Address], bytes], address: Address) -> bytes:
    """Render in another thread; a search that takes too long is left out, and said to be."""
    while True:
        # What is searched for decides how long it takes; without it the rows do.
        patience = Patience(archive.SEARCH_SECONDS if address.listing.terms else inf)
        try:
            return await asyncio.to_thread(patience.spend, partial(render, address))
        except TakesTooLong as slow:
            address = simpler(address, str(slow))
        finally:
            patience.end()  # who leaves has nobody work for him


def _surroundings(
    request: web.Request,
    address: Address,
    speech: Speech,
    standing: Standing | None,
    error: EdgeError | None,
) -> dict[str, Any]:
    """Give what the page tells whoever looks, rows or none."""
    upstream = request.app[UPSTREAM]
    layout = address.layout
    ui = request.app[GENERATION].settings.ui_proxy
    trusted = request.app[GATE].trusts(request)
    return {
        "t": speech,
        "layout": layout,
        "layouts": LAYOUTS,
        "asset": request.app[ASSETS].path,
        "version": __version__,
        "servers": servers_of(upstream.servers),
        "active": upstream.servers.active.name,
        "local_agent": upstream.local_agent.name,
        "ui": ui,
        "ratio": hit_ratio(),
        "standing": standing,
        "is_stale": standing is not None and standing.state is State.STALE,
        "error": error,
        "data": script_safe(page_data(layout, speech, standing, ui=ui, is_trusted=trusted)),
        # Scripts show them as soon as there are rows.
        "bare": bare_strip(layout),
        "facets": {name.lower(): [] for name in layout.facets},
        "labels": {},
        "most_values": MOST_VALUES,
    }


def _rendered(
    request: web.Request,
    context: dict[str, Any],
    view: View | None,
    address: Address,
    *,
    zips: bool,
) -> bytes:
    context = context | {"address": address} | (_contents(view, address) if view else {})
    # A lone surrogate, which JSON can hold, is no UTF-8.
    text = aiohttp_jinja2.render_string(TEMPLATE, request, {"strip": None, "rows": ()} | context)
    body = text.encode("utf-8", "replace")
    return gzip.compress(body, LEVEL, mtime=0) if zips else body


def _contents(view: View, address: Address) -> dict[str, Any]:
    """Give the rows and what is counted of them."""
    layout = address.layout
    table: Table[Any] = view.services if layout is SERVICES_LAYOUT else view.nodes
    problems_of = problems_of_services if layout is SERVICES_LAYOUT else problems_of_nodes
    told = problems_of(view.snapshot)
    chosen = table.sort(table.select(address.listing.terms), address.keys)
    most = MOST_ROWS if address.own.is_all else ROWS
    pages = max(1, -(-len(chosen) // most))
    number = min(address.number, pages)
    make = partial(row_of, address)
    columns = (layout.schema.columns[name] for name in layout.facets)
    facets = facets_of(table, address.listing.terms, columns)
    return {
        "strip": strip_of(table, layout),
        "total": len(chosen),
        "first": (number - 1) * most + 1,
        "page": number,
        "pages": pages,
        "most": most,
        "most_rows": MOST_ROWS,
        "rows": [make(table.rows[place]) for place in page_of(chosen, number, most)],
        "facets": facets,
        "labels": {
            (name, value.value): value.label for name, values in facets.items() for value in values
        },
        "open": sought(table, address),
        "troubles": told["problems"],
        "troubles_left_out": told["problems_left_out"],
    }


def script_safe(told: Any) -> Markup:
    """Write JSON that may stand in a ``script`` element: no markup can begin in it."""
    text = msgspec.json.encode(told).decode()
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - nothing in it is markup any more
