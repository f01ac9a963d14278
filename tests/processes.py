"""
Programs that a test starts, and only those: each is ended by its own pid, whatever happens.

Rule 1: a process dies with the test run, also when that is killed.
Rule 2: each gets loopback addresses that no other test run has, so ports never collide.
"""

import abc
import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import count, cycle
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.waiting import eventually, wait_until

RUNNING: Final[set["Process"]] = set()
"""Everything started and not yet ended; failing tests show the ends of their logs."""

CLAIM_PORT: Final = 8599
"""Holding it on the last address of a network claims that network for this test run."""

HOSTS: Final = 240
"""Addresses of a network that are given out, in turn."""

OUR_PORTS: Final = (8300, 8301, 8500, 8501, 8510)
"""Where Consul, relays and the edge listen."""

TAIL_LINES: Final = 15


class Process:
    """One program with its log."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start *command*; both its outputs go to *log*, *env* comes on top of a clean one."""
        self.name = name
        self.log = log
        with log.open("ab") as out:
            self._popen = subprocess.Popen(
                [*_die_with_parent(), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=clean_environment() | dict(env or {}),
            )
        self.pid = self._popen.pid
        RUNNING.add(self)

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._popen.poll()

    @property
    def alive(self) -> bool:
        """Whether it has not ended; a stopped process is alive."""
        return self.returncode is None

    def log_text(self) -> str:
        """Everything written so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self) -> str:
        """Give the end of the log."""
        return "\n".join(self.log_text().splitlines()[-TAIL_LINES:])

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once (SIGKILL works on a stopped process, too) and reap it."""
        self.send(signal.SIGKILL)
        self._popen.wait()
        RUNNING.discard(self)

    def stop_hard(self) -> None:
        """Freeze it: its sockets stay open and nobody answers (SIGSTOP)."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after :meth:`stop_hard`."""
        self.send(signal.SIGCONT)

    def terminate(self, timeout: float = 30.0) -> float:
        """Ask it to leave (SIGTERM) and return the seconds it took; kill it after *timeout*."""
        started = time.monotonic()
        self.send(signal.SIGTERM)
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} ignored SIGTERM for {timeout} s") from None
        RUNNING.discard(self)
        return time.monotonic() - started

    def rss_bytes(self) -> int:
        """Read the resident memory from ``/proc``."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"{self.name} has no VmRSS: it has ended")

    def __repr__(self) -> str:
        return f"<{self.name} pid={self.pid}>"


class Launched(abc.ABC):
    """What a test launches, awaits and ends: a context manager of either kind."""

    patience = 30.0
    """Seconds until it must be ready; paid only when it never is."""

    @abc.abstractmethod
    def launch(self) -> None:
        """Start without waiting."""

    @abc.abstractmethod
    def is_ready(self) -> bool:
        """Whether it does what it is for; AssertionError once it never will."""

    @abc.abstractmethod
    def stop(self) -> None:
        """End it and remove all that it wrote."""

    def start(self) -> Self:
        """Launch and wait until ready, outside of an event loop."""
        self.launch()
        wait_until(self.is_ready, f"{self!r} ready", self.patience)
        return self

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        try:
            self.launch()
            await eventually(self.is_ready, f"{self!r} ready", self.patience)
        except BaseException:
            self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


FASTLANE: Final = "CONSUL_EDGE_FASTLANE"
"""Set to false the whole suite runs without the fast lane."""


def clean_environment() -> dict[str, str]:
    """Give the environment without anything that configures Consul or the edge."""
    return {
        name: value
        for name, value in os.environ.items()
        if name == FASTLANE or not name.startswith(("CONSUL_", "MAIN_SERVER", "SITES_CACHE_TTL"))
    }


@cache
def _die_with_parent() -> tuple[str, ...]:
    """Give the words before a command that tie its life to ours (Linux; elsewhere none)."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


@atexit.register
def end_all() -> None:
    """End whatever an interrupted test left behind."""
    for process in tuple(RUNNING):
        process.kill()


@cache
def _network() -> str:
    """Claim one /24 of loopback for this test run and give its first three numbers."""
    for number in count(os.getpid()):
        network = f"127.{64 + number // 256 % 128}.{number % 256}"
        claim = socket.socket()
        try:
            claim.bind((f"{network}.254", CLAIM_PORT))
        except OSError:
            claim.close()
            continue
        atexit.register(claim.close)
        return network
    raise AssertionError("unreachable")


_hosts = cycle(range(11, 11 + HOSTS))


def fresh_address() -> str:
    """Give a loopback address (Linux has all of 127/8) on which none of our programs listens."""
    addresses = (f"{_network()}.{next(_hosts)}" for _ in range(HOSTS))
    return next(filter(_is_unused, addresses))


def _is_unused(address: str) -> bool:
    """Whether nothing that was given the address before is still there: some live for long."""
    for port in OUR_PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def free_port(address: str = "127.0.0.1") -> int:
    """Give a port that was free a moment ago; prefer :func:`fresh_address` and a fixed port."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port
