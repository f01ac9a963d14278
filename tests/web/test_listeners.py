"""Where clients come in: TCP, unix sockets and TLS; and what is said when a listener cannot be."""

import asyncio
import os
import socket
import ssl
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from consul_edge.core.address import parse_listen
from consul_edge.core.errors import EdgeError
from consul_edge.demo.standin import StandIn
from consul_edge.web.listeners import bind
from tests.authority import Authority
from tests.edge import EdgeProcess
from tests.house import PORT, edge_over
from tests.processes import fresh_address
from tests.waiting import eventually
from tests.wire import Answer, exchange


@pytest.fixture
async def consul() -> AsyncIterator[str]:
    """Give the URL of a stand-in."""
    async with StandIn(nodes=1, services=0).running() as url:
        yield url


@pytest.fixture
def has_ipv6() -> None:
    """Skip on a machine whose loopback speaks IPv4 only."""
    try:
        free_port_of_ipv6()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a free path for a unix socket."""
    return tmp_path / "edge.sock"


@pytest.fixture
def abandoned(path: Path) -> Path:
    """Give the path of a socket whose process is gone."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
    return path


@pytest.fixture
def occupied(path: Path) -> Path:
    """Give the path of a regular file."""
    path.write_text("precious")
    return path


@pytest.fixture
def listening(path: Path) -> Iterator[socket.socket]:
    """Give a unix socket that somebody else listens on."""
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        yield other


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Give an authority of this test."""
    return Authority(tmp_path)


def free_port_of_ipv6() -> int:
    """Give a port that was free on ``::1`` a moment ago."""
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        port: int = probe.getsockname()[1]
        return port


async def read(address: str, port: int = PORT) -> Answer:
    """Read the leader at a listener."""
    return await asyncio.to_thread(exchange, (address, port), "GET", "/v1/status/leader")


async def test_ipv4_listener_serves(consul: str) -> None:
    """A request to host:port is answered."""
    async with edge_over(consul) as edge:
        assert (await read(edge.address)).status == 200


@pytest.mark.usefixtures("has_ipv6")
async def test_ipv6_listener_serves(consul: str) -> None:
    """A request to [v6]:port is answered, its literal in Host included."""
    port = free_port_of_ipv6()
    async with edge_over(consul, LISTEN=f"[::1]:{port}") as edge:
        async with edge.client.get(f"http://[::1]:{port}/v1/status/leader") as response:
            assert response.status == 200


@pytest.mark.usefixtures("has_ipv6")
async def test_name_with_two_addresses_is_listened_on_at_both(
    consul: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listener given by name serves at every address of the name."""
    address, port = fresh_address(), free_port_of_ipv6()
    both = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)),
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
    ]
    original = socket.getaddrinfo

    def look_up(host: Any, *details: Any, **options: Any) -> object:
        return both if host == "edge.test" else original(host, *details, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    async with edge_over(consul, LISTEN=f"edge.test:{port}"):
        assert [(await read(each, port)).status for each in (address, "::1")] == [200, 200]


async def test_unix_listener_serves(consul: str, path: Path) -> None:
    """A request over a unix socket is answered."""
    async with edge_over(consul, LISTEN=f"unix://{path}"):
        assert (await read(f"unix://{path}")).status == 200


@pytest.fixture
def umask() -> Iterator[int]:
    """Let this process make files that all may write, for one test."""
    before = os.umask(0)
    yield 0
    os.umask(before)


def test_unix_listener_is_its_owners_alone(path: Path, umask: int) -> None:
    """The socket has mode 0600 whatever the umask is."""
    (bound,) = bind(parse_listen(f"unix://{path}"))
    with bound:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_unix_listener_leaves_the_umask_as_it_was(path: Path, umask: int) -> None:
    """Files made later get the rights that the operator's umask gives them."""
    (bound,) = bind(parse_listen(f"unix://{path}"))
    with bound:
        assert os.umask(umask) == umask


async def test_socket_of_a_dead_edge_is_replaced(consul: str, abandoned: Path) -> None:
    """A socket that nobody listens on does not keep the next edge from starting."""
    async with edge_over(consul, LISTEN=f"unix://{abandoned}"):
        assert (await read(f"unix://{abandoned}")).status == 200


async def test_killed_edge_starts_again_on_its_socket(consul: str, path: Path) -> None:
    """An edge that was killed is started with the same configuration, as a supervisor does."""
    first, second = (EdgeProcess([consul], {"listen": f"unix://{path}"}) for _ in range(2))
    async with first:
        first.kill()
        async with second:
            assert (await read(f"unix://{path}")).status == 200


async def test_socket_in_use_is_refused_and_left_alone(
    consul: str, path: Path, listening: socket.socket
) -> None:
    """A socket that answers is another process's: it keeps it, and the edge says so."""
    with pytest.raises(EdgeError) as caught:
        async with edge_over(consul, LISTEN=f"unix://{path}"):
            pass
    assert str(caught.value) == f"cannot listen on unix://{path}: {path} is in use"
    listening.settimeout(5)
    listening.accept()[0].close()  # the edge's own look
    await read_nothing(path)
    listening.accept()[0].close()


async def read_nothing(path: Path) -> None:
    """Connect to a unix socket and hang up."""
    _, writer = await asyncio.open_unix_connection(path)
    writer.close()
    await writer.wait_closed()


async def test_silent_socket_in_use_is_refused_at_once(consul: str, path: Path) -> None:
    """A socket whose process accepts nothing any more is in use, too: nobody waits for it."""
    with socket.socket(socket.AF_UNIX) as hung, socket.socket(socket.AF_UNIX) as waiting:
        hung.bind(str(path))
        hung.listen(0)
        waiting.connect(str(path))
        with pytest.raises(EdgeError, match="is in use"):
            async with asyncio.timeout(20), edge_over(consul, LISTEN=f"unix://{path}"):
                pass


async def test_file_in_the_place_of_the_socket_is_refused(consul: str, occupied: Path) -> None:
    """What is no socket cannot have been an edge's, and the text says so."""
    with pytest.raises(EdgeError) as caught:
        async with edge_over(consul, LISTEN=f"unix://{occupied}"):
            pass
    text = f"cannot listen on unix://{occupied}: {occupied} exists and is no socket"
    assert str(caught.value) == text


def test_file_in_the_place_of_the_socket_is_left_alone(occupied: Path) -> None:
    """A regular file under the socket's path is nobody's to delete."""
    with pytest.raises(EdgeError):
        bind(parse_listen(f"unix://{occupied}"))
    assert occupied.read_text() == "precious"


async def test_folder_of_the_socket_missing_is_refused(consul: str, path: Path) -> None:
    """A socket in a folder that is not there is refused with the system's reason."""
    with pytest.raises(EdgeError, match=r"cannot listen on .*: No such file or directory"):
        async with edge_over(consul, LISTEN=f"unix://{path.parent}/missing/edge.sock"):
            pass


async def test_several_listeners_serve_at_once(consul: str, path: Path) -> None:
    """Each address of a list is served."""
    first, second = fresh_address(), fresh_address()
    listens = (f"{first}:{PORT}", f"{second}:{PORT}", f"unix://{path}")
    async with edge_over(consul, LISTEN=",".join(listens)):
        answers = [await read(each) for each in (first, second, f"unix://{path}")]
        assert [answer.status for answer in answers] == [200, 200, 200]


async def test_second_listener_taken_the_first_is_given_back(
    consul: str, path: Path, listening: socket.socket
) -> None:
    """An edge that cannot have all its listeners keeps none of them."""
    address = fresh_address()
    with pytest.raises(EdgeError, match="is in use"):
        async with edge_over(consul, LISTEN=f"{address}:{PORT},unix://{path}"):
            pass
    async with edge_over(consul, LISTEN=f"{address}:{PORT}"):
        assert (await read(address)).status == 200


async def test_taken_port_is_one_line_and_exit_1(consul: str) -> None:
    """What the operator sees is the address and the reason, no traceback."""
    with socket.socket() as other:
        taken = fresh_address()
        other.bind((taken, PORT))
        other.listen()
        edge = EdgeProcess([consul], {"listen": f"{taken}:{PORT}"})
        try:
            edge.launch()
            await eventually(lambda: edge.returncode is not None, "the end of the edge")
            assert edge.returncode == 1
            assert edge.log_lines() == [
                f"consul-edge: cannot listen on {taken}:{PORT}: Address already in use"
            ]
        finally:
            edge.stop()


async def test_address_of_another_machine_is_refused(consul: str) -> None:
    """An address that is not this machine's is refused with the system's reason."""
    with pytest.raises(EdgeError, match=r"cannot listen on 192\.0\.2\.1:8510: Cannot assign"):
        async with edge_over(consul, LISTEN="192.0.2.1:8510"):
            pass


async def test_tls_listener_serves_who_trusts_its_authority(
    consul: str, authority: Authority
) -> None:
    """A client that checks the certificate's name and authority is answered."""
    address = fresh_address()
    pair = authority.issue("edge", address)
    settings = {"TLS__CERT": str(pair.cert), "TLS__KEY": str(pair.key)}
    async with edge_over(consul, LISTEN=f"{address}:{PORT}", **settings) as edge:
        context = ssl.create_default_context(cafile=authority.ca_file)
        url = f"https://{address}:{PORT}/v1/status/leader"
        async with edge.client.get(url, ssl=context) as response:
            assert response.status == 200


async def test_plain_request_to_a_tls_listener_is_hung_up_on(
    consul: str, authority: Authority
) -> None:
    """Who speaks no TLS is not answered, and does not wait."""
    address = fresh_address()
    pair = authority.issue("edge", address)
    settings = {"TLS__CERT": str(pair.cert), "TLS__KEY": str(pair.key)}
    async with edge_over(consul, LISTEN=f"{address}:{PORT}", **settings) as edge:
        url = f"http://{address}:{PORT}/v1/status/leader"
        with pytest.raises(aiohttp.ClientError):
            await edge.client.get(url, timeout=aiohttp.ClientTimeout(total=20))


@pytest.mark.parametrize("known", [True, False], ids=["with", "without"])
async def test_client_ca_serves_only_clients_with_a_certificate(
    consul: str, authority: Authority, known: bool
) -> None:
    """With client_ca a certificate of that authority is what lets a client in."""
    address = fresh_address()
    pair = authority.issue("edge", address)
    settings = {
        "TLS__CERT": str(pair.cert),
        "TLS__KEY": str(pair.key),
        "TLS__CLIENT_CA": str(authority.ca_file),
    }
    context = ssl.create_default_context(cafile=authority.ca_file)
    async with edge_over(consul, LISTEN=f"{address}:{PORT}", **settings) as edge:
        url = f"https://{address}:{PORT}/v1/status/leader"
        if known:
            own = authority.issue("client", "client.test")
            context.load_cert_chain(own.cert, own.key)
            async with edge.client.get(url, ssl=context) as response:
                assert response.status == 200
        else:
            with pytest.raises(aiohttp.ClientError):
                await edge.client.get(url, ssl=context)


async def test_client_ca_refuses_a_certificate_of_another_authority(
    consul: str, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A certificate that somebody else signed lets nobody in."""
    address = fresh_address()
    pair = authority.issue("edge", address)
    settings = {
        "TLS__CERT": str(pair.cert),
        "TLS__KEY": str(pair.key),
        "TLS__CLIENT_CA": str(authority.ca_file),
    }
    stranger = Authority(tmp_path_factory.mktemp("stranger")).issue("client", "client.test")
    context = ssl.create_default_context(cafile=authority.ca_file)
    context.load_cert_chain(stranger.cert, stranger.key)
    async with edge_over(consul, LISTEN=f"{address}:{PORT}", **settings) as edge:
        with pytest.raises(aiohttp.ClientError):
            await edge.client.get(f"https://{address}:{PORT}/v1/status/leader", ssl=context)


async def test_certificate_that_is_none_is_refused(consul: str, tmp_path: Path) -> None:
    """A file that holds no certificate is named, and nothing is listened on."""
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    address = fresh_address()
    settings = {"TLS__CERT": str(broken), "TLS__KEY": str(broken)}
    with pytest.raises(EdgeError, match="tls cannot be used"):
        async with edge_over(consul, LISTEN=f"{address}:{PORT}", **settings):
            pass
    async with edge_over(consul, LISTEN=f"{address}:{PORT}"):
        assert (await read(address)).status == 200
