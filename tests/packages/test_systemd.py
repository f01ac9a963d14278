"""The units: what systemd says of them, and the process under their restrictions."""

import argparse
import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Never

import pytest

from consul_edge import cli
from consul_edge.config.credentials import CREDENTIALS
from consul_edge.core.errors import Refused
from consul_edge.demo.standin import StandIn
from tests.edge import EdgeProcess
from tests.packages import confinement
from tests.packages.ear import Ear
from tests.packages.unit import SERVICE, SOCKET, read
from tests.peers import require
from tests.processes import Process, fresh_address
from tests.waiting import eventually, wait_until
from tests.wire import exchange

PORT = 8510

THRESHOLD = 20
"""Tenths of the exposure that systemd counts: 2.0 of 10."""


class Confined(EdgeProcess):
    """An edge under the restrictions of the unit, heard by a manager."""

    def __init__(self, *servers: str, env: Mapping[str, str]) -> None:
        """Prepare it; its own folder is what it may write to."""
        settings = {"cache": {"snapshot": None}}
        super().__init__(servers, settings, env=env, name="confined edge")
        self.settings["cache"]["snapshot"] = str(self.folder / "snapshot")

    def launch(self) -> None:
        """Start it without waiting."""
        self.write_config()
        words = [sys.executable, "-m", "consul_edge", "serve", "--config", str(self.config)]
        command = confinement.command(SERVICE, self.folder, words)
        log = self.folder / "log"
        log.touch()
        journal = {"JOURNAL_STREAM": f"{log.stat().st_dev}:{log.stat().st_ino}"}
        self.process = Process(self.name, command, log, self._env | journal)


@pytest.fixture
def ear() -> Iterator[Ear]:
    """Give a manager that listens."""
    made = Ear()
    yield made
    made.close()


@pytest.fixture
async def consul() -> AsyncIterator[str]:
    """Give the URL of a stand-in."""
    async with StandIn(nodes=3, services=5).running() as url:
        yield url


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Ask systemd, without one that runs."""
    command = [require("systemd-analyze"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.real
def test_service_is_exposed_little() -> None:
    """Of ten points of exposure at most two, as systemd counts."""
    done = analyze("security", "--offline=true", f"--threshold={THRESHOLD}", SERVICE)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


@pytest.mark.real
def test_units_are_understood_by_systemd(tmp_path: Path) -> None:
    """No unknown setting or value; the program stands in for that which is not installed here."""
    for path in (SERVICE, SOCKET):
        text = path.read_text().replace("/opt/consul-edge/bin/consul-edge", sys.executable)
        (tmp_path / path.name).write_text(text)
    done = analyze("verify", "--man=no", *(tmp_path / path.name for path in (SERVICE, SOCKET)))
    told = [line for line in done.stderr.splitlines() if "consul-edge." in line]
    assert (done.returncode, told) == (0, [])


def test_command_of_the_unit_is_one_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it starts is what the program understands."""
    program, *words = shlex.split(read(SERVICE)["ExecStart"][0])
    started: list[Path] = []

    def load(arguments: argparse.Namespace) -> Never:
        started.append(arguments.config)
        raise Refused(400, "enough is known")

    monkeypatch.setattr(cli, "_load", load)
    assert cli.run(words) == 1
    assert (Path(program).name, started) == ("consul-edge", [Path(words[-1])])


def test_reload_of_the_unit_begins_by_checking_what_is_served(tmp_path: Path) -> None:
    """``systemctl reload`` fails for a file that the edge would refuse, which a signal cannot."""
    unit = read(SERVICE)
    check, kill = map(shlex.split, unit["ExecReload"])
    served = shlex.split(unit["ExecStart"][0])
    assert kill == ["/bin/kill", "-HUP", "$MAINPID"]
    assert [check[0], *check[2:]] == [served[0], *served[2:]]
    file = tmp_path / "edge.yaml"
    for text, code in (("cache: {ttl: 2s}", 0), ("cache: {ttl: soon}", 2)):
        file.write_text(text)
        assert cli.run([*check[1:-1], str(file)]) == code


def test_made_admin_token_of_the_unit_is_where_the_log_says() -> None:
    """In a folder of the service that others see by the same name: its /tmp is its own."""
    unit = read(SERVICE)
    environment = dict(word.split("=", 1) for line in unit["Environment"] for word in line.split())
    assert unit["PrivateTmp"] == ["yes"]
    assert environment["TMPDIR"] == f"%t/{unit['RuntimeDirectory'][0]}"


