"""The access log: what it says of answers, whichever way they are written."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from consul_edge.demo.standin import StandIn
from tests.house import edge_over
from tests.waiting import eventually

NODES = "/v1/catalog/nodes"

AT_ONCE = ("HTTP/1.1", b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
BY_AIOHTTP = ("HTTP/1.0", b"")
"""A version, and what follows on the connection to have it end."""


@pytest.mark.parametrize(("version", "end"), [AT_ONCE, BY_AIOHTTP], ids=["at-once", "by-aiohttp"])
async def test_hit_is_logged_with_its_size_and_server(version: str, end: bytes) -> None:
    """Also one that is written at once: bytes are those of the wire, the head included."""
    standin = StandIn(nodes=3, services=5)
    async with (
        standin.running(host="127.0.0.1", port=0),
        edge_over(standin.base_url, LOG__ACCESS="true", CACHE__TTL="1m") as house,
    ):
        assert (await house.ask("GET", NODES)).status == 200
        with capture_logs() as logged:

            def lines() -> list[Any]:
                return [one for one in logged if one.get("target") == NODES]

            raw = await house.bytes(
                f"GET {NODES} {version}\r\nHost: localhost\r\n\r\n".encode(), end
            )
            await eventually(lines, "a line")
        answer, sign, _ = raw.partition(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain")
        assert (b"X-Cache: HIT" in answer, bool(sign)) == (True, bool(end))
        (line,) = lines()
        server = standin.base_url.removeprefix("http://")
        assert (line["bytes"], line["server"]) == (len(answer), server)
