"""What is kept, what it was good for, and what keeps it fresh."""

from typing import Final

from prometheus_client import Counter, Gauge

from consul_edge.core.endpoints import ENDPOINTS, Treatment

CACHE_REQUESTS: Final = Counter(
    "consul_edge_cache_requests_total",
    "Reads of what can be kept, by endpoint name and result: live and ttl are hits, proven by a"
    " watch or young enough; held waited for a change; stale was answered because no server"
    " answered; miss asked Consul; collapsed joined another's miss; bypass asked Consul and kept"
    " nothing; error had no answer at all, of Consul's or kept.",
    ["endpoint", "result"],
)

CACHE_ENTRIES: Final = Gauge("consul_edge_cache_entries", "Answers that are kept.")

CACHE_MAX_ENTRIES: Final = Gauge(
    "consul_edge_cache_max_entries",
    "Answers that may be kept before the one that was used longest ago goes (cache.max_entries).",
)

CACHE_SIZE: Final = Gauge(
    "consul_edge_cache_size_bytes",
    "What the kept answers take in memory.",
    unit="bytes",
)

CACHE_MAX_SIZE: Final = Gauge(
    "consul_edge_cache_max_size_bytes",
    "What they may take before the one that was used longest ago goes (cache.max_bytes).",
    unit="bytes",
)

CACHE_LAST_SUCCESS: Final = Gauge(
    "consul_edge_cache_last_success_timestamp_seconds",
    "When Consul last gave or confirmed something for this cache, as a Unix time; 0: never."
    " proxy is any answer that is kept, nodes a picture of the cluster without gaps, sites and"
    " rules their documents. What nobody reads grows old.",
    ["cache"],
    unit="seconds",
)

CACHE_EVICTIONS: Final = Counter(
    "consul_edge_cache_evictions_total",
    "Answers evicted, by the bound that was met: entries or bytes.",
    ["reason"],
)

CACHE_FLUSHES: Final = Counter(
    "consul_edge_cache_flushes_total",
    "Kept answers dropped at once: by an operator (admin), a write of ACLs (acl), a refused"
    " question (denied), an unknown token (identity) or other settings (reload).",
    ["trigger"],
)

CACHE_CONFIRMATIONS: Final = Counter(
    "consul_edge_cache_confirmations_total",
    "Answers that said much was gone at once, or something else at a lower index, and were asked"
    " for again before they were believed, by what came of it: confirmed or refuted.",
    ["result"],
)

CACHE_SNAPSHOTS: Final = Counter(
    "consul_edge_cache_snapshots_total",
    "Snapshots of what is kept, by outcome: written or failed.",
    ["outcome"],
)

CACHE_SNAPSHOT_TIME: Final = Gauge(
    "consul_edge_cache_snapshot_timestamp_seconds",
    "When the snapshot in the file was taken, as a Unix time; 0 before this process has written"
    " one.",
    unit="seconds",
)

WATCHES: Final = Gauge(
    "consul_edge_blocking_upstream_queries",
    "Keys that are watched by a blocking query of the edge's own.",
)

WATCHES_LIVE: Final = Gauge(
    "consul_edge_watches_live",
    "Those of consul_edge_blocking_upstream_queries whose answer is proven now: the query is"
    " pending at a server that was heard within the last three seconds.",
)

WATCHES_WANTED: Final = Gauge(
    "consul_edge_watches_wanted",
    "Keys for which clients wait and no server has room for a watch: they are polled in turn.",
)

WATCH_ROUNDS: Final = Counter(
    "consul_edge_watch_rounds_total",
    "Answers to the edge's own blocking queries: answered was kept, asked again was overtaken by"
    " a write or had a lower index, refused was an error, failed was none at all.",
    ["outcome"],
)

RESULTS: Final = ("live", "ttl", "held", "stale", "miss", "collapsed", "bypass", "error")


def _initialise() -> None:
    for endpoint in ENDPOINTS:
        if endpoint.treatment in (Treatment.WATCH, Treatment.TTL):
            for result in RESULTS:
                CACHE_REQUESTS.labels(endpoint.name, result)
    for cache in ("proxy", "nodes", "sites", "rules"):
        CACHE_LAST_SUCCESS.labels(cache)
    for reason in ("entries", "bytes"):
        CACHE_EVICTIONS.labels(reason)
    for trigger in ("admin", "acl", "denied", "identity", "reload"):
        CACHE_FLUSHES.labels(trigger)
    for result in ("confirmed", "refuted"):
        CACHE_CONFIRMATIONS.labels(result)
    for outcome in ("written", "failed"):
        CACHE_SNAPSHOTS.labels(outcome)
    for outcome in ("answered", "asked again", "refused", "failed"):
        WATCH_ROUNDS.labels(outcome)


_initialise()