def test_unit_gives_up_for_a_wrong_configuration_and_nothing_else() -> None:
    """A port that is taken for a minute must not leave clients without an edge for the night."""
    unit = read(SERVICE)
    assert unit["Restart"] == ["always"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert unit["RestartPreventExitStatus"] == ["2"]


def test_credentials_of_the_unit_are_those_that_are_read() -> None:
    """Each name that is handed over sets something, and each that sets something is."""
    assert sorted(read(SERVICE)["LoadCredential"]) == sorted(CREDENTIALS)


@pytest.fixture
def state() -> Iterator[Path]:
    """Give a folder that a user of no group can get to; pytest's own are root's."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.real
def test_restrictions_of_the_unit_are_in_force(state: Path) -> None:
    """The judge of the next test is one: what must not be done cannot be."""
    require("systemd-analyze")
    probe = [sys.executable, "-m", "tests.packages.probe", str(state)]
    words = confinement.command(SERVICE, state, probe)
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert outcomes.pop("a socket of the internet") == "done"
    assert outcomes.pop("its own folder") == "done"
    if not confinement.can_mount():
        # Without root there are no mounts of one's own: what these hide is not judged here.
        hidden = ("files of the machine", "the kernel's settings", "the log of the kernel")
        outcomes = {
            name: outcomes[name] for name in outcomes.keys() - {*hidden, "other processes"}
        }
    assert {name for name, outcome in outcomes.items() if outcome != "refused"} == set()


@pytest.mark.real
async def test_edge_lives_under_the_restrictions_of_the_unit(consul: str, ear: Ear) -> None:
    """It serves, tells the manager, feeds the watchdog, keeps its snapshot, and leaves."""
    require("systemd-analyze")
    env = {"NOTIFY_SOCKET": ear.address, "WATCHDOG_USEC": "300000"}
    async with Confined(consul, env=env) as edge:
        await eventually(lambda: ear.heard("READY=1"), "READY")
        assert exchange((edge.address, PORT), "GET", "/-/healthy").status == 200
        for target in ("/v1/catalog/nodes", "/nodes", "/metrics"):
            assert await status_of(edge, target) == 200
        await eventually(lambda: ear.count("WATCHDOG=1") > 3, "the watchdog fed")
        await eventually(lambda: ear.heard("STATUS=1 of 1 servers up"), "a status")
        status, lines = told_by_kernel(edge.pid), edge.log_lines()
        edge.terminate()
        assert (edge.returncode, (edge.folder / "snapshot").exists()) == (0, True)
    assert ear.heard("STOPPING=1")
    assert [line[:6] for line in lines if "event=serving" in line] == ["<6>ts="]
    assert "\nSeccomp:\t2\n" in status
    assert "\nNoNewPrivs:\t1\n" in status
    assert f"\nUid:\t{confinement.USER}\t" in status or not confinement.can_mount()


def told_by_kernel(pid: int) -> str:
    """Read what the kernel says of a process."""
    return Path(f"/proc/{pid}/status").read_text()


async def status_of(edge: EdgeProcess, target: str) -> int:
    """Ask without stopping the loop, in which the stand-in lives."""
    answer = await asyncio.to_thread(exchange, (edge.address, PORT), "GET", target)
    return answer.status


@pytest.mark.real
def test_edge_serves_the_sockets_of_systemd(tmp_path: Path) -> None:
    """
    The first client is served, too: its connection was there before the process was; and so is
    who comes after a reload, which leaves the sockets alone.
    """
    address, path = fresh_address(), tmp_path / "edge.sock"
    sockets = ["-l", f"{address}:{PORT}", "-l", str(path), "--fdname=http:local"]
    # Nothing else of the environment goes on; the last is there where Python's place is unusual.
    kept = ["TMPDIR", "PATH", "CONSUL_SERVERS"] + ["PYTHONPATH"] * ("PYTHONPATH" in os.environ)
    environment = [f"--setenv={name}" for name in kept]
    program = [sys.executable, "-m", "consul_edge", "serve"]
    env = {"TMPDIR": str(tmp_path), "CONSUL_SERVERS": f"{address}:8500"}
    command: list[str | Path] = [require("systemd-socket-activate")]
    command += [*sockets, *environment, *program]
    process = Process("activated edge", command, tmp_path / "log", env)
    try:
        wait_until(path.exists, "systemd listening")
        for place in (address, f"unix://{path}"):
            assert exchange((place, PORT), "GET", "/-/healthy").status == 200
        assert f"listen={address}:{PORT},unix://{path}" in process.log_text()
        os.kill(process.pid, signal.SIGHUP)
        wait_until(lambda: "configuration read again" in process.log_text(), "a reload")
        assert "setting=listen" not in process.log_text()
        for place in (address, f"unix://{path}"):
            assert exchange((place, PORT), "GET", "/-/healthy").status == 200
        process.terminate()
        assert (process.returncode, path.exists()) == (0, True)
    finally:
        process.kill()
