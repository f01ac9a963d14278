"""
What a caller of the enriched API asks for, read from its request.

Rule: a token comes in a header.  In a target it would stand in histories and in the logs of every
proxy under way; one that does is refused, and its value is told to nobody.
"""

import difflib
from collections.abc import Iterable, Mapping

from aiohttp import web

from consul_edge.core.errors import BadRequest
from consul_edge.enrich.document import shown

Parameters = list[tuple[str, str]]
"""Decoded, in their order."""


def parameters(request: web.Request) -> Parameters:
    """
    Read the query.

    Raises:
        BadRequest: When there is a token in it.
    """
    found = list(request.query.items())
    for name, _ in found:
        # Consul would not know "Token", but who writes that means it.
        if name.lower() == "token":
            raise BadRequest(
                "token: not taken here: send it as X-Consul-Token or Authorization: Bearer"
            )
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
