"""The page and those whose search takes more than is good for others."""

import pytest

from consul_edge.demo.standin import StandIn
from consul_edge.enrich import archive
from tests.house import edge_over

TOO_LONG = "Left out of the address: q: this search takes too long"


@pytest.mark.parametrize(
    ("target", "is_told", "left"),
    [
        ("/?q=nothing-has-this", True, ""),
        ("/nodes?q=nothing-has-this&sort=name&order=desc", True, "sort=name&amp;order=desc"),
        ("/?company=Nobody&q=nothing-has-this&dense=1", True, "dense=1"),
        ("/?company=Nobody", True, ""),
        ("/", False, ""),
    ],
)
async def test_search_of_a_page_takes_too_long_it_is_left_out_and_the_page_says_so(
    target: str, is_told: bool, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is searched without a script is searched by the edge, too, which has other clients."""
    standin = StandIn(nodes=2, services=3)
    async with standin.running(), edge_over(standin.base_url) as house:
        await house.ask("GET", target)
        monkeypatch.setattr(archive, "SEARCH_SECONDS", 0.0)
        answer = await house.ask("GET", target)
    text = answer.body.decode()
    assert answer.status == 200
    assert (TOO_LONG in text) is is_told
    assert text.count("<tr>") > 1
    assert "nothing-has-this" not in text
    assert left in text
