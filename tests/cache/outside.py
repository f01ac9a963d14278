"""
A whole edge over a guarded or an open stand-in, for tests of what outlives or precedes its
clients: targets, tokens, and what the edge knows of them.
"""

import asyncio
from typing import Final

from consul_edge.cache.line import Line
from consul_edge.core.key import parse_key
from consul_edge.core.request import parse_call
from consul_edge.demo.standin import StandIn
from consul_edge.web.keys import CACHE
from tests.house import House
from tests.waiting import eventually
from tests.wire import Headers

NODES: Final = "/v1/catalog/nodes"
SERVICES: Final = "/v1/catalog/services"
KEY: Final = "/v1/kv/config/a"

ALICE: Final = "a11ce000-0000-4000-8000-000000000001"
BOB: Final = "b0b00000-0000-4000-8000-000000000002"

LIVE: Final = "consul-edge; hit; detail=live"
"""What ``Cache-Status`` says of an answer that a watch proves."""


def with_token(token: str) -> Headers:
    """Give the headers of a client with a token."""
    return [("X-Consul-Token", token)]


def open_standin() -> StandIn:
    """Make one that everybody may ask."""
    return StandIn(nodes=3, services=5)


def guarded_standin() -> StandIn:
    """Make one that knows two tokens, and lets nobody in without."""
    nobody = {"": lambda _method, path: path.startswith("/v1/status/")}
    return StandIn(nodes=3, services=5, tokens={ALICE: None, BOB: None, **nobody})


def line_of(house: House, target: str, token: str = "") -> Line | None:
    """Find what an edge knows of a target."""
    cache = house.app[CACHE]
    key, _ = parse_key(parse_call("GET", target), (), cache.identities.of(token))
    return cache.lines.find(key)


def is_live(house: House, target: str, token: str = "") -> bool:
    """Tell whether a watch proves a target."""
    line = line_of(house, target, token)
    kept = line.kept(asyncio.get_running_loop().time()) if line is not None else None
    return kept is not None and kept.is_live


async def until_live(house: House, target: str, token: str = "") -> None:
    """Wait until a watch proves a target, without reading it."""
    await eventually(lambda: is_live(house, target, token), f"{target} live")
