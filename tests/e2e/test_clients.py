"""The ``consul`` program itself, pointed at the edge."""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.consul import ConsulAgent
from tests.e2e.program import COMMANDS, Where, background, consul, said
from tests.edge import EdgeProcess
from tests.peers import require
from tests.processes import Process
from tests.waiting import wait_until
from tests.wire import Wire

pytestmark = pytest.mark.real


@pytest.fixture
def behind() -> Iterator[ConsulAgent]:
    """Give a Consul that only this test uses."""
    require("consul")
    with ConsulAgent() as agent:
        yield agent


@pytest.fixture
def own_edge(behind: ConsulAgent) -> Iterator[EdgeProcess]:
    """Give an edge over the Consul of this test."""
    with EdgeProcess([behind.server]) as edge:
        yield edge


def test_commands_through_the_edge_say_what_they_say_directly(
    behind: ConsulAgent, own_edge: EdgeProcess
) -> None:
    """Exit code and both outputs of each command are the same, in a row of reads and writes."""
    differ = []
    with ConsulAgent() as alone:
        for line in COMMANDS.strip().splitlines():
            direct = said(alone, alone.address, line)
            through = said(own_edge, behind.address, line)
            if direct != through:
                differ.append(f"{line}:\n  direct {direct}\n  edge   {through}")

    assert not differ, "\n".join(differ)


def test_snapshot_restored_through_the_edge_brings_back_the_old_state(
    own_edge: EdgeProcess, tmp_path: Path
) -> None:
    """Save, inspect and restore work, and what the edge knew before is forgotten."""
    saved = tmp_path / "saved.snap"
    consul(own_edge, "kv", "put", "state", "old")
    save = consul(own_edge, "snapshot", "save", str(saved))
    inspect = consul(own_edge, "snapshot", "inspect", str(saved))
    consul(own_edge, "kv", "put", "state", "new")
    consul(own_edge, "services", "register", "-name=later")
    restore = consul(own_edge, "snapshot", "restore", str(saved))

    assert [done.returncode for done in (save, inspect, restore)] == [0, 0, 0], (save, restore)
    assert "Index" in inspect.stdout
    assert consul(own_edge, "kv", "get", "state").stdout == "old\n"


