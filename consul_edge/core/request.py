"""
A client's request as a value, read as Consul would read it.

Rule 1: the target is kept as it came; nothing here decodes it for sending.
Rule 2: a parameter counts if Consul could see it: names are percent-decoded, ``;`` separates as
``&`` does (the Go of old Consuls), the first of several values wins.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

from consul_edge.core.durations import parse_duration, render_duration
from consul_edge.core.endpoints import READ_METHODS, Blocks, Endpoint, decode_path, find
from consul_edge.core.errors import BadRequest

_INDEX: Final = re.compile(r"0*([1-9][0-9]{0,19})")
"""What Go's ``ParseUint`` reads as an index above 0, but for its upper bound."""

_LARGEST_INDEX: Final = 2**64 - 1

_USER: Final = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)?[^/?#]*@")
"""What stands before a host; nothing of an origin-form target, which begins with a slash."""

_LEGACY_ACL: Final = re.compile(
    r"(.*/acl/+(?:create|update|destroy|info|clone|list)/).+", re.DOTALL
)
"""Paths that end in a token: Consul's first ACL system named tokens by their secret."""


@dataclass(frozen=True, slots=True)
class Poll:
    """The waiting part of a blocking query."""

    wait: float | None
    """Seconds that the client asked to wait; None: Consul's default."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request to Consul's API."""

    method: str
    target: str
    """Origin form as on the wire: ``/v1/kv/a%2Fb?recurse``."""

    endpoint: Endpoint
    poll: Poll | None
    """Set if Consul may hold the answer back."""

    has_token_parameter: bool
    """Whether ``?token=`` holds the token, which then outranks every header."""

    @property
    def is_read(self) -> bool:
        """Whether it may be asked twice."""
        return self.method in READ_METHODS


def parse_call(method: str, target: str) -> Call:
    """
    Read a request line.

    >>> call = parse_call("GET", "/v1/kv/a?index=7&wait=1m")
    >>> call.endpoint.name, call.poll
    ('kv', Poll(wait=60.0))
    >>> parse_call("GET", "/v1/kv/a?index=0").poll is None
    True
    """
    path, question, query = target.partition("?")
    endpoint = find(path)
    if not question:
        return Call(method, target, endpoint, None, has_token_parameter=False)
    parameters = controls(query)
    return Call(
        method,
        target,
        endpoint,
        _poll(endpoint, parameters) if method == "GET" else None,
        has_token_parameter=bool(parameters.get("token")),
    )


CONTROLS: Final = frozenset({"index", "wait", "hash", "token"})
"""Parameters that steer an answer without being part of the question."""


def controls(query: str) -> dict[str, str]:
    """
    Pick the first value of each control parameter out of a raw query.

    >>> controls("recurse&%74oken=root;wait=1s&wait=2s")
    {'token': 'root', 'wait': '1s'}
    """
    found: dict[str, str] = {}
    for pair in query.replace(";", "&").split("&"):
        name, _, value = pair.partition("=")
        name = _decoded(name)
        if name in CONTROLS and name not in found:
            found[name] = _decoded(value)
    return found


def origin_form(target: str) -> str:
    """
    Reduce a request target to its path and query.

    An absolute-form target's authority takes the place of Host (RFC 9112 section 3.2.2); it was
    checked as such, and nothing is ever forwarded to it.

    >>> origin_form("http://edge:8510/v1/kv/a?raw")
    '/v1/kv/a?raw'
    """
    if target.startswith("/"):
        return target
    _, sign, rest = target.partition("://")
    if not sign:
        raise BadRequest(
            f"the request target {redacted(target)[:100]!r} is neither a path nor a URL"
        )
    authority_end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=-1)
    if authority_end < 0:
        return "/"
    path = rest[authority_end:]
    return path if path.startswith("/") else "/" + path


def without_parameters(target: str, names: frozenset[str], *added: str) -> str:
    """
    Rewrite a target without some parameters, all others untouched, and with *added* ones.

    >>> without_parameters("/v1/kv/a?recurse&wait=5m&index=7", frozenset({"wait"}), "wait=2s")
    '/v1/kv/a?recurse&index=7&wait=2s'
    >>> without_parameters("/v1/kv/a?index=7", frozenset({"index"}))
    '/v1/kv/a'
    """
    path, _, query = target.partition("?")
    kept = [
        pair
        for pair in query.replace(";", "&").split("&")
        if pair and _decoded(pair.partition("=")[0]) not in names
    ]
    rest = "&".join((*kept, *added))
    return f"{path}?{rest}" if rest else path


def with_wait(target: str, wait: float) -> str:
    """Rewrite a blocking query to wait for *wait* seconds; Consul reads 0 as its default."""
    return without_parameters(
        target, frozenset({"wait"}), f"wait={render_duration(max(round(wait, 3), 0.001))}"
    )


def at_once(target: str) -> str:
    """Rewrite a blocking query to ask for the current value without waiting."""
    return without_parameters(target, frozenset({"index", "hash", "wait"}))


def redacted(target: str) -> str:
    """
    Render a target for a log: what may be a token is left out, in its path and its query.

    >>> redacted("/v1/kv/a?recurse&token=root")
    '/v1/kv/a?recurse&token=***'
    >>> redacted("/v1/acl/info/root")
    '/v1/acl/info/***'
    """
    path, question, query = target.partition("?")
    path = without_user(path)
    legacy = _LEGACY_ACL.fullmatch(decode_path(path))
    if legacy is not None:
        path = f"{legacy[1]}***"
    if not question:
        return path
    pairs = (pair.partition("=") for pair in query.replace(";", "&").split("&"))
    return (
        path
        + "?"
        + "&".join(name + sign + ("***" if value else "") for name, sign, value in pairs)
    )


def without_user(text: str) -> str:
    """
    Leave user and password out of a URL, or of what stands in a Host header, for a log or a text.

    >>> [without_user(text) for text in ("http://u:p@a/b@c", "u:p@a:8510", "/v1/kv/a@b")]
    ['http://***@a/b@c', '***@a:8510', '/v1/kv/a@b']
    """
    return _USER.sub(r"\1***@", text)


def _poll(endpoint: Endpoint, parameters: dict[str, str]) -> Poll | None:
    if endpoint.blocks is Blocks.HASH:
        waits = bool(parameters.get("hash"))
    else:
        index = _INDEX.fullmatch(parameters.get("index", ""))
        waits = (
            endpoint.blocks is Blocks.INDEX
            and index is not None
            and int(index[1]) <= _LARGEST_INDEX
        )
    if not waits:
        return None
    try:
        wait = parse_duration(parameters.get("wait", ""))
    except ValueError:
        return Poll(None)
    return Poll(wait if wait > 0 else None)


def _decoded(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text
