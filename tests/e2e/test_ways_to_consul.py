"""The ways to a Consul: unix sockets, TLS, a prefix, names, and the variable that says which."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from consul_edge.demo.standin import StandIn
from tests.authority import Authority
from tests.consul import ConsulAgent
from tests.house import PORT, edge_over
from tests.peers import require
from tests.processes import Process, fresh_address
from tests.waiting import wait_until

CONSUL_PORT = 8500

TLS_PORT = 8501

NAME = "server.dc1.consul"
"""What the certificate of a Consul server is made out to, beside its addresses."""


@pytest.fixture(scope="module")
def agent() -> Iterator[ConsulAgent]:
    """Give a real agent that listens in every way, and lets in over https whoever asks."""
    require("consul")
    with ConsulAgent(tls=True, unix_socket=True) as agent:
        yield agent


@pytest.fixture(scope="module")
def strict_agent() -> Iterator[ConsulAgent]:
    """Give a real agent that over https lets in only who has a certificate."""
    require("consul")
    with ConsulAgent(tls=True, client_certificates=True) as agent:
        yield agent


def authority_of(agent: ConsulAgent) -> Authority:
    """Give who signed an agent's certificate."""
    assert agent.authority is not None
    return agent.authority


def resolve(patch: pytest.MonkeyPatch, name: str, *addresses: str) -> None:
    """Let *name* stand for *addresses* in this process."""
    original = socket.getaddrinfo

    def look_up(host: Any, port: Any, *details: Any, **options: Any) -> object:
        if host != name:
            return original(host, port, *details, **options)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))
            for address in addresses
        ]

    patch.setattr(socket, "getaddrinfo", look_up)


def standin() -> StandIn:
    """Make a stand-in that costs little."""
    return StandIn(nodes=1, services=0)


@asynccontextmanager
async def stripping(prefix: str, consul: str) -> AsyncIterator[str]:
    """Run a reverse proxy that serves *consul* under *prefix* and nothing else; give its URL."""

    async def forward(request: web.Request) -> web.Response:
        target = request.raw_path
        if not target.startswith(f"{prefix}/v1/"):
            return web.Response(status=404, text="not under the prefix")
        url = URL(consul + target.removeprefix(prefix), encoded=True)
        async with session.request(request.method, url, data=await request.read()) as answer:
            return web.Response(status=answer.status, body=await answer.read())

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", forward)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    address = fresh_address()
    try:
        async with aiohttp.ClientSession() as session:
            await web.TCPSite(runner, address, CONSUL_PORT).start()
            yield f"http://{address}:{CONSUL_PORT}"
    finally:
        await runner.cleanup()


async def read_at_an_edge_with(variables: dict[str, str], folder: Path) -> None:
    """Start ``consul-edge serve`` with nothing but *variables*, and read until it answers."""
    listen = f"{fresh_address()}:{PORT}"
    command = (sys.executable, "-m", "consul_edge", "serve", "--listen", listen)
    process = Process("edge", command, folder / "log", variables)

    def is_answered() -> bool:
        with urlopen(f"http://{listen}/v1/catalog/nodes", timeout=10) as response:
            return bool(response.status == 200)

    try:
        await asyncio.to_thread(wait_until, is_answered, "an answer")
    finally:
        process.kill()


@pytest.mark.real
async def test_unix_socket_of_consul_is_read_and_written(agent: ConsulAgent) -> None:
    """Over a unix socket reads and writes reach Consul."""
    async with edge_over(f"unix://{agent.socket}") as edge:
        assert (await edge.ask("PUT", "/v1/kv/ways/unix", body=b"value")).json() is True
        answer = await edge.ask("GET", "/v1/kv/ways/unix?raw")
        assert answer.body == b"value"
        assert answer.header("X-Consul-Edge-Server") == f"unix://{agent.socket}"


@pytest.mark.real
async def test_https_with_its_authority_is_read_and_written(agent: ConsulAgent) -> None:
    """Over TLS reads and writes reach a Consul whose authority is configured."""
    ca_file = str(authority_of(agent).ca_file)
    async with edge_over(str(agent.https), CONSUL__TLS__CA_FILE=ca_file) as edge:
        assert (await edge.ask("PUT", "/v1/kv/ways/tls", body=b"value")).json() is True
        assert (await edge.ask("GET", "/v1/kv/ways/tls?raw")).body == b"value"


