"""How the edge is, in one line: for ``systemctl status``, and for a terminal while it warms up."""

from collections.abc import AsyncIterator

import pytest

from consul_edge.demo.standin import StandIn
from consul_edge.web.keys import CACHE
from consul_edge.web.status_line import status_line, warming_shown
from tests.house import edge_over
from tests.test_progress import terminal
from tests.waiting import eventually

NODES = "/v1/catalog/nodes"
SLOW = "/v1/catalog/services"


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a running stand-in."""
    made = StandIn(nodes=1, services=0)
    async with made.running():
        yield made


async def test_status_tells_servers_and_what_is_kept(standin: StandIn) -> None:
    """Who is up, who is asked first, and how many answers there are."""
    async with edge_over(standin.base_url, CACHE__TTL="1m") as house:
        await house.ask("GET", NODES)
        name = standin.base_url.removeprefix("http://")
        assert status_line(house.app) == f"1 of 1 servers up, {name} asked first, 1 answers kept"


async def test_status_of_an_outage_names_nobody_first(standin: StandIn) -> None:
    """It is seen at a glance that nobody answers."""
    async with edge_over(standin.base_url, CONSUL__RETRY_DELAY="10ms") as house:
        await standin.refuse()
        await house.ask("GET", "/v1/catalog/datacenters?consistent")
        assert status_line(house.app) == "0 of 1 servers up, 0 answers kept"


async def test_warming_is_told_until_all_is_kept(standin: StandIn) -> None:
    """In the status, and on a terminal, from where it goes when it is done."""
    fault = standin.faults.hang(path=SLOW)
    async with edge_over(standin.base_url, CACHE__WARM=f"{NODES},{SLOW}") as house:
        cache = house.app[CACHE]
        await eventually(lambda: cache.warmth == (1, 2), "one of them kept")
        assert status_line(house.app).endswith("1 of 2 targets warm")
        with terminal() as shown:
            async with warming_shown(house.app):
                await eventually(lambda: shown.screen() == ["warming: 1 of 2"], "it is shown")
                fault.lift()
                await eventually(lambda: shown.screen() == [""], "it is gone")
        assert "warm" not in status_line(house.app)


async def test_warming_into_a_pipe_is_not_shown(
    standin: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    """Logs stay what they are."""
    standin.faults.hang(path=SLOW)
    async with edge_over(standin.base_url, CACHE__WARM=SLOW) as house:
        async with warming_shown(house.app):
            await house.heard()
    assert "warming" not in capsys.readouterr().err
