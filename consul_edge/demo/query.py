"""
The parameters of a request, read as Consul 1.8.7 reads them.

The order of the checks is Consul's, since only the first complaint is answered: consistency, then
``Cache-Control``, then ``wait``, then ``index``.
"""

import re
from typing import Final, TypeAlias
from urllib.parse import unquote_plus

import msgspec

from consul_edge.core.durations import parse_duration

Parameters: TypeAlias = dict[str, list[str]]

DEFAULT_WAIT: Final = 300.0
LONGEST_WAIT: Final = 600.0

_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LARGEST_INDEX: Final = 2**64 - 1


class BadQuery(Exception):
    """Raised with the status and text that Consul answers to a request it cannot read."""

    def __init__(self, status: int, text: str) -> None:
        """Answer *status* with *text*."""
        super().__init__(text)
        self.status = status


class Options(msgspec.Struct, frozen=True):
    """How a read shall be answered, apart from what it asks for."""

    index: int = 0
    """Wait for an index above this; 0 does not wait."""

    wait: float = DEFAULT_WAIT
    """Seconds, capped, without the jitter."""

    consistency: str = "leader"
    """As ``X-Consul-Effective-Consistency`` says it."""

    cached: bool = False
    pretty: bool = False
    dc: str = ""


PLAIN: Final = Options()


def parse_parameters(query: str) -> Parameters:
    """
    Split a query string as Go 1.15 does, at ``;`` too.

    Raises:
        BadQuery: When an escape is broken, which Consul answers with an empty 500.
    """
    if _BAD_ESCAPE.search(query):
        raise BadQuery(500, "")
    found: Parameters = {}
    for pair in re.split("[&;]", query):
        if pair:
            name, _, value = pair.partition("=")
            found.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    return found


def first(parameters: Parameters, name: str) -> str:
    """Give the first value of a parameter, empty if there is none."""
    values = parameters.get(name)
    return values[0] if values else ""


def parse_options(parameters: Parameters, cache_control: str = "") -> Options:
    """
    Read what steers a read.

    Raises:
        BadQuery: With Consul's own words for what it refuses.
    """
    if not parameters and not cache_control:
        return PLAIN
    consistency = _consistency(parameters)
    _check_cache_control(cache_control)
    return Options(
        wait=_wait(first(parameters, "wait")),
        index=_index(first(parameters, "index")),
        consistency=consistency,
        cached="cached" in parameters,
        pretty="pretty" in parameters,
        dc=first(parameters, "dc"),
    )


def _consistency(parameters: Parameters) -> str:
    stale = "stale" in parameters
    longest = first(parameters, "max_stale")
    if longest:
        try:
            parse_duration(longest)
        except ValueError:
            raise BadQuery(400, f'Invalid max_stale value "{longest}"') from None
        stale = True
    for name, given in (("stale", stale), ("cached", "cached" in parameters)):
        if given and "consistent" in parameters:
            raise BadQuery(400, f"Cannot specify ?{name} with ?consistent, conflicting semantics.")
    if "consistent" in parameters:
        return "consistent"
    return "stale" if stale else "leader"


def _check_cache_control(header: str) -> None:
    for directive in header.lower().split(",") if header else ():
        name, _, value = directive.strip().partition("=")
        if name in {"max-age", "stale-if-error"} and not value.isdecimal():
            raise BadQuery(400, "Invalid Cache-Control header.")


def _wait(text: str) -> float:
    if not text:
        return DEFAULT_WAIT
    try:
        wait = parse_duration(text)
    except ValueError:
        raise BadQuery(400, "Invalid wait time") from None
    return min(wait, LONGEST_WAIT) if wait > 0 else DEFAULT_WAIT


def _index(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal()) or int(text[:21]) > _LARGEST_INDEX:
        raise BadQuery(400, "Invalid index")
    return int(text)