@pytest.mark.real
async def test_https_with_a_folder_of_authorities_is_read(
    agent: ConsulAgent, tmp_path: Path
) -> None:
    """Every file of ca_path is trusted, whatever its name."""
    (tmp_path / "one.pem").write_bytes(authority_of(agent).ca_file.read_bytes())
    async with edge_over(str(agent.https), CONSUL__TLS__CA_PATH=str(tmp_path)) as edge:
        assert (await edge.ask("GET", "/v1/status/leader")).status == 200


@pytest.mark.real
async def test_https_of_an_unknown_authority_is_not_asked(agent: ConsulAgent) -> None:
    """A certificate that nobody vouches for ends in a 500 that says why."""
    async with edge_over(str(agent.https), CONSUL__MAX_RETRIES="0") as edge:
        answer = await edge.ask("GET", "/v1/status/leader")
        assert answer.status == 500
        text = answer.body.decode()
        host = str(agent.https).removeprefix("https://")
        assert f"{host} has a certificate that is not trusted" in text


@pytest.mark.real
async def test_https_without_verifying_is_read(agent: ConsulAgent) -> None:
    """With verify off any certificate will do."""
    async with edge_over(str(agent.https), CONSUL__TLS__VERIFY="false") as edge:
        assert (await edge.ask("GET", "/v1/status/leader")).status == 200


@pytest.mark.real
async def test_https_with_a_client_certificate_is_let_in(strict_agent: ConsulAgent) -> None:
    """A Consul that demands a certificate is shown the configured one, by reads and by writes."""
    authority = authority_of(strict_agent)
    own = authority.issue("edge", "edge.test")
    settings = {
        "CONSUL__TLS__CA_FILE": str(authority.ca_file),
        "CONSUL__TLS__CERT": str(own.cert),
        "CONSUL__TLS__KEY": str(own.key),
    }
    async with edge_over(str(strict_agent.https), **settings) as edge:
        assert (await edge.ask("PUT", "/v1/kv/ways/own", body=b"value")).json() is True
        assert (await edge.ask("GET", "/v1/kv/ways/own?raw")).body == b"value"


@pytest.mark.real
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_https_without_a_client_certificate_is_a_500_that_names_the_server(
    strict_agent: ConsulAgent, method: str
) -> None:
    """A Consul that demands a certificate and gets none is an error, of reads and of writes."""
    settings = {
        "CONSUL__TLS__CA_FILE": str(authority_of(strict_agent).ca_file),
        "CONSUL__MAX_RETRIES": "0",
        "CONSUL__DEADLINE": "2s",
    }
    async with edge_over(str(strict_agent.https), **settings) as edge:
        answer = await edge.ask(method, "/v1/kv/ways/none")
        assert answer.status == 500
        assert str(strict_agent.https).removeprefix("https://") in answer.body.decode()


