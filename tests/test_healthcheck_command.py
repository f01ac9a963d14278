"""``consul-edge healthcheck``: 0 or 1, and one line, of edges of all kinds."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from consul_edge import cli
from consul_edge.demo.standin import StandIn
from tests.authority import Authority
from tests.house import PORT, House, edge_over
from tests.processes import fresh_address

READY = "consul-edge is ready\n"


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a running stand-in."""
    made = StandIn(nodes=1, services=0)
    async with made.running():
        yield made


@pytest.fixture
async def house(standin: StandIn) -> AsyncIterator[House]:
    """Give an edge over it."""
    async with edge_over(standin.base_url, CONSUL__RETRY_DELAY="10ms") as house:
        yield house


Said = tuple[int, str, str]


class Command:
    """The command, and what it says: not what the edge logs, which lives here, too."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Run nothing yet."""
        self._capsys = capsys

    async def __call__(self, *words: str) -> Said:
        """Run it without stopping the loop."""
        return await asyncio.to_thread(self.run, *words)

    def run(self, *words: str) -> Said:
        """Run it, and give its code, and its lines on either output."""
        code = cli.run(["healthcheck", *words])
        out, err = (
            "".join(line for line in text.splitlines(keepends=True) if line.startswith("consul-"))
            for text in self._capsys.readouterr()
        )
        return code, out, err


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Command:
    """Give the command."""
    return Command(capsys)


def config(folder: Path, **settings: object) -> str:
    """Write the edge's own configuration."""
    file = folder / "edge.yaml"
    file.write_text(yaml.safe_dump(settings))
    return str(file)


async def test_edge_that_is_ready_is_0_with_a_line(house: House, check: Command) -> None:
    """Container engines keep the line."""
    assert await check("--url", house.base) == (0, READY, "")


async def test_listener_of_the_configuration_is_asked(
    house: House, tmp_path: Path, check: Command
) -> None:
    """In a container the same file or variables say where the edge is."""
    file = config(tmp_path, listen=f"{house.address}:{PORT}")
    assert await check("--config", file) == (0, READY, "")


async def test_unix_socket_is_asked(standin: StandIn, tmp_path: Path, check: Command) -> None:
    """By the flag, and as the listener of the configuration."""
    path = tmp_path / "edge.sock"
    async with edge_over(standin.base_url, LISTEN=f"unix://{path}"):
        assert await check("--socket", str(path)) == (0, READY, "")
        file = config(tmp_path, listen=f"unix://{path}")
        assert await check("--config", file) == (0, READY, "")


@pytest.mark.parametrize("asks_for_one", [False, True], ids=["server", "both"])
async def test_edge_with_tls_is_asked(
    standin: StandIn, tmp_path: Path, check: Command, asks_for_one: bool
) -> None:
    """Its certificate is known from its configuration; one is shown where it is asked for."""
    authority, address = Authority(tmp_path), fresh_address()
    pair, own = authority.issue("edge", address), authority.issue("client", "client.test")
    tls = {"cert": str(pair.cert), "key": str(pair.key)}
    if asks_for_one:
        tls["client_ca"] = str(authority.ca_file)
    listen = f"{address}:{PORT}"
    settings = {f"TLS__{name.upper()}": value for name, value in tls.items()}
    file = config(tmp_path, listen=listen, tls=tls)
    async with edge_over(standin.base_url, LISTEN=listen, **settings):
        shown = ["--cert", str(own.cert), "--key", str(own.key)]
        assert await check("--config", file, *shown) == (0, READY, "")
        code, _, err = await check("--config", file)
    assert (code, err.count("\n")) == (int(asks_for_one), int(asks_for_one))


async def test_edge_that_cannot_serve_is_1_with_the_reason_but_lives(
    standin: StandIn, house: House, check: Command
) -> None:
    """Whoever restarts by it asks with --live."""
    await standin.refuse()
    await house.ask("GET", "/v1/catalog/datacenters?consistent")
    code, out, err = await check("--url", house.base)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"consul-edge: {house.address}:{PORT} answered 503: no Consul server")
    assert await check("--url", house.base, "--live") == (0, "consul-edge is healthy\n", "")


async def test_edge_that_serves_what_is_too_old_is_1(
    standin: StandIn, house: House, check: Command
) -> None:
    """Ready as such, and not for those who would rather not."""
    for _ in range(2):
        await house.ask("GET", "/v1/catalog/nodes")
    await standin.refuse()
    await house.ask("GET", "/v1/catalog/datacenters?consistent")
    code, out, _ = await check("--url", house.base)
    assert (code, "serves stale answers" in out) == (0, True)
    code, _, err = await check("--url", house.base, "--max-stale", "1ms")
    assert (code, "serves stale answers" in err) == (1, True)


def test_nobody_there_is_1_with_a_line(check: Command) -> None:
    """A refused connection has no traceback."""
    place = f"{fresh_address()}:{PORT}"
    told = f"consul-edge: {place} cannot be asked: Connection refused\n"
    assert check.run("--url", f"http://{place}") == (1, "", told)


async def test_edge_that_is_silent_is_1_in_time(check: Command) -> None:
    """It takes the connection and says nothing."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    address = fresh_address()
    server = await asyncio.start_server(say_nothing, address, PORT)
    try:
        words = ("--url", f"http://{address}:{PORT}", "--timeout", "50ms")
        said = await asyncio.wait_for(check(*words), 20)
    finally:
        server.close()
    assert said == (1, "", f"consul-edge: {address}:{PORT} cannot be asked: timed out\n")


def test_wrong_configuration_is_1_with_a_line(tmp_path: Path, check: Command) -> None:
    """Of other codes than 0 and 1 container engines know nothing."""
    file = config(tmp_path, listen="nowhere", log={"level": "loud"})
    code, _, err = check.run("--config", file)
    assert (code, err.count("\n"), "where to ask cannot be read" in err) == (1, 1, True)
