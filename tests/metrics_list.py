"""
``deploy/METRICS.md``, made of the metrics themselves.

``python -m tests.metrics_list`` writes it; a test keeps it true.
"""

from pathlib import Path
from typing import Final

from tests.exposition import FAMILIES, OF_THE_CLIENT, Family

PAGE: Final = Path(__file__).parent.parent / "deploy" / "METRICS.md"

WHEN: Final = {
    "Is it serving": {
        "consul_edge_build_info": "which version runs where, and since when (with `resets`)",
        "consul_edge_http_requests_total": "always: traffic, and the share of 5xx",
        "consul_edge_http_request_duration_seconds": "clients say it is slow",
        "consul_edge_http_requests_in_progress": "it only grows: something hangs",
        "consul_edge_blocking_clients": "before a restart, and before going back to Consul",
        "consul_edge_limits_reached_total": "clients get 4xx or 503 that Consul never gave them",
        "consul_edge_access_refused_total": "clients get 403 that Consul never gave them",
        "consul_edge_admin_requests_total": "somebody guesses at the token",
    },
    "Is it fresh": {
        "consul_edge_cache_requests_total": "always: the hit ratio; `stale` and `error` hurt",
        "consul_edge_cache_last_success_timestamp_seconds": "how old what is shown may be",
        "consul_edge_blocking_upstream_queries": "how many keys are watched for all clients",
        "consul_edge_watches_live": "fewer than are watched: reads go to Consul again",
        "consul_edge_watches_wanted": "above 0: `watch.max_per_server` is too low",
        "consul_edge_watch_rounds_total": "`failed` and `refused` grow",
        "consul_edge_cache_confirmations_total": "a server lied about a large set: `refuted`",
        "consul_edge_cache_flushes_total": "the hit ratio fell all at once",
        "consul_edge_cache_entries": "beside its bound: is there room",
        "consul_edge_cache_max_entries": "beside the above",
        "consul_edge_cache_size_bytes": "beside its bound, and when memory grows",
        "consul_edge_cache_max_size_bytes": "beside the above",
        "consul_edge_cache_evictions_total": "it grows while the hit ratio falls",
        "consul_edge_cache_snapshots_total": "before you rely on `cache.snapshot`",
        "consul_edge_cache_snapshot_timestamp_seconds": "the same",
    },
    "Consul's servers": {
        "consul_server_fallback_total": "who fails, and how; the seed's own",
        "consul_edge_upstream_up": "always: 0 is a server that is out",
        "consul_edge_upstream_active": "who carries the load",
        "consul_edge_upstream_circuit_state": "`leaderless` everywhere: an election, or no quorum",
        "consul_edge_upstream_losses_total": "a server comes and goes between two scrapes",
        "consul_edge_upstream_requests_total": "what the edge itself asks of Consul",
        "consul_edge_upstream_request_duration_seconds": "is it Consul that is slow",
        "consul_edge_upstream_connections": "near its bound, `abandoned` above all",
        "consul_edge_upstream_max_connections": "beside the above",
        "consul_edge_upstream_inflight": "beside `consul.pool` and `consul.semaphore_limit`",
        "consul_edge_upstream_queue_length": "above 0 for long: the queue is the bottleneck",
        "consul_edge_upstream_queue_wait_seconds": "requests are slow, and Consul is not",
        "consul_edge_upstream_heartbeats_total": "`failure`, and no server is lost: a bad network",
        "consul_edge_upstream_hedges_total": "`denied`: many slow reads, and no budget left",
    },
    "The enriched API": {
        "consul_edge_nodes": "beside the next one",
        "consul_edge_nodes_in_error": "above 0: counts on the page are not known",
        "consul_node_enrich_failures_total": "which nodes, and why; the seed's own",
        "consul_node_enrich_duration_seconds": "the page is slow to know; the seed's own",
        "consul_edge_rows": "what there is, and how much of it is critical",
        "consul_edge_document_good": "sites or categories are not what was just written",
        "consul_sites_cache_status_total": "sites are not those of the KV key; the seed's own",
    },
    "The process": {
        "consul_edge_event_loop_lag_seconds": "everything is slow at once",
        "consul_edge_config_last_reload_successful": "0: what was written last is not in force",
        "consul_edge_config_last_reload_success_timestamp_seconds": "what is in force",
        "consul_edge_log_messages_total": "`error` grows: read the log",
    },
}
"""When to look at what, in the order of asking at three in the morning."""

_HEAD: Final = """\
# Metrics

Made of the metrics themselves by `python -m tests.metrics_list`; a test keeps it true.

- Names and labels stay: what goes or changes its meaning is in
  [CHANGELOG.md](../CHANGELOG.md) first. The four names without `edge` are the seed's.
- Labels are bounded: endpoint names of a table, configured servers, categories (50), node names
  (1,000, only where the seed had them), fixed words. Never a path, a token or a client.
- What can be known beforehand exists from the start, at 0: `rate()` sees the first error, too.
- `server` is what is configured, also for a name that has several addresses.
- `/metrics` speaks OpenMetrics to whoever asks for it. It is rendered beside the event loop: a
  scrape makes nobody wait, however many nodes there are.

A dashboard is in [grafana/consul-edge.json](grafana/consul-edge.json), rules and alerts in
[prometheus/](prometheus/), and what to do about each alert in [runbooks/](runbooks/).
"""

_TITLES: Final = """\
| name | type | labels | unit | what | look at it when |
|---|---|---|---|---|---|"""


def _row(family: Family, when: str) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels)
    text = family.text.replace("|", "\\|")
    unit = family.unit or _unit_of(family)
    return f"| `{family.name}` | {family.kind} | {labels} | {unit} | {text} | {when} |"


def _unit_of(family: Family) -> str:
    if family.name.endswith("_info") or family.name.endswith(("_up", "_active", "_state")):
        return "1 or 0"
    return "count"


def render() -> str:
    """Give the page."""
    parts = [_HEAD]
    for title, metrics in WHEN.items():
        rows = "\n".join(_row(FAMILIES[name], when) for name, when in metrics.items())
        parts.append(f"## {title}\n\n{_TITLES}\n{rows}\n")
    rows = "\n".join(f"| `{name}` | {kind} |" for name, kind in OF_THE_CLIENT.items())
    parts.append(f"## Of every Python program\n\n| name | type |\n|---|---|\n{rows}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(render())
