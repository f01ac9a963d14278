"""
No body, pipeline or half a head is ever taken for a request that it is not: whatever is sent, in
whatever pieces, the answers are byte for byte those of an edge without the fast lane.
"""

from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consul_edge.web.fastlane.connection import Connection
from consul_edge.web.fastlane.spot import Spot
from tests.web.fastlane.twins import HOST, OTHER, SERVICE, Twins, head, twins

KNOWN: Final = head(SERVICE)
"""Answered so often that the lane knows it."""

SLOW: Final = "/v1/status/peers"

KV: Final = "/v1/kv/smuggled"

LAST: Final = head("/v1/status/leader", "Connection: close")
"""What ends a conversation."""


def chunked(*chunks: bytes) -> bytes:
    """Frame a body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


MESSAGES: Final = {
    "known": KNOWN,
    "known-again": KNOWN,
    "known-and-known": KNOWN + KNOWN,
    "unknown": head(OTHER, "User-Agent: nobody knows"),
    "unlisted-header": head(SERVICE, "X-Unlisted: 1"),
    "head": head(SERVICE, method="HEAD"),
    "put": head(KV, f"Content-Length: {len(KNOWN)}", method="PUT") + KNOWN,
    "put-chunked": head(KV, "Transfer-Encoding: chunked", method="PUT") + chunked(KNOWN),
    "put-chunks": head(KV, "Transfer-Encoding: chunked", method="PUT") + chunked(KNOWN, KNOWN),
    "put-empty": head(KV, "Content-Length: 0", method="PUT"),
    "get-with-body": head(SERVICE, f"Content-Length: {len(KNOWN)}") + KNOWN,
    "get-with-chunks": head(SERVICE, "Transfer-Encoding: chunked") + chunked(KNOWN),
    "get-with-no-body": head(SERVICE, "Content-Length: 0"),
    "expect": head(KV, "Expect: 100-continue", f"Content-Length: {len(KNOWN)}", method="PUT")
    + KNOWN,
    "upgrade": head(SERVICE, "Connection: Upgrade", "Upgrade: websocket"),
    "close": head(SERVICE, "Connection: close"),
    "keep-alive": head(SERVICE, "Connection: keep-alive"),
    "old": b"GET %b HTTP/1.0\r\nHost: a\r\n\r\n" % SERVICE.encode(),
    "two-hosts": head(SERVICE, "Host: 127.0.0.2"),
    "two-lengths": head(KV, "Content-Length: 5", "Content-Length: 6", method="PUT") + b"12345",
    "length-and-chunks": head(KV, "Content-Length: 3", "Transfer-Encoding: chunked", method="PUT")
    + chunked(b"abc"),
    "folded": b"GET %b HTTP/1.1\r\nHost: a\r\n b\r\n\r\n" % SERVICE.encode(),
    "bare-newlines": KNOWN.replace(b"\r\n", b"\n"),
    "empty-lines-before": b"\r\n\r\n" + KNOWN,
    "absolute": b"GET http://127.0.0.1%b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % SERVICE.encode(),
    "no-host": b"GET %b HTTP/1.1\r\n\r\n" % SERVICE.encode(),
    "foreign-host": KNOWN.replace(b"127.0.0.1", b"evil.example"),
    "slow": head(SLOW),
    "slow-and-known": head(SLOW) + KNOWN,
    "refused-with-body": head(SERVICE, f"Content-Length: {len(KNOWN)}").replace(
        HOST, b"evil.example"
    )
    + KNOWN,
    "refused-with-chunks": head(SERVICE, "Transfer-Encoding: chunked").replace(
        HOST, b"evil.example"
    )
    + chunked(KNOWN),
    "missing-route": head("/nowhere"),
    "rest-of-a-head": b"X: 1\r\n\r\n",
}


@pytest.fixture(scope="module")
def both() -> Iterator[Twins]:
    """Give two edges, with and without the lane."""
    with twins() as pair:
        # An answer that is still under way when the next piece comes.
        pair.call(lambda: pair.standin.faults.delay(0.03, path=SLOW))
        yield pair


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    """Draw messages, and where their bytes are cut into pieces."""
    names = draw(st.lists(st.sampled_from(sorted(MESSAGES)), min_size=1, max_size=6))
    messages = [MESSAGES[name] for name in names]
    match draw(st.sampled_from(("apart", "at-empty-lines", "together", "cut", "bytes"))):
        case "apart":
            return [*messages, LAST]
        case "at-empty-lines":
            return at_empty_lines(b"".join((*messages, LAST)))
        case "together":
            return [b"".join((*messages, LAST))]
        case "bytes":
            raw = b"".join(messages[:2])
            return [*(raw[at : at + 1] for at in range(len(raw))), LAST]
    raw = b"".join((*messages, LAST))
    cuts = sorted(draw(st.sets(st.integers(1, len(raw) - 1), max_size=6)))
    return [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]


def at_empty_lines(raw: bytes) -> list[bytes]:
    """Cut where a head may end: a body that is a head then comes as one."""
    parts = raw.split(b"\r\n\r\n")
    return [part + b"\r\n\r\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


@given(pieces=conversations())
@settings(max_examples=120, deadline=None)
def test_anything_is_sent_in_any_pieces_the_answers_are_those_without_the_lane(
    both: Twins, pieces: list[bytes]
) -> None:
    """The same bytes in the same order, to the end of the connection."""
    assert both.talk(both.with_lane, pieces) == both.talk(both.without, pieces)


@pytest.mark.parametrize("first", sorted(MESSAGES))
@pytest.mark.parametrize("second", ["known", "put", "rest-of-a-head"])
def test_message_is_followed_by_another_the_answers_are_those_without_the_lane(
    both: Twins, first: str, second: str
) -> None:
    """Each pair behind a known one, cut between the messages, and at each empty line."""
    messages = [KNOWN, MESSAGES[first], MESSAGES[second], LAST]
    for pieces in (messages, at_empty_lines(b"".join(messages))):
        assert both.talk(both.with_lane, pieces) == both.talk(both.without, pieces)


def test_known_heads_are_sent_apart_the_lane_answers_them(
    both: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without this the other tests would compare an edge with its like."""
    answered: list[bool] = []
    answer = Connection._answer

    def spy(self: Connection, spot: Spot, known: bytes) -> bool:
        answered.append(answer(self, spot, known))
        return answered[-1]

    monkeypatch.setattr(Connection, "_answer", spy)
    got = both.talk(both.with_lane, [KNOWN, KNOWN, MESSAGES["keep-alive"], KNOWN, LAST])
    assert got.count(b"HTTP/1.1 200 OK") == 5
    assert answered.count(True) >= 3
