"""What is behind the edge in these tests: a stand-in, a real Consul, or one after the other."""

from collections.abc import AsyncIterator

import pytest

from consul_edge.upstream import courier, rounds
from tests.situations.place import Backing, Place, place_over, small


@pytest.fixture
def unhurried_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let no heartbeat be too late.

    For a load of thousands of clients that shares the one loop with the server they ask: what is
    slow then is the test.  How liveness ends is shown elsewhere.
    """
    monkeypatch.setattr(courier, "HEARTBEAT_SHARE", 1000.0)
    monkeypatch.setattr(rounds, "PROOF_SECONDS", 1000.0)


REAL = pytest.param("real", marks=pytest.mark.real)


@pytest.fixture(params=["stand-in", REAL])
async def backing(request: pytest.FixtureRequest) -> AsyncIterator[Backing]:
    """Give a stand-in of its own to the test, and then the real agent that all tests share."""
    if request.param == "real":
        yield request.getfixturevalue("consul_agent")
        return
    standin = small()
    async with standin.running():
        yield standin


@pytest.fixture
async def place(backing: Backing) -> AsyncIterator[Place]:
    """Give an edge over each of them."""
    async with place_over(backing) as place:
        yield place


@pytest.fixture
async def standin_place() -> AsyncIterator[Place]:
    """Give an edge over a stand-in, for what no real Consul does on demand."""
    standin = small()
    async with standin.running(), place_over(standin) as place:
        yield place
