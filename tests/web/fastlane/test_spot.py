"""For how long the bytes of an answer are used again."""

from math import inf
from unittest.mock import Mock

import pytest

from consul_edge.cache.at_once import Settled
from consul_edge.cache.line import Line
from consul_edge.cache.plan import Question
from consul_edge.cache.proof import Proof
from consul_edge.cache.served import Served
from consul_edge.core.entry import make_entry
from consul_edge.web.fastlane.spot import Spot
from consul_edge.web.rendering import Parts


def test_second_ends_while_an_answer_is_rendered_its_bytes_are_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The date in them is of the second that is over."""
    clock = [1_800_000_000.9]
    monkeypatch.setattr("consul_edge.web.fastlane.spot.time.time", lambda: clock[0])
    entry = make_entry(200, "OK", (), b"[]", server="a:8500")

    def render(*_: object, **__: object) -> Parts:
        clock[0] += 0.2
        return (b"rendered",)

    proof = Mock(spec=Proof)
    proof.holds.return_value = True
    lane = Mock()
    lane.rendering.parts = render
    lane.cache.at_once.settle.return_value = Settled(
        Mock(spec=Line), Served(entry, "live"), proof, inf
    )
    spot = Spot(lane, Mock(spec=Question), b"head", target="/", accepts_gzip=False)
    assert spot.settle(100.0) is not None
    assert spot.parts == (b"rendered",)
    assert (spot.is_ready(100.05), spot.is_ready(100.15)) == (True, False)
