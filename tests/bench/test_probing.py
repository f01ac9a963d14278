"""Whether a look by hand finds what is wrong with an answer."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.bench.probing import LIVE, Expected, trouble_of
from tests.processes import fresh_address

PORT = 8500

LIVE_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nCache-Status: consul-edge; hit; detail=live\r\n\r\n"
    b"hello"
)


@asynccontextmanager
async def answering(raw: bytes) -> AsyncIterator[str]:
    """Serve the same bytes to everyone, and close."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        writer.close()

    address = fresh_address()
    async with await asyncio.start_server(serve, address, PORT):
        yield f"http://{address}:{PORT}"


async def look(raw: bytes, expected: Expected) -> str:
    """Look once."""
    async with answering(raw) as base:
        return await asyncio.to_thread(trouble_of, base, "/v1/kv/x", {}, expected)


async def test_answer_as_expected_is_no_trouble() -> None:
    """Status, length and the header that shows where it comes from are right."""
    assert await look(LIVE_ANSWER, Expected(5, *LIVE)) == ""


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (LIVE_ANSWER.replace(b"200 OK", b"500 No"), "500 hello"),
        (LIVE_ANSWER.replace(b": 5", b": 4"), "4 bytes of body instead of 5"),
        (LIVE_ANSWER.replace(b"live", b"ttl"), "not from memory: Cache-Status: .*detail=ttl"),
        (LIVE_ANSWER.replace(b"Cache-Status", b"X-Other"), "not from memory: .*: none"),
        (b"", "no answer: "),
    ],
    ids=["status", "length", "kept otherwise", "no header", "closed"],
)
async def test_answer_that_is_wrong_in_one_way_is_trouble(raw: bytes, why: str) -> None:
    """Each is told by name."""
    found = await look(raw, Expected(5, *LIVE))

    assert re.match(why, found)


def test_contender_that_is_not_there_is_trouble() -> None:
    """It is told, and no crash."""
    found = trouble_of(f"http://{fresh_address()}:{PORT}", "/", {}, Expected())

    assert "refused" in found
