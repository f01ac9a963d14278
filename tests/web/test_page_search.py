"""The page and those whose search takes more than is good for others."""

import pytest

from consul_edge.demo.standin import StandIn
from consul_edge.enrich import archive
from tests.house import edge_over


@pytest.mark.parametrize(("target", "status"), [("/?q=-x", 400), ("/nodes?q=-x", 400), ("/", 200)])
async def test_search_of_a_page_takes_too_long_it_alone_is_refused(
    target: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is searched without a script is searched by the edge, too, which has other clients."""
    standin = StandIn(nodes=2, services=3)
    async with standin.running(), edge_over(standin.base_url) as house:
        assert (await house.ask("GET", target)).status == 200
        monkeypatch.setattr(archive, "SEARCH_SECONDS", 0.0)
        answer = await house.ask("GET", target)
    assert answer.status == status
    assert (b"q: this search takes too long" in answer.body) is (status == 400)
