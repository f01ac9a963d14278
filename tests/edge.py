"""The edge as its users run it: a process of its own with a configuration file."""

import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from tests.processes import Launched, Process, fresh_address

PORT: Final = 8510


class EdgeProcess(Launched):
    """
    ``consul-edge serve`` on a loopback address of its own.

    >>> # with EdgeProcess([agent.server], {"cache": {"mode": "strict"}}) as edge: edge.http
    """

    def __init__(
        self,
        servers: Sequence[str],
        settings: Mapping[str, Any] | None = None,
        *,
        arguments: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        name: str = "edge",
    ) -> None:
        """
        Prepare, but start nothing.

        Args:
            servers: What goes to ``consul.servers``; the first is the local agent, too.

            settings: Further configuration, laid over the above section by section.

            arguments: Further words of the command line.

            env: Variables beyond a clean environment.

            name: What logs of failed tests call it.
        """
        self.name = name
        self.address = fresh_address()
        self.port = PORT
        self.http = f"http://{self.address}:{PORT}"
        self.folder = Path(tempfile.mkdtemp(prefix="edge-"))
        self.config = self.folder / "edge.yaml"
        self.process: Process | None = None
        consul = {"servers": list(servers), "local_agent": servers[0] if servers else None}
        self.settings = _laid_over(
            {"listen": f"{self.address}:{PORT}", "consul": consul}, settings or {}
        )
        self._arguments = tuple(arguments)
        # What it leaves behind when it is killed goes with its folder.
        self._env = {"TMPDIR": str(self.folder)} | dict(env or {})

    def write_config(self) -> None:
        """Write ``.settings`` to the file that the process reads, at start and at SIGHUP."""
        self.config.write_text(yaml.safe_dump(self.settings))

    def launch(self) -> None:
        """Start the process without waiting for it."""
        self.write_config()
        command = (sys.executable, "-m", "consul_edge", "serve", "--config", str(self.config))
        log = self.folder / "log"
        self.process = Process(self.name, (*command, *self._arguments), log, self._env)

    def is_ready(self) -> bool:
        """Whether its first listener takes connections."""
        if self.process is not None and not self.process.alive:
            raise AssertionError(f"{self!r} ended:\n{self.process.tail()}")
        listen = self.settings["listen"]
        first = listen if isinstance(listen, str) else listen[0]
        if first.startswith("unix://"):
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(first.removeprefix("unix://"))
            return True
        host, _, port = first.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), timeout=2):
            return True

    def _running(self) -> Process:
        assert self.process is not None, f"{self!r} was not started"
        return self.process

    @property
    def server(self) -> str:
        """Its address as ``host:port``."""
        return f"{self.address}:{self.port}"

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._running().pid

    @property
    def returncode(self) -> int | None:
        """The exit code; None while it runs."""
        return self._running().returncode

    def log_lines(self) -> list[str]:
        """Give everything that it wrote to stderr and stdout so far."""
        return self._running().log_text().splitlines()

    def rss_bytes(self) -> int:
        """Give its resident memory."""
        return self._running().rss_bytes()

    def terminate(self, timeout: float = 30.0) -> float:
        """Send SIGTERM and return the seconds until it was gone."""
        return self._running().terminate(timeout)

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()

    def stop(self) -> None:
        """End it and remove what it wrote."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __repr__(self) -> str:
        return f"<EdgeProcess {self.name} at {self.server}>"


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        both = isinstance(under, Mapping) and isinstance(value, Mapping)
        merged[key] = _laid_over(under, value) if both else value  # type: ignore[arg-type] # both
    return merged
