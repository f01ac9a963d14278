"""
Which headers pass, in both directions.

RFC 9110 section 7.6.1: hop-by-hop headers, and those that ``Connection`` names, belong to one
connection.  A ``Connection`` that names an end-to-end header would make a proxy drop it (a token,
say), so such a request is refused rather than weakened.
"""

from collections.abc import Iterable
from typing import Final

from consul_edge.core.errors import BadRequest

Pairs = list[tuple[str, str]]

HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

CONNECTION_OPTIONS: Final = HOP_BY_HOP | {"close", "http2-settings"}
"""What ``Connection`` may name."""

_NOT_FORWARDED: Final = HOP_BY_HOP | {
    "host",  # becomes the server's
    "content-length",  # written anew for the body that is sent
    "expect",  # met by the edge itself
    "http2-settings",
    # Nobody in front of the edge is trusted to say who the client is.
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
}

_NOT_RETURNED: Final = HOP_BY_HOP | {"content-length"}

VIA_NAME: Final = "consul-edge"


def request_headers(items: Iterable[tuple[str, str]]) -> Pairs:
    """
    Pick the headers of a client's request that go to Consul.

    Raises:
        BadRequest: When ``Connection`` names an end-to-end header.

    >>> request_headers([("Connection", "close"), ("X-Consul-Token", "t"), ("Host", "edge")])
    [('X-Consul-Token', 't')]
    """
    kept: Pairs = []
    for pair in items:
        name = pair[0].lower()
        if name not in _NOT_FORWARDED:
            kept.append(pair)
        elif name == "connection":
            _check_connection(pair[1])
    return kept


def response_headers(items: Iterable[tuple[str, str]]) -> Pairs:
    """
    Pick the headers of Consul's answer that go to the client.

    The length is left out: whoever writes the body knows it.

    >>> response_headers([("Connection", "X-Hop"), ("X-Hop", "1"), ("X-Consul-Index", "7")])
    [('X-Consul-Index', '7')]
    """
    kept: Pairs = []
    named: set[str] = set()
    for pair in items:
        name = pair[0].lower()
        if name not in _NOT_RETURNED:
            kept.append(pair)
        elif name == "connection":
            named.update(option.strip().lower() for option in pair[1].split(","))
    if named:
        return [pair for pair in kept if pair[0].lower() not in named]
    return kept


def via(instance: str) -> str:
    """Render this edge's own entry of ``Via`` (RFC 9110 section 7.6.3)."""
    return f"1.1 {VIA_NAME}-{instance}"


def _check_connection(value: str) -> None:
    for option in value.split(","):
        name = option.strip()
        if name and name.lower() not in CONNECTION_OPTIONS:
            raise BadRequest(
                f"the Connection header names {name[:100]!r}, an end-to-end header: "
                "expected close, keep-alive or another connection option"
            )
