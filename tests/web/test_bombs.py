"""Bodies that are small on the wire and huge when they are unpacked: none is unpacked whole."""

import gzip
import tracemalloc
from collections.abc import AsyncIterator
from typing import Final
from unittest.mock import Mock

import pytest

from consul_edge.core.failover import READABLE_BYTES
from consul_edge.demo.standin import StandIn
from consul_edge.upstream.answer import Answer
from tests.house import House, edge_over

UNPACKED: Final = 64 * 2**20

NODES: Final = "/v1/catalog/nodes"

BOMB: Final = gzip.compress(bytes(UNPACKED), 9, mtime=0)


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a server that notes what it gets."""
    standin = StandIn(nodes=1, services=0)
    async with standin.running():
        yield standin


@pytest.fixture
async def house(standin: StandIn) -> AsyncIterator[House]:
    """Give an edge over it."""
    async with edge_over(standin.base_url) as house:
        yield house


async def test_compressed_body_of_a_client_is_passed_on_as_it_came(
    house: House, standin: StandIn
) -> None:
    """Consul gets the bytes that were sent, whatever is in them."""
    await house.ask("PUT", "/v1/kv/a", [("Content-Encoding", "gzip")], BOMB)
    (seen,) = standin.seen.of("PUT")
    assert seen.body_length == len(BOMB)
    assert seen.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("target", ["/v1/session/list", "/v1/kv/a", "/v1/new"])
async def test_compressed_answer_is_passed_on_as_it_came(
    house: House, standin: StandIn, target: str
) -> None:
    """A server that packs more than was asked for costs what it sent, and no more."""
    standin.faults.answer(200, BOMB, {"Content-Encoding": "gzip"}, path=target)
    tracemalloc.start()
    try:
        answer = await house.ask("GET", target, [("Accept-Encoding", "gzip")])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (answer.status, answer.body) == (200, BOMB)
    assert peak < UNPACKED / 4


async def test_compressed_answer_to_be_kept_is_unpacked_up_to_the_bound_of_an_entry(
    standin: StandIn,
) -> None:
    """What a server packs though nobody asked; beyond the bound it is passed on as it came."""
    standin.faults.answer(200, BOMB, {"Content-Encoding": "gzip"}, path=NODES)
    async with edge_over(standin.base_url, CACHE__MAX_ENTRY_BYTES="1MiB") as house:
        tracemalloc.start()
        try:
            answer = await house.ask("GET", NODES)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (answer.status, answer.body) == (200, BOMB)
    assert answer.header("Content-Encoding") == "gzip"
    assert peak < UNPACKED / 4


async def test_server_packs_unasked_each_client_gets_what_it_accepts(standin: StandIn) -> None:
    """One entry is kept, unpacked; packed once again for who wants it so."""
    rows = b"[%b]" % b",".join([b'"a row"'] * 500)
    half = len(rows) // 2
    packed = gzip.compress(rows[:half]) + gzip.compress(rows[half:])
    headers = {"Content-Encoding": "GZIP", "X-Consul-Index": "7"}
    standin.faults.answer(200, packed, headers, path=NODES, times=1)
    async with edge_over(standin.base_url, CACHE__TTL="60s") as house:
        plain = await house.ask("GET", NODES)
        zipped = await house.ask("GET", NODES, [("Accept-Encoding", "gzip")])
    assert (plain.header("Content-Encoding"), plain.body) == (None, rows)
    assert (zipped.header("X-Cache"), zipped.header("Content-Encoding")) == ("HIT", "gzip")
    assert gzip.decompress(zipped.body) == rows


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("br", b"whatever"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"[]"))),
        ("gzip", gzip.compress(b"[]")[:-1]),
        ("gzip", b"no gzip"),
    ],
    ids=["unknown", "twice", "cut-off", "none"],
)
async def test_nobody_here_can_unpack_an_answer_it_is_passed_on_as_it_came(
    house: House, standin: StandIn, coding: str, packed: bytes
) -> None:
    """With the header that says so, and not kept."""
    headers = {"Content-Encoding": coding, "X-Consul-Index": "7"}
    standin.faults.answer(200, packed, headers, path=NODES)
    for _ in range(2):
        answer = await house.ask("GET", NODES)
        assert (answer.header("Content-Encoding"), answer.body) == (coding, packed)
        assert answer.header("X-Cache") == "MISS"


def test_compressed_error_is_read_up_to_a_bound() -> None:
    """An error is unpacked to be judged: its beginning is enough."""
    answer = Mock(spec=Answer)
    answer.headers, answer.body = {"Content-Encoding": "gzip"}, BOMB
    tracemalloc.start()
    try:
        text = Answer.text.fget(answer)  # type: ignore[attr-defined] # a property's own function
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0 < len(text) <= READABLE_BYTES
    assert peak < UNPACKED / 4
