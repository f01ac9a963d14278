"""Large answers of the fast lane: on the loop of production nobody needs a copy of his own."""

from collections.abc import Iterator

import pytest

from consul_edge.web.fastlane.connection import Connection
from consul_edge.web.fastlane.spot import Spot
from tests.web.fastlane.twins import Twins, head, twins

ALL = "/v1/health/state/any"

PLAIN = head(ALL)
ZIPPED = head(ALL, "Accept-Encoding: gzip")


@pytest.fixture(scope="module")
def both() -> Iterator[Twins]:
    """Give two edges over many checks."""
    with twins(services=3000) as pair:
        yield pair


@pytest.mark.parametrize("asked", [PLAIN, ZIPPED], ids=["plain", "gzip"])
def test_body_is_large_its_bytes_are_those_without_the_lane(
    both: Twins, asked: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compressed too, once that was done outside the loop."""
    answered: list[bool] = []
    answer = Connection._answer

    def spy(self: Connection, spot: Spot, known: bytes) -> bool:
        answered.append(answer(self, spot, known))
        return answered[-1]

    monkeypatch.setattr(Connection, "_answer", spy)
    last = head("/v1/status/leader", "Connection: close")
    for house in (both.with_lane, both.without):
        both.talk(house, [asked, asked, asked, last])
    pieces = [asked, asked, last]
    assert both.talk(both.with_lane, pieces) == both.talk(both.without, pieces)
    assert True in answered
