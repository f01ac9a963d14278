"""What is behind a whole edge in these tests."""

from collections.abc import AsyncIterator

import pytest

from consul_edge.demo.standin import StandIn
from tests.cache.outside import guarded_standin, open_standin


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a running stand-in."""
    made = open_standin()
    async with made.running():
        yield made


@pytest.fixture
async def guarded() -> AsyncIterator[StandIn]:
    """Give one that knows two tokens, and lets nobody in without."""
    made = guarded_standin()
    async with made.running():
        yield made