def test_lock_through_the_edge_keeps_a_second_contender_out(
    consul_agent: ConsulAgent, edge: EdgeProcess, tmp_path: Path
) -> None:
    """While one holder's child runs the other waits; when it ends the other's child runs."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    first_runs, second_runs = tmp_path / "first", tmp_path / "second"
    hold = f"touch {shlex.quote(str(first_runs))}; cat {shlex.quote(str(gate))}"

    def lockers() -> int:
        sessions = consul_agent.get("/v1/session/list")
        return sum("lock" in session["Name"].lower() for session in sessions)

    before = lockers()
    first = background(edge, tmp_path, "holder", "lock", "lock/e2e", hold)
    wait_until(first_runs.exists, "the first child running")
    second = background(
        edge, tmp_path, "contender", "lock", "lock/e2e", f"touch {shlex.quote(str(second_runs))}"
    )
    wait_until(lambda: lockers() == before + 2, "the second one with a session")

    assert not second_runs.exists()
    assert first.alive

    gate.write_text("leave")  # opening it for writing lets the first child read, and end
    wait_until(second_runs.exists, "the second child running")
    wait_until(lambda: not first.alive and not second.alive, "both gone")
    assert (first.returncode, second.returncode) == (0, 0)
    assert lockers() == before, "both should have cleaned up after themselves"
    for process in (first, second):
        process.kill()


def test_lock_try_through_the_edge_gives_up_in_time(edge: EdgeProcess, tmp_path: Path) -> None:
    """A contender that tries for a moment only leaves with an error while the lock is held."""
    gate, runs = tmp_path / "gate", tmp_path / "runs"
    os.mkfifo(gate)
    hold = f"touch {shlex.quote(str(runs))}; cat {shlex.quote(str(gate))}"
    holder = background(edge, tmp_path, "holder", "lock", "lock/try", hold)
    wait_until(runs.exists, "the child running")

    tried = consul(edge, "lock", "-try=500ms", "lock/try", "true")

    gate.write_text("leave")
    wait_until(lambda: not holder.alive, "the holder gone")
    holder.kill()
    assert tried.returncode == 1
    assert "timeout" in tried.stderr


@pytest.mark.parametrize("writer", ["edge", "direct"])
def test_key_watch_through_the_edge_wakes_on_a_change(
    writer: str, consul_agent: ConsulAgent, edge: EdgeProcess, tmp_path: Path
) -> None:
    """Each value reaches the watcher, whoever wrote it."""
    key = f"watched/{writer}"
    where: Where = edge if writer == "edge" else consul_agent
    consul(where, "kv", "put", key, "one")
    watch = background(edge, tmp_path, "watch", "watch", "-type=key", f"-key={key}", "cat")
    wait_until(lambda: "b25l" in watch.log_text(), "the first value, one")
    consul(where, "kv", "put", key, "two")
    wait_until(lambda: "dHdv" in watch.log_text(), "two")
    consul(where, "kv", "put", key, "three")
    wait_until(lambda: "dGhyZWU=" in watch.log_text(), "three")

    watch.terminate()


def test_event_watch_through_the_edge_wakes_on_an_event(edge: EdgeProcess, tmp_path: Path) -> None:
    """An event fired through the edge reaches who watches through it."""
    consul(edge, "event", "-name=e2e", "first")
    watch = background(edge, tmp_path, "watch", "watch", "-type=event", "-name=e2e", "cat")
    wait_until(lambda: "Zmlyc3Q=" in watch.log_text(), "the first event")
    consul(edge, "event", "-name=e2e", "second")
    wait_until(lambda: "c2Vjb25k" in watch.log_text(), "the second event")

    watch.terminate()


def test_monitor_through_the_edge_ends_as_it_does_directly(
    consul_agent: ConsulAgent, edge: EdgeProcess, tmp_path: Path
) -> None:
    """
    The program sees through the edge just what it sees directly.

    Consul 1.8.7 calls the log gzip where the client would take gzip, and sends it plain: its own
    program then gives up at the first line.  Later ones show the lines.
    """
    told = []
    for where in (consul_agent, edge):
        monitor = background(where, tmp_path, "monitor", "monitor", "-log-level=debug")

        def something_said(monitor: Process = monitor) -> bool:
            consul_agent.request("GET", "/v1/kv/looked-for-in-the-log")
            text = monitor.log_text()
            return not monitor.alive or "looked-for-in-the-log" in text

        wait_until(something_said, "a line of the agent's log, or the end")
        told.append((monitor.returncode, re.findall("ended the monitor", monitor.log_text())))
        monitor.kill()
        monitor.log.unlink()

    assert told[0] == told[1]


def test_log_reader_leaving_the_edge_ends_the_log_at_consul(
    behind: ConsulAgent, own_edge: EdgeProcess
) -> None:
    """An endless answer is given up upstream as soon as nobody reads it here."""
    with Wire(own_edge.address, own_edge.port) as wire:
        wire.send("GET", "/v1/agent/monitor?loglevel=debug")

        def arrives() -> bool:
            behind.request("GET", "/v1/status/leader")
            return wire.readable()

        wait_until(arrives, "the first line")
        assert wire.read_head()[0] == 200

    def ended() -> bool:
        behind.request("GET", "/v1/status/leader")  # a line that cannot be delivered any more
        assert behind.process is not None
        return "url=/v1/agent/monitor" in behind.process.log_text()

    wait_until(ended, "Consul's word that the request is finished")


def test_program_info_through_the_edge_has_the_same_keys(
    consul_agent: ConsulAgent, edge: EdgeProcess
) -> None:
    """What the agent tells about itself arrives whole; its numbers change all the time."""
    direct, through = (
        [line.partition(" = ")[0] for line in consul(where, "info").stdout.splitlines()]
        for where in (consul_agent, edge)
    )

    assert direct == through
    assert len(direct) > 50
