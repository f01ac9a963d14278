"""What the page tells its own modules, once, as JSON in its HTML."""

from typing import Any

from consul_edge.enrich.standing import Standing
from consul_edge.web.api_documents import surety
from consul_edge.web.page_address import OWN
from consul_edge.web.page_columns import Layout
from consul_edge.web.words import WORDS, Speech


def page_data(
    layout: Layout, speech: Speech, standing: Standing | None, *, ui: bool, is_trusted: bool
) -> dict[str, Any]:
    """
    Tell which table it is, in which language, and what an address may say of it.

    Args:
        standing: How the rows stand; None: there are none.

        ui: Whether Consul's own page is here, too.

        is_trusted: Whether admin calls from there need no token.
    """
    return {
        "view": layout.view,
        "language": speech.language,
        "languages": list(WORDS),
        "words": speech.words,
        "columns": [
            {"name": column.name, "kind": column.kind, "usual": column.is_usual}
            for column in layout.columns
        ],
        "facets": layout.facets,
        "health": layout.health,
        "group": layout.group,
        "sort": [
            {"name": key.column.name.lower(), "descending": key.descending} for key in layout.keys
        ],
        "known": sorted(layout.schema.columns),
        "choices": {
            name: column.severity
            for name, column in layout.schema.columns.items()
            if column.severity
        },
        "own": sorted(OWN),
        "standing": None if standing is None else _told(standing),
        "ui": ui,
        "trusted": is_trusted,
    }


def _told(standing: Standing) -> dict[str, Any]:
    return {"active_server": standing.active_server, "cache": surety(standing)}
