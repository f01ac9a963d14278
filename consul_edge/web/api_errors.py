"""
Errors as clients of the enriched API read them: JSON with a ``detail``, as the original's were.

Rule: it is the same error that every other route tells as plain text, with the same status.  The
admin calls keep to plain text: people read those.
"""

from typing import Final

import msgspec
from aiohttp import hdrs, web

from consul_edge.web import audit

PLACE: Final = "/api/v1/"
"""What all paths of the API begin with."""

_OURS: Final = "consul-edge: "


def is_api(request: web.BaseRequest) -> bool:
    """Tell whether whoever asks reads JSON also when it fails."""
    path = request.path
    return path.startswith(PLACE) and not path.startswith(audit.PLACE)


def as_json(response: web.Response) -> web.Response:
    """Turn an error in plain text into one for the API; what else it says stays."""
    text = (response.text or "").removeprefix(_OURS)
    response.body = msgspec.json.encode({"success": False, "detail": text})
    response.headers[hdrs.CONTENT_TYPE] = "application/json; charset=utf-8"
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
