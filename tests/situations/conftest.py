"""What is behind the edge in these tests: a stand-in, a real Consul, or one after the other."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.consul import ConsulAgent
from tests.peers import require
from tests.situations.place import Backing, Place, place_over, small

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


@pytest.fixture(scope="session")
def acl_agent() -> Iterator[ConsulAgent]:
    """Give a real agent that denies by default; it believes what it knows of tokens for 1 s."""
    require("consul")
    hcl = 'acl { token_ttl = "1s", policy_ttl = "1s", role_ttl = "1s" }'
    with ConsulAgent("agent-acl", acl=True, hcl=hcl) as agent:
        yield agent
