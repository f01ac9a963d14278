"""What the service manager is told, word for word, as a real datagram socket takes it."""

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from consul_edge.notify import EXTENSION, FEEDS_PER_TIMEOUT, INTERVAL, Notifier
from tests.warp import skip, warped

PID = 4711


class Manager:
    """Stands where systemd would, and keeps what it is told."""

    def __init__(self, address: str) -> None:
        """Listen on a path, or on ``@name``."""
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1))
        self._socket.setblocking(False)

    def told(self) -> list[list[str]]:
        """Take all that came, each as its words."""
        found = []
        with suppress(BlockingIOError):
            while True:
                found.append(self._socket.recv(65536).decode().split("\n"))
        return found

    def close(self) -> None:
        """Be gone."""
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """Give a manager that listens, at either kind of address."""
    is_path = request.param == "path"
    made = Manager(str(tmp_path / "notify") if is_path else f"@consul-edge-test-{os.getpid()}")
    yield made
    made.close()


def notifier(manager: Manager, **env: str) -> Notifier:
    """Give what a process of the manager would make."""
    return Notifier.of({"NOTIFY_SOCKET": manager.address, **env}, pid=PID)


async def turns(count: int, *, seconds: float) -> None:
    """Let the loop do what is due, and time pass, so often."""
    for _ in range(count):
        for _ in range(3):
            await asyncio.sleep(0)
        skip(seconds)


def test_manager_is_told_that_it_serves_and_leaves(manager: Manager) -> None:
    """Each word comes with a status for people."""
    told = notifier(manager)
    told.describe = lambda: "serving"
    told.ready()
    told.stopping("draining")
    assert manager.told() == [["READY=1", "STATUS=serving"], ["STOPPING=1", "STATUS=draining"]]


def test_reload_is_told_with_the_monotonic_time(manager: Manager) -> None:
    """Newer managers tell by it to which of their signals a reload belongs."""
    before = time.monotonic_ns() // 1000
    notifier(manager).reloading()
    after = time.monotonic_ns() // 1000
    ((reloading, moment, _),) = manager.told()
    name, _, number = moment.partition("=")
    assert (reloading, name) == ("RELOADING=1", "MONOTONIC_USEC")
    assert before <= int(number) <= after


def test_status_with_a_line_end_stays_one_word(manager: Manager) -> None:
    """What a status quotes cannot say READY in the edge's name."""
    notifier(manager).stopping("bad\nREADY=1")
    assert manager.told() == [["STOPPING=1", "STATUS=bad READY=1"]]


def test_watchdog_is_fed_often_enough_and_status_told_once(manager: Manager) -> None:
    """Three times before it would bite; what did not change is not said again."""

    async def attended() -> list[list[str]]:
        told = notifier(manager, WATCHDOG_USEC="3000000", WATCHDOG_PID=str(PID))
        told.ready()
        manager.told()
        async with told.attending():
            await turns(FEEDS_PER_TIMEOUT, seconds=3.0 / FEEDS_PER_TIMEOUT)
        return manager.told()

    fed = ["WATCHDOG=1"]
    assert warped(attended()) == [[*fed, "STATUS=starting"], *[fed] * (FEEDS_PER_TIMEOUT - 1)]


async def test_watchdog_of_a_loop_that_hangs_is_not_fed(manager: Manager) -> None:
    """It is the event loop that feeds: nothing else may vouch for it."""
    told = notifier(manager, WATCHDOG_USEC="30000")
    async with told.attending():
        await asyncio.sleep(0)
        assert manager.told()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as never:
            # Nobody sends anything there: this hangs the loop for many feeds.
            never.settimeout(0.3)
            with pytest.raises(TimeoutError):
                never.recv(1)
        assert manager.told() == []


@pytest.mark.parametrize(
    ("env", "watchdog"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PID)}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "often"}, 0.0),
        ({}, 0.0),
    ],
    ids=["given", "ours", "another's", "nonsense", "none"],
)
def test_watchdog_is_fed_only_if_it_is_ours(env: dict[str, str], watchdog: float) -> None:
    """A variable that a parent inherited is not for this process."""
    assert Notifier.of({"NOTIFY_SOCKET": "@x", **env}, pid=PID).watchdog == watchdog


@pytest.mark.parametrize("phase", ["starting", "reloading", "stopping"])
def test_more_time_is_asked_for_while_it_is_busy(manager: Manager, phase: str) -> None:
    """Each request reaches beyond the next two; none comes while it serves."""

    async def slow() -> list[list[str]]:
        told = notifier(manager)
        async with told.attending():
            if phase == "reloading":
                told.reloading()
            elif phase == "stopping":
                told.stopping("draining")
            await turns(3, seconds=INTERVAL)
            told.ready()
            await turns(3, seconds=INTERVAL)
        return manager.told()

    more = f"EXTEND_TIMEOUT_USEC={int(EXTENSION * 1e6)}"
    words = [word for words in warped(slow()) for word in words if "STATUS" not in word]
    assert (words.count(more), words[-1]) == (3, "READY=1")
    assert EXTENSION > 2 * INTERVAL


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative"])
def test_nothing_is_said_where_nobody_listens(address: str) -> None:
    """Outside of systemd, and for kinds of addresses that are not spoken, all is silent."""
    with capture_logs() as logged:
        Notifier.of({"NOTIFY_SOCKET": address}, pid=PID).ready()
    assert logged == []


def test_manager_that_is_gone_is_told_of_once(tmp_path: Path) -> None:
    """It disturbs nothing, and does not fill the log."""
    told = Notifier(str(tmp_path / "gone"))
    with capture_logs() as logged:
        told.ready()
        told.stopping("draining")
    assert [line["event"] for line in logged] == ["the service manager cannot be told"]


def test_manager_that_does_not_listen_stops_nobody(manager: Manager) -> None:
    """A full queue costs a word that is said often, and no time."""
    told = notifier(manager, WATCHDOG_USEC="3000")

    async def flood() -> None:
        async with told.attending():
            while not logged:
                await turns(1, seconds=0.001)

    with capture_logs() as logged:
        warped(flood())
    assert [line["event"] for line in logged] == ["the service manager cannot be told"]
