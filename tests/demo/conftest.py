"""A running stand-in with a small data set, and a client of it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from consul_edge.demo.standin import StandIn
from tests.demo.asking import Asker


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a running stand-in of one node and no services."""
    standin = StandIn(nodes=1, services=0)
    async with standin.running():
        yield standin


@pytest.fixture
async def ask(standin: StandIn) -> AsyncIterator[Asker]:
    """Give a client that repeats nothing by itself."""
    async with aiohttp.ClientSession(standin.base_url) as session:
        # It would send a PUT twice when its connection is lost.
        session._retry_connection = False
        yield Asker(session, standin)
