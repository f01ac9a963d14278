"""
What a caller of the enriched API asks for, read from its request.

Rule 1: a token comes in a header.  In a target it would stand in histories and in the logs of
every proxy under way; one that does is refused, and its value is told to nobody.
Rule 2: what Consul's own calls take and these do not is refused by name: taken for a key of Meta
it would choose no rows, and ignored it would choose others than were asked for.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

from aiohttp import web

from consul_edge.core.errors import BadRequest
from consul_edge.enrich.document import shown

Parameters = list[tuple[str, str]]
"""Decoded, in their order."""

_ONE_SPACE: Final = "there is one namespace and one partition here, the default"
_HOW: Final = "how sure an answer is the edge decides, and tells in it"

_CONSULS: Final = {
    "ns": _ONE_SPACE,
    "partition": _ONE_SPACE,
    "stale": _HOW,
    "consistent": _HOW,
    "cached": _HOW,
    "pretty": "no answer is written another way",
}

_SPACES: Final = ("X-Consul-Namespace", "X-Consul-Partition")


def parameters(request: web.Request) -> Parameters:
    """
    Read the query.

    Raises:
        BadRequest: When there is something in it, or beside it, that only Consul's own calls take.
    """
    found = list(request.query.items())
    for name, _ in found:
        # Consul would not know "Token", but who writes that means it.
        plain = name.lower()
        if plain == "token":
            raise BadRequest(
                "token: not taken here: send it as X-Consul-Token or Authorization: Bearer"
            )
        if plain in _CONSULS:
            raise BadRequest(f"{name}: not taken here: {_CONSULS[plain]}; as Meta: meta.{plain}")
    for header in _SPACES:
        for value in request.headers.getall(header, ()):
            if value.lower() not in ("", "default"):
                raise BadRequest(f"{header}: {shown(value)}: {_ONE_SPACE}")
    return found


def named(found: Iterable[tuple[str, str]], *names: str) -> Mapping[str, str]:
    """
    Take the parameters of a route that knows just *names*.

    Raises:
        BadRequest: When there is another one, or one twice.

    >>> named([("wait", "5s")], "index", "wait")
    {'wait': '5s'}
    """
    taken: dict[str, str] = {}
    for name, value in found:
        if name not in names:
            near = difflib.get_close_matches(name[:100].lower(), names, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            known = f"known are {', '.join(names)}" if names else "there are none"
            raise BadRequest(f"{shown(name)}: no such parameter; {hint}{known}")
        if name in taken:
            raise BadRequest(f"{name}: {shown(value)}: expected it once")
        taken[name] = value
    return taken


def spelled(found: Iterable[tuple[str, str]]) -> str:
    """
    Spell what is asked of rows in one way, whatever the order of its parameters.

    >>> spelled([("site", "b"), ("index", "7"), ("q", "x"), ("site", "a")])
    "[('q', 'x'), ('site', 'b'), ('site', 'a')]"
    >>> spelled([("wait", "5s"), ("q", "")])
    ''
    """
    kept = [pair for pair in found if pair[0] not in ("index", "wait") and pair[1]]
    return repr(sorted(kept, key=lambda pair: pair[0])) if kept else ""
