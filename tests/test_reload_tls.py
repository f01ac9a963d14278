"""Certificates that are exchanged while the edge serves: its own, and those towards Consul."""

import asyncio
import os
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from consul_edge.demo.standin import StandIn
from consul_edge.reloading import RELOADER
from consul_edge.web.keys import UPSTREAM
from tests.authority import Authority
from tests.house import PORT, House, edge_over
from tests.processes import fresh_address


@pytest.fixture
def one(tmp_path: Path) -> Authority:
    """Give an authority."""
    (tmp_path / "one").mkdir()
    return Authority(tmp_path / "one")


@pytest.fixture
def two(tmp_path: Path) -> Authority:
    """Give another."""
    (tmp_path / "two").mkdir()
    return Authority(tmp_path / "two")


def put(folder: Path, authority: Authority) -> tuple[str, str]:
    """Have a certificate of *authority* in the place that the settings name."""
    pair = authority.issue("edge", "localhost")
    for source, name in ((pair.cert, "cert.pem"), (pair.key, "key.pem")):
        shutil.copyfile(source, folder / "new")
        os.utime(folder / "new", (1000, 1000))
        (folder / "new").replace(folder / name)
    return str(folder / "cert.pem"), str(folder / "key.pem")


async def handshake(
    address: str, port: int, authority: Authority
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect as one who trusts *authority* alone."""
    context = ssl.create_default_context(cafile=authority.ca_file)
    return await asyncio.open_connection(address, port, ssl=context, server_hostname="localhost")


async def is_trusted(house: House, authority: Authority) -> bool:
    """Tell whether a client that trusts *authority* alone gets in."""
    try:
        _, writer = await handshake(house.address, PORT, authority)
    except ssl.SSLCertVerificationError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def tls_edge(folder: Path, authority: Authority) -> AsyncIterator[House]:
    """Run an edge with a certificate; no Consul is needed to shake hands."""
    cert, key = put(folder, authority)
    nobody = f"{fresh_address()}:8500"
    async with edge_over(nobody, TLS__CERT=cert, TLS__KEY=key) as house:
        await house.app[RELOADER].look()
        yield house


async def test_certificate_rotated_is_shown_to_who_connects_then(
    tmp_path: Path, one: Authority, two: Authority
) -> None:
    """Without a reload; whoever is connected goes on with the former one."""
    async with tls_edge(tmp_path, one) as house:
        reader, writer = await handshake(house.address, PORT, one)
        put(tmp_path, two)
        await house.app[RELOADER].look()
        assert await is_trusted(house, two)
        assert not await is_trusted(house, one)
        writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_certificate_half_written_keeps_the_former_one_and_is_told_once(
    tmp_path: Path, one: Authority, two: Authority
) -> None:
    """A certificate without its key yet is no reason to show nothing."""
    async with tls_edge(tmp_path, one) as house:
        (tmp_path / "cert.pem").write_bytes(two.issue("edge", "localhost").cert.read_bytes())
        with capture_logs() as logged:
            await house.app[RELOADER].look()
            await house.app[RELOADER].look()
        told = [one for one in logged if one["event"].startswith("certificate")]
        assert len(told) == 1
        assert await is_trusted(house, one)
        put(tmp_path, two)
        await house.app[RELOADER].look()
        assert await is_trusted(house, two)


async def test_listeners_begin_and_end_to_speak_tls_with_a_reload(
    tmp_path: Path, one: Authority
) -> None:
    """The same socket, by the settings in force; clients may have to show a certificate."""
    cert, key = put(tmp_path, one)
    async with edge_over(f"{fresh_address()}:8500") as house:
        await house.reload(TLS__CERT=cert, TLS__KEY=key)
        assert await is_trusted(house, one)
        await house.reload(TLS__CLIENT_CA=str(one.ca_file))
        reader, writer = await handshake(house.address, PORT, one)
        writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with suppress(OSError):
            assert await reader.read() == b""
        writer.close()
        for name in ("CERT", "KEY", "CLIENT_CA"):
            house.env.pop(f"CONSUL_EDGE_TLS__{name}")
        await house.reload()
        assert (await house.ask("GET", "/-/healthy")).status == 200


@pytest.mark.parametrize("fastlane", ["true", "false"])
async def test_connection_ends_when_clients_are_asked_for_more_than_it_showed(
    tmp_path: Path, one: Authority, two: Authority, fastlane: str
) -> None:
    """Neither a plain one goes on beside TLS, nor one without a certificate where one is asked."""
    cert, key = put(tmp_path, one)
    async with edge_over(f"{fresh_address()}:8500", FASTLANE=fastlane) as house:
        plain = await asyncio.open_connection(house.address, PORT)
        await healthy(plain)
        await house.reload(TLS__CERT=cert, TLS__KEY=key)
        assert await asyncio.wait_for(plain[0].read(), 10) == b""
        nameless = await handshake(house.address, PORT, one)
        await healthy(nameless)
        await house.reload(CACHE__TTL="7s")
        await healthy(nameless)
        await house.reload(TLS__CLIENT_CA=str(two.ca_file))
        assert await asyncio.wait_for(nameless[0].read(), 10) == b""
        for _, writer in (plain, nameless):
            writer.close()


async def healthy(stream: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """Ask over a connection that is open, and read the whole answer."""
    reader, writer = stream
    writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    await reader.readuntil(b"healthy\n")


@asynccontextmanager
async def consul(authority: Authority, client_ca: Authority | None = None) -> AsyncIterator[str]:
    """Run a stand-in behind TLS, on a name that is its own."""
    pair = authority.issue("consul", "localhost", "consul.test")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca.ca_file)
    runner = web.AppRunner(StandIn(nodes=2, services=2).app(), auto_decompress=False)
    await runner.setup()
    address = fresh_address()
    await web.TCPSite(runner, address, 8501, ssl_context=context).start()
    try:
        yield f"{address}:8501"
    finally:
        await runner.cleanup()


async def status(house: House) -> int:
    """Read something that is always asked for."""
    return (await house.ask("GET", "/v1/catalog/nodes?consistent")).status


async def test_way_to_consul_is_secured_by_the_settings_in_force(
    tmp_path: Path, one: Authority, two: Authority
) -> None:
    """Scheme, authorities, name, checking and the edge's own certificate: each by a reload."""
    own = two.issue("own", "edge")
    folder = tmp_path / "authorities"
    folder.mkdir()
    shutil.copyfile(one.ca_file, folder / "one.pem")
    async with consul(one, client_ca=two) as server:
        settings = {"CONSUL__MAX_RETRIES": "0", "CONSUL__DEADLINE": "2s"}
        async with edge_over(server, **settings) as house:
            del house.env["CONSUL_EDGE_CONSUL__LOCAL_AGENT"]
            assert await status(house) >= 400  # plain HTTP to a TLS port
            await house.reload(
                CONSUL__TLS__ENABLED="true",
                CONSUL__TLS__CERT=str(own.cert),
                CONSUL__TLS__KEY=str(own.key),
            )
            assert await status(house) == 500  # an authority that nobody knows
            await house.reload(CONSUL__TLS__VERIFY="false")
            assert await status(house) == 200
            await house.reload(CONSUL__TLS__VERIFY="true", CONSUL__TLS__CA_FILE=str(one.ca_file))
            assert await status(house) == 500  # an address that the certificate does not name
            await house.reload(CONSUL__TLS__SERVER_NAME="consul.test")
            assert await status(house) == 200
            house.env.pop("CONSUL_EDGE_CONSUL__TLS__CA_FILE")
            await house.reload(CONSUL__TLS__CA_PATH=str(folder))
            assert await status(house) == 200
            for name in ("CERT", "KEY"):
                house.env.pop(f"CONSUL_EDGE_CONSUL__TLS__{name}")
            await house.reload()
            assert await status(house) == 500  # it wants to see a certificate


async def test_authorities_towards_consul_rotated_are_read_without_a_reload(
    tmp_path: Path, one: Authority, two: Authority
) -> None:
    """A new authority's servers are trusted, and an unchanged file changes no connection."""
    path = tmp_path / "ca.pem"
    shutil.copyfile(one.ca_file, path)
    os.utime(path, (1000, 1000))
    async with consul(two) as server:
        settings = {
            "CONSUL__TLS__ENABLED": "true",
            "CONSUL__TLS__CA_FILE": str(path),
            "CONSUL__TLS__SERVER_NAME": "consul.test",
            "CONSUL__MAX_RETRIES": "0",
        }
        async with edge_over(server, **settings) as house:
            await house.app[RELOADER].look()
            assert await status(house) == 500
            trust = house.app[UPSTREAM]._trust
            await house.reload()
            assert house.app[UPSTREAM]._trust is trust
            shutil.copyfile(two.ca_file, path)
            os.utime(path, (2000, 2000))
            await house.app[RELOADER].look()
            assert await status(house) == 200
