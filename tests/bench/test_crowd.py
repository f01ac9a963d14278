"""A crowd of clients around a server that does what it should not, and around a real Consul."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.bench.crowd import Crowd, RefusedError, Wave
from tests.bench.plan import Plan, cores
from tests.bench.registration import INSTANCES, REGISTER, instance, written
from tests.bench.watchers import wants_to_run
from tests.consul import ConsulAgent
from tests.processes import fresh_address
from tests.waiting import wait_until

CLIENTS = 5

PLAN = Plan(1, 1, *cores())

PORT = 8500

MARK = "change-000001"

Address = tuple[str, int]


def answer(index: int, body: str = "", status: str = "200 OK") -> bytes:
    """Render one as a server does."""
    head = f"HTTP/1.1 {status}\r\nX-Consul-Index: {index}\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


class Script:
    """A server whose blocking queries are answered as a test says."""

    def __init__(self, *, early: bytes | None = None, changed: bytes | None = None) -> None:
        """
        Prepare.

        Args:
            early: What each client's first poll is told before the change; None: it is held.

            changed: What held polls are told at the change; None: their connections are closed.
        """
        self.address: Address = (fresh_address(), PORT)
        self._early = early
        self._changed = changed
        self._change = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        early = self._early
        try:
            while True:
                request = (await reader.readuntil(b"\r\n\r\n")).decode()
                if request.startswith("PUT"):
                    await reader.readexactly(len(MARK))
                    self._change.set()
                    writer.write(answer(0))
                elif "index=" not in request:
                    writer.write(answer(1))
                elif early is not None:
                    writer.write(early)
                    early = None
                else:
                    await self._change.wait()
                    if self._changed is None:
                        break
                    writer.write(self._changed)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running(script: Script) -> AsyncIterator[None]:
    """Serve *script* at its address."""
    server = await asyncio.start_server(script.serve, *script.address)
    async with server:
        yield


def one_change(script: Script) -> Callable[[], Wave]:
    """Do what a turn does, once."""

    def change() -> Wave:
        with Crowd(PLAN, script.address, "/v1/kv/x", CLIENTS) as crowd:
            crowd.park(())
            return crowd.change(script.address, "/", MARK, MARK)

    return change


async def test_clients_woken_without_a_change_poll_again() -> None:
    """An early answer is counted and is no client's figure."""
    script = Script(early=answer(2, "nothing new"), changed=answer(3, MARK))
    async with running(script):
        wave = await asyncio.to_thread(one_change(script))

    assert (len(wave.seconds), wave.early) == (CLIENTS, CLIENTS)
    assert wave.answer_bytes == len(MARK)
    assert list(wave.seconds) == sorted(wave.seconds)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ({"early": answer(0, "no room", "503 No")}, "5 of 5 clients: 503 no room"),
        ({"changed": answer(0, "no leader", "500 No")}, "5 of 5 clients: 500 no leader"),
        ({"changed": answer(1, MARK)}, "5 of 5 clients: .* without a higher index"),
        ({"changed": None}, "5 of 5 clients: the connection was closed"),
    ],
    ids=["full", "error", "same index", "closed"],
)
async def test_contender_that_fails_its_clients_gets_no_figures(
    script: dict[str, bytes | None], why: str
) -> None:
    """Each client counts, and the refusal is told in the contender's own words."""
    server = Script(**script)
    async with running(server):
        with pytest.raises(RefusedError, match=why):
            await asyncio.to_thread(one_change(server))


def test_contender_that_nobody_reaches_is_told() -> None:
    """A server that is not there is a refusal, too, and no crash."""
    crowd = Crowd(PLAN, (fresh_address(), PORT), "/v1/kv/x", CLIENTS)

    with pytest.raises(RefusedError, match=r"open: .*refused"), crowd:
        pass


@pytest.mark.parametrize(
    ("work", "wants"), [("while True: pass", True), ("input()", False)], ids=["busy", "waiting"]
)
def test_process_that_has_work_left_is_not_at_rest(work: str, wants: bool) -> None:
    """However little of a core it gets: polls that nobody has parked yet would count as parked."""
    command = (sys.executable, "-c", f"print('ready', flush=True)\n{work}")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            wait_until(lambda: wants_to_run((process.pid,)) is wants, f"seen to want {wants}", 10)
        finally:
            process.kill()


@pytest.mark.real
def test_change_at_a_real_consul_reaches_everyone(consul_agent: ConsulAgent) -> None:
    """Round after round, each client has the new answer once it is written."""
    where = (consul_agent.address, consul_agent.port)
    consul_agent.put(REGISTER, instance("crowded", 0))
    with Crowd(PLAN, where, "/v1/health/service/crowded?cached", CLIENTS) as crowd:
        for mark in (MARK, "change-000002"):
            crowd.park((consul_agent.pid,))
            wave = crowd.change(where, REGISTER, written("crowded", mark), mark)

            assert len(wave.seconds) == CLIENTS
            assert min(wave.seconds) > 0


@pytest.mark.real
def test_service_as_registered_makes_an_answer_of_8_kb(consul_agent: ConsulAgent) -> None:
    """The size that the scenario promises is what a Consul makes of it."""
    for number in range(INSTANCES):
        consul_agent.put(REGISTER, instance("fan-out-sized-", number))

    # A -dev agent indents; others do not.
    found = consul_agent.get("/v1/health/service/fan-out-sized-")
    size = len(json.dumps(found, separators=(",", ":")))

    assert len(found) == INSTANCES
    assert 7_700 < size < 8_700
