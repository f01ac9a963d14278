"""Listeners that a reload adds, keeps and gives up, and the clients that are connected to them."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consul_edge.web.listeners import Listener
from consul_edge.web.reload import NotReloaded
from tests.house import PORT, House, edge_over
from tests.processes import fresh_address

OTHER = 8511

HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n"
NODES = b"GET /v1/catalog/nodes HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Give an edge; no Consul is needed to be listened to."""
    async with edge_over(f"{fresh_address()}:8500", CONSUL__MAX_RETRIES="0") as house:
        yield house


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def ask(stream: Stream, request: bytes = HEALTHY) -> bytes:
    """Ask over a connection that is open; give the status line, and read the rest."""
    reader, writer = stream
    writer.write(request)
    await writer.drain()
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    length = next(
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length")
    )
    await reader.readexactly(length)
    return head.partition(b"\r\n")[0]


async def is_refused(address: str, port: int) -> bool:
    """Tell whether nobody listens there."""
    try:
        _, writer = await asyncio.open_connection(address, port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def test_listener_added_serves_and_the_kept_one_keeps_its_connections(house: House) -> None:
    """An address more takes connections, and takes none from those that there are."""
    here = await asyncio.open_connection(house.address, PORT)
    assert await ask(here) == b"HTTP/1.1 200 OK"
    await house.reload(LISTEN=f"{house.address}:{PORT},{house.address}:{OTHER}")
    there = await asyncio.open_connection(house.address, OTHER)
    assert await ask(there) == b"HTTP/1.1 200 OK"
    assert await ask(here) == b"HTTP/1.1 200 OK"
    for _, writer in (here, there):
        writer.close()


@pytest.mark.parametrize("fastlane", ["true", "false"])
async def test_listener_given_up_refuses_and_closes_what_is_idle(
    house: House, fastlane: str
) -> None:
    """Nobody goes on by an address that was closed, and nobody else notices."""
    both = f"{house.address}:{PORT},{house.address}:{OTHER}"
    await house.reload(LISTEN=both, FASTLANE=fastlane)
    kept = await asyncio.open_connection(house.address, PORT)
    lost = await asyncio.open_connection(house.address, OTHER)
    silent = await asyncio.open_connection(house.address, OTHER)
    for stream in (kept, lost):
        assert await ask(stream) == b"HTTP/1.1 200 OK"
    await house.reload(LISTEN=f"{house.address}:{PORT}")
    assert await is_refused(house.address, OTHER)
    assert await asyncio.wait_for(lost[0].read(), 10) == b""
    assert await asyncio.wait_for(silent[0].read(), 10) == b""
    assert await ask(kept) == b"HTTP/1.1 200 OK"
    for _, writer in (kept, lost, silent):
        writer.close()


async def test_listener_of_all_interfaces_takes_the_place_of_one_of_its_addresses(
    house: House,
) -> None:
    """What is in the way of a new listener and is to go with the same reload is no hindrance."""
    with socket.socket() as free:
        free.bind((house.address, 0))
        port = free.getsockname()[1]
    await house.reload(LISTEN=f"{house.address}:{port}")
    await house.reload(LISTEN=f":{port}")
    for address in (house.address, fresh_address()):
        stream = await asyncio.open_connection(address, port)
        assert await ask(stream) == b"HTTP/1.1 200 OK"
        stream[1].close()
    await house.reload(LISTEN=f"{house.address}:{port}")
    assert await is_refused(fresh_address(), port)
    assert not await is_refused(house.address, port)


async def test_reload_refused_half_way_leaves_no_socket_and_no_file(
    house: House, tmp_path: Path
) -> None:
    """What was bound before a port that is taken is given back, and can be had afterwards."""
    path = tmp_path / "edge.sock"
    first = f"{house.address}:{PORT},unix://{path},{house.address}:{OTHER}"
    with socket.socket() as taken:
        taken.bind((house.address, 0))
        taken.listen()
        with pytest.raises(NotReloaded):
            await house.reload(LISTEN=f"{first},{house.address}:{taken.getsockname()[1]}")
        assert await is_refused(house.address, OTHER)
        assert not path.exists()
    await house.reload(LISTEN=first)
    stream = await asyncio.open_unix_connection(path)
    assert await ask(stream) == b"HTTP/1.1 200 OK"
    stream[1].close()


async def test_who_asked_for_a_reload_leaves_it_is_finished(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client of POST /-/reload that hangs up leaves no listener that never accepts."""
    start, has_begun = Listener.start, asyncio.Event()

    async def slow(listener: Listener) -> None:
        has_begun.set()
        await asyncio.sleep(0)
        await start(listener)

    monkeypatch.setattr(Listener, "start", slow)
    both = f"{house.address}:{PORT},{house.address}:{OTHER}"
    reloading = asyncio.create_task(house.reload(LISTEN=both))
    await has_begun.wait()
    reloading.cancel()
    await asyncio.gather(reloading, return_exceptions=True)
    stream = await asyncio.open_connection(house.address, OTHER)
    assert await ask(stream) == b"HTTP/1.1 200 OK"
    stream[1].close()


async def test_unix_listener_comes_and_goes_with_its_file(house: House, tmp_path: Path) -> None:
    """A socket that was given up leaves no file at which clients would knock."""
    path = tmp_path / "edge.sock"
    both = f"{house.address}:{PORT},unix://{path}"
    await house.reload(LISTEN=both)
    stream = await asyncio.open_unix_connection(path)
    assert await ask(stream) == b"HTTP/1.1 200 OK"
    await house.reload(LISTEN=both, CACHE__TTL="3s")
    assert await ask(stream) == b"HTTP/1.1 200 OK"
    await house.reload(LISTEN=f"{house.address}:{PORT}")
    assert not path.exists()
    assert await asyncio.wait_for(stream[0].read(), 10) == b""
    stream[1].close()
