"""The fast lane behind each kind of listener."""

import asyncio
import ssl
from pathlib import Path

import pytest

from consul_edge.demo.standin import StandIn
from consul_edge.web.fastlane.connection import Connection
from tests.authority import Authority
from tests.house import PORT, House, edge_over
from tests.web.fastlane.client import Client, Lanes
from tests.web.fastlane.twins import head

KNOWN = head("/v1/catalog/nodes")


@pytest.fixture
def lanes(monkeypatch: pytest.MonkeyPatch) -> Lanes:
    """Look at what the lanes do."""
    return Lanes(monkeypatch)


async def test_clients_come_by_unix_socket_the_lane_answers_them(
    tmp_path: Path, lanes: Lanes
) -> None:
    """Whose file says who may come."""
    path = tmp_path / "edge.sock"
    standin = StandIn(nodes=2, services=0)
    async with standin.running(), edge_over(standin.base_url, LISTEN=f"unix://{path}"):
        client = Client(*await asyncio.open_unix_connection(str(path)))
        answers = [await client.ask(KNOWN) for _ in range(4)]
        client.leave()
    assert lanes.answered >= 1
    assert len({answer.body for answer in answers}) == 1


async def test_clients_come_by_tls_the_lane_answers_them(
    tmp_path: Path, lanes: Lanes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each certificate of a client has a book of its own, and what one taught another lacks."""
    books = []
    opened = Connection.connection_made

    def seen(connection: Connection, transport: asyncio.BaseTransport) -> None:
        opened(connection, transport)
        books.append(connection._book)

    monkeypatch.setattr(Connection, "connection_made", seen)
    authority = Authority(tmp_path)
    pair = authority.issue("edge", "localhost")
    standin = StandIn(nodes=2, services=0)
    settings = {
        "TLS__CERT": str(pair.cert),
        "TLS__KEY": str(pair.key),
        "TLS__CLIENT_CA": str(authority.ca_file),
    }
    async with standin.running(), edge_over(standin.base_url, **settings) as house:
        for name in ("alice", "bob", "alice"):
            client = await trusted(house, authority, tmp_path, name)
            for _ in range(4):
                assert (await client.ask(KNOWN)).status == 200
            client.leave()
    assert books[0] is not books[1]
    assert books[0] is books[2]
    assert lanes.answered >= 4


async def trusted(house: House, authority: Authority, folder: Path, name: str) -> Client:
    """Connect with a certificate of *name*'s own."""
    if not (folder / f"{name}.pem").exists():
        authority.issue(name, f"{name}.example")
    context = ssl.create_default_context(cafile=authority.ca_file)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    streams = await asyncio.open_connection(
        house.address, PORT, ssl=context, server_hostname="localhost"
    )
    return Client(*streams)
