"""Which requests are counted and timed as whose."""

import asyncio

import pytest

from consul_edge.demo.standin import StandIn
from tests.house import edge_over
from tests.scrape import sample

COUNT = "consul_edge_http_requests_total"
TIMED = "consul_edge_http_request_duration_seconds_count"


@pytest.mark.parametrize(
    ("target", "endpoint", "is_timed"),
    [
        ("/api/v1/nodes", "api", True),
        ("/api/v1/nodes?index=1", "api", False),
        ("/api/v1/events", "api", False),
        ("/api/v1/admin/cache/proxy/info", "edge", False),
        ("/-/healthy", "edge", False),
    ],
)
async def test_request_is_counted_as_of_the_api_or_of_the_edge(
    target: str, endpoint: str, is_timed: bool
) -> None:
    """How soon the API answers is told, but for how long its clients wish to wait."""
    standin = StandIn(nodes=1, services=1, churn=0)
    async with standin.running("127.0.0.1", 0) as url, edge_over(url) as house:

        async def read(name: str, **labels: str) -> float:
            return await asyncio.to_thread(lambda: sample(house.base, name, **labels))

        counted = await read(COUNT, endpoint=endpoint, method="HEAD")
        timed = await read(TIMED, treatment="api")

        await house.ask("HEAD", target)

        assert await read(COUNT, endpoint=endpoint, method="HEAD") == counted + 1
        assert await read(TIMED, treatment="api") == timed + is_timed
