"""Sockets that a service manager hands over: which of them, where, and beside what."""

import asyncio
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from consul_edge.app import running
from consul_edge.config import load
from consul_edge.core.address import Listen, parse_listen
from consul_edge.core.errors import EdgeError
from consul_edge.demo.standin import StandIn
from consul_edge.web.handed_over import Handed, adopted, take
from tests.processes import fresh_address
from tests.wire import Answer, exchange

PORT = 8510
PID = 4711
FIRST = 200
"""Where descriptors are put, far from those that the tests themselves have."""


class Manager:
    """Opens sockets and puts them where a process would find them."""

    def __init__(self) -> None:
        """Hand over nothing yet."""
        self.count = 0

    def add(self, one: socket.socket) -> None:
        """Hand over a copy of this one."""
        os.dup2(one.fileno(), FIRST + self.count)
        self.count += 1
        one.close()

    def env(self, **more: str) -> dict[str, str]:
        """Give the environment of the process."""
        return {"LISTEN_PID": str(PID), "LISTEN_FDS": str(self.count), **more}

    def take(self, **more: str) -> tuple[Handed, ...]:
        """Do as the process does."""
        return take(self.env(**more), pid=PID, first=FIRST)


@pytest.fixture
def manager() -> Iterator[Manager]:
    """Give a manager whose descriptors are closed at the end, whoever holds them."""
    made = Manager()
    yield made
    os.closerange(FIRST, FIRST + made.count)


def tcp(address: str, port: int = PORT) -> socket.socket:
    """Make a listening socket as a manager does."""
    return socket.create_server((address, port))


def unix(path: Path, mode: int = 0o600) -> socket.socket:
    """Make one with a file."""
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    path.chmod(mode)
    made.listen()
    return made


def release(handed: Sequence[Handed]) -> None:
    """Close what was taken, as descriptors and not twice."""
    for one in handed:
        one.socket.detach()


def test_sockets_are_taken_with_their_names_and_addresses(
    manager: Manager, tmp_path: Path
) -> None:
    """TCP and unix, in their order; what has no name has an empty one."""
    address = fresh_address()
    manager.add(tcp(address))
    manager.add(unix(tmp_path / "edge.sock"))
    handed = manager.take(LISTEN_FDNAMES="http")
    assert [(one.name, one.listen) for one in handed] == [
        ("http", parse_listen(f"{address}:{PORT}")),
        ("", parse_listen(f"unix://{tmp_path}/edge.sock")),
    ]
    assert not any(one.socket.get_inheritable() for one in handed)
    release(handed)


@pytest.mark.parametrize("pid", [None, "1", ""])
def test_sockets_of_another_process_are_left_alone(manager: Manager, pid: str | None) -> None:
    """The variables may be those of a parent, inherited."""
    manager.add(tcp(fresh_address()))
    env = {**manager.env(), "LISTEN_PID": pid or ""} if pid is not None else {"LISTEN_FDS": "1"}
    assert take(env, pid=PID, first=FIRST) == ()


def test_what_is_no_listening_socket_is_refused_by_name(manager: Manager) -> None:
    """A unit with Accept=yes or ListenDatagram= is a mistake that is told."""
    manager.add(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with pytest.raises(EdgeError, match=r"descriptor 200 \(edge\) is no listening stream socket"):
        manager.take(LISTEN_FDNAMES="edge")


def test_what_is_no_socket_is_refused_by_name(manager: Manager, tmp_path: Path) -> None:
    """A descriptor that is something else ends the start in one line."""
    file = os.open(tmp_path, os.O_RDONLY)
    os.dup2(file, FIRST)
    os.close(file)
    manager.count = 1
    with pytest.raises(EdgeError, match=r"descriptor 200 \(\) is no socket"):
        manager.take()


@pytest.mark.parametrize("count", ["", "many", "-1"])
def test_count_that_is_none_is_refused(count: str) -> None:
    """Nonsense is not silently no sockets at all."""
    with pytest.raises(EdgeError, match="LISTEN_FDS"):
        take({"LISTEN_PID": str(PID), "LISTEN_FDS": count}, pid=PID)


@pytest.mark.parametrize(
    ("configured", "handed", "expected"),
    [
        (None, ["[::1]:80"], ["[::1]:80"]),
        ("127.0.0.1:8510", ["127.0.0.1:8510"], ["127.0.0.1:8510"]),
        (":8510", ["[::]:8510"], ["[::]:8510"]),
        (":8510,unix:///run/e", ["0.0.0.0:8510"], ["0.0.0.0:8510", "unix:///run/e"]),
        (":8511", [":8510"], [":8510", ":8511"]),
        ("127.0.0.1:8510", [":8510"], [":8510", "127.0.0.1:8510"]),
        ("127.0.0.1:1", [], ["127.0.0.1:1"]),
        (None, [], ["127.0.0.1:8510"]),
    ],
)
def test_listeners_are_those_handed_over_and_those_configured_beside(
    configured: str | None, handed: list[str], expected: list[str]
) -> None:
    """The default is no wish; what is wished for and handed over is there once."""
    env = {"CONSUL_EDGE_LISTEN": configured} if configured else {}
    given = [Handed(socket.socket(), "", parse_listen(text)) for text in handed]
    settings = adopted(load(file=None, env=env, flags={}), given)
    assert [listen.name for listen in settings.listen] == expected
    for one in given:
        one.socket.close()


async def served(handed: Sequence[Handed], url: str, place: str, target: str) -> Answer:
    """Serve what is handed over, and ask there."""
    env = {"CONSUL_SERVERS": url, "CONSUL_EDGE_CONSUL__LOCAL_AGENT": url}
    settings = adopted(load(file=None, env=env, flags={}), handed)
    with capture_logs() as logged:
        async with running(settings, handed):
            answer = await asyncio_exchange(place, target)
    (serving,) = [line for line in logged if line["event"] == "serving"]
    assert serving["listen"] == ",".join(one.listen.name for one in handed)
    return answer


async def asyncio_exchange(place: str, target: str) -> Answer:
    """Ask without stopping the loop."""
    return await asyncio.to_thread(exchange, (place, PORT), "GET", target)


async def test_socket_that_is_handed_over_serves_in_place_of_the_default(
    manager: Manager,
) -> None:
    """Nothing else is bound."""
    address = fresh_address()
    manager.add(tcp(address))
    async with StandIn(nodes=1, services=0).running() as url:
        handed = manager.take()
        answer = await served(handed, url, address, "/v1/status/leader")
    assert answer.status == 200


@pytest.mark.parametrize(("mode", "status"), [(0o600, 200), (0o660, 401), (0o666, 401)], ids=oct)
async def test_unix_socket_that_others_may_use_is_no_credential(
    manager: Manager, tmp_path: Path, mode: int, status: int
) -> None:
    """A manager makes sockets for everybody unless it is told otherwise; its file stays."""
    path = tmp_path / "edge.sock"
    manager.add(unix(path, mode))
    async with StandIn(nodes=1, services=0).running() as url:
        handed = manager.take()
        place, target = f"unix://{path}", "/api/v1/admin/cache/proxy/info"
        answer = await served(handed, url, place, target)
    assert (answer.status, path.exists()) == (status, True)


def test_abstract_socket_is_named_as_such(manager: Manager) -> None:
    """It has no file, and so no owner."""
    made = socket.socket(socket.AF_UNIX)
    made.bind(f"\0consul-edge-{os.getpid()}")
    made.listen()
    manager.add(made)
    handed = manager.take()
    assert handed[0].listen == Listen("", 0, f"@consul-edge-{os.getpid()}")
    release(handed)