@pytest.mark.real
async def test_https_by_name_is_checked_by_the_name(
    agent: ConsulAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections go to a name's addresses, and the certificate must be the name's."""
    resolve(monkeypatch, NAME, agent.address)
    settings = {"CONSUL__TLS__CA_FILE": str(authority_of(agent).ca_file)}
    async with edge_over(f"https://{NAME}:{TLS_PORT}", **settings) as edge:
        answer = await edge.ask("GET", "/v1/catalog/nodes")
        assert answer.status == 200
        assert answer.header("X-Consul-Edge-Server") == f"{agent.address}:{TLS_PORT}"


@pytest.mark.real
async def test_https_by_a_name_that_is_not_the_certificates_is_not_asked(
    agent: ConsulAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right address under a wrong name is not trusted."""
    resolve(monkeypatch, "consul.test", agent.address)
    settings = {
        "CONSUL__TLS__CA_FILE": str(authority_of(agent).ca_file),
        "CONSUL__MAX_RETRIES": "0",
    }
    async with edge_over(f"https://consul.test:{TLS_PORT}", **settings) as edge:
        answer = await edge.ask("GET", "/v1/catalog/nodes")
        assert answer.status == 500
        assert "has a certificate that is not trusted" in answer.body.decode()


@pytest.mark.real
async def test_https_with_a_configured_name_is_checked_by_that_one(agent: ConsulAgent) -> None:
    """server_name stands in for what an address does not say."""
    settings = {
        "CONSUL__TLS__CA_FILE": str(authority_of(agent).ca_file),
        "CONSUL__TLS__SERVER_NAME": NAME,
    }
    async with edge_over(str(agent.https), **settings) as edge:
        assert (await edge.ask("GET", "/v1/status/leader")).status == 200


@pytest.mark.parametrize("end", ["", "/"], ids=["bare", "slash"])
async def test_prefix_is_put_before_every_path(end: str) -> None:
    """Behind a reverse proxy that strips a prefix reads and writes reach Consul."""
    async with standin().running() as consul, stripping("/consul/one", consul) as proxy:
        async with edge_over(f"{proxy}/consul/one{end}") as edge:
            assert (await edge.ask("PUT", "/v1/kv/a%2Fb", body=b"value")).json() is True
            assert (await edge.ask("GET", "/v1/kv/a/b?raw")).body == b"value"


async def test_prefix_is_asked_by_the_heartbeat() -> None:
    """A server under a prefix is known to be well: its heartbeat goes under the prefix, too."""
    behind = standin()
    async with behind.running() as consul, stripping("/consul", consul) as proxy:
        async with edge_over(f"{proxy}/consul") as edge:
            await edge.ask("GET", "/v1/catalog/nodes")
            assert not edge.rotation.servers.active.is_out
            assert behind.seen.of("GET", "/v1/status/leader")


@pytest.mark.parametrize("dead", [0, 1], ids=["first-dead", "second-dead"])
async def test_name_with_a_dead_address_is_read_at_the_other(
    dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every address of a name counts: one that refuses is not the end of the name."""
    addresses = [fresh_address(), fresh_address()]
    alive = addresses[1 - dead]
    resolve(monkeypatch, "consul.test", *addresses)
    async with standin().running(host=alive, port=CONSUL_PORT):
        async with edge_over("consul.test", CONSUL__MAX_RETRIES="0") as edge:
            for _ in range(3):
                answer = await edge.ask("GET", "/v1/catalog/nodes?consistent")
                assert answer.status == 200
                assert answer.header("X-Consul-Edge-Server") == f"{alive}:{CONSUL_PORT}"


@pytest.mark.parametrize("dead", [0, 1], ids=["first-dead", "second-dead"])
async def test_name_with_a_dead_address_is_written_at_the_other(
    dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes that the local agent need not see go to the address that takes them."""
    addresses = [fresh_address(), fresh_address()]
    resolve(monkeypatch, "consul.test", *addresses)
    behind = standin()
    async with behind.running(host=addresses[1 - dead], port=CONSUL_PORT):
        async with edge_over("consul.test", CONSUL__MAX_RETRIES="0") as edge:
            assert (await edge.ask("PUT", "/v1/kv/name", body=b"value")).json() is True
            assert len(behind.seen.of("PUT")) == 1


@pytest.mark.parametrize("dead", [0, 1], ids=["first-dead", "second-dead"])
async def test_local_agent_by_a_name_with_a_dead_address_is_asked_at_the_other(
    dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The local agent may be a name of two addresses, too: ``localhost`` often is."""
    addresses = [fresh_address(), fresh_address()]
    resolve(monkeypatch, "consul.test", *addresses)
    async with standin().running(host=addresses[1 - dead], port=CONSUL_PORT):
        async with edge_over("consul.test", CONSUL__MAX_RETRIES="0") as edge:
            for _ in range(3):
                assert (await edge.ask("GET", "/v1/agent/self")).status == 200


@pytest.mark.parametrize(
    "written", ["{address}:{port}", "http://{address}:{port}", "tcp://{address}:{port}"]
)
async def test_consul_http_addr_alone_says_where_consul_is(written: str, tmp_path: Path) -> None:
    """Without a file or a list of servers Consul's own variable is what is asked."""
    behind, consul = standin(), fresh_address()
    async with behind.running(host=consul, port=CONSUL_PORT):
        variable = written.format(address=consul, port=CONSUL_PORT)
        await read_at_an_edge_with({"CONSUL_HTTP_ADDR": variable}, tmp_path)
        assert behind.seen.of("GET", "/v1/catalog/nodes")


@pytest.mark.real
async def test_consul_http_addr_of_a_unix_socket_says_where_consul_is(
    agent: ConsulAgent, tmp_path: Path
) -> None:
    """``unix://`` in Consul's own variable is taken, too."""
    variables = {"CONSUL_HTTP_ADDR": f"unix://{agent.socket}"}
    await read_at_an_edge_with(variables, tmp_path)


@pytest.mark.real
async def test_consuls_variables_of_tls_are_enough(agent: ConsulAgent, tmp_path: Path) -> None:
    """CONSUL_HTTP_SSL and CONSUL_CACERT configure the edge as they do Consul's own program."""
    variables = {
        "CONSUL_HTTP_ADDR": f"{agent.address}:{TLS_PORT}",
        "CONSUL_HTTP_SSL": "true",
        "CONSUL_CACERT": str(authority_of(agent).ca_file),
    }
    await read_at_an_edge_with(variables, tmp_path)
