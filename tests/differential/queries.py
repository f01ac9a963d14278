"""Prepared queries, which depend on who asks."""

from typing import Final

from tests.differential.catalog import PREPARED
from tests.differential.rows import Scene, delete, get, post, put, send

UNKNOWN: Final = "deadbeef-0000-0000-0000-000000000000"

WEB: Final = {"Name": "nearest-web", "Service": {"Service": "web", "Near": "ext-1"}}

# Consul's templates write ``${match(1)}``, which is no name and so no placeholder of ours.
TEMPLATE: Final = {
    "Name": "geo-",
    "Template": {"Type": "name_prefix_match", "Regexp": "^geo-(.*)$"},
    "Service": {"Service": "${match(1)}"},
}

QUERIES: Final = (
    *PREPARED,
    get("query_list", "/v1/query"),
    post("query_list", "/v1/query", WEB, keep=(("query", "ID"),)),
    get("query_list", "/v1/query"),
    get("query", "/v1/query/${query}"),
    get("query", f"/v1/query/{UNKNOWN}", status=404),
    get("query", "/v1/query/nearest-web", status=500),
    get("query_execute", "/v1/query/${query}/execute", unordered=True),
    get("query_execute", "/v1/query/nearest-web/execute", unordered=True),
    get("query_execute", "/v1/query/nearest-web/execute?near=_agent", unordered=True),
    get("query_execute", "/v1/query/nearest-web/execute?near=ext-2&limit=1", shape=True),
    get("query_execute", "/v1/query/nearest-web/execute?limit=1", shape=True),
    get("query_execute", "/v1/query/nearest-web/execute?limit=few", status=500),
    get("query_execute", "/v1/query/nearest-web/execute?cached", unordered=True),
    get("query_execute", "/v1/query/nearest-web/execute?stale", unordered=True),
    get("query_execute", "/v1/query/nobody/execute", status=404),
    get("query_explain", "/v1/query/nearest-web/explain"),
    get("query_explain", "/v1/query/nobody/explain", status=404),
    put("query", "/v1/query/${query}", {**WEB, "Service": {"Service": "web", "Tags": ["green"]}}),
    get("query_execute", "/v1/query/nearest-web/execute", unordered=True),
    post("query_list", "/v1/query", WEB, status=500),
    post("query_list", "/v1/query", {"Name": "no service"}, status=500),
    post("query_list", "/v1/query", b"{", status=400),
    delete("query", "/v1/query/${query}"),
    get("query", "/v1/query/${query}", status=404),
    delete("query", f"/v1/query/{UNKNOWN}", status=500),
    get("query_execute", "/v1/query/nearest-web/execute", status=404),
    post("query_list", "/v1/query", TEMPLATE, keep=(("template", "ID"),)),
    get("query_explain", "/v1/query/geo-web/explain"),
    get("query_execute", "/v1/query/geo-web/execute", unordered=True),
    delete("query", "/v1/query/${template}"),
    put("query_list", "/v1/query", b"{}", status=405),
    send("HEAD", "query_execute", "/v1/query/nearest-web/execute", status=405),
    send("OPTIONS", "query", "/v1/query/nearest-web"),
)

SCENES: Final = (Scene("prepared queries", QUERIES),)
