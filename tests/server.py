"""One real Consul process of a test, and how a test talks to it without the edge."""

import json
import shutil
import tempfile
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

from tests.peers import peer
from tests.processes import Launched, Process, fresh_address

PORT: Final = 8500


@dataclass(frozen=True, slots=True)
class Reply:
    """What a Consul said to a test's own question."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        """Decode the body."""
        return json.loads(self.body)


class ConsulServer(Launched):
    """One Consul process on an address of its own."""

    def __init__(self, name: str, hcl: str, arguments: tuple[str, ...] = ()) -> None:
        """
        Prepare, but start nothing.

        Args:
            name: The node's name, and what logs of failed tests call it.

            hcl: Its configuration beyond name and addresses.

            arguments: Further words of its command line.
        """
        self.name = name
        self.address = fresh_address()
        self.port = PORT
        self.http = f"http://{self.address}:{PORT}"
        self.token: str | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="consul-"))
        self.process: Process | None = None
        self.paused = False
        self._hcl = hcl
        self._arguments = arguments

    @property
    def server(self) -> str:
        """Its name in the edge's list of servers, ``host:port``."""
        return f"{self.address}:{self.port}"

    def launch(self) -> None:
        """Start the process without waiting for it."""
        config = self.folder / "consul.hcl"
        config.write_text(f'node_name = "{self.name}"\n{self._hcl}')
        addresses = (f"-bind={self.address}", f"-client={self.address}")
        command: list[str | Path] = [
            peer("consul"),
            "agent",
            f"-config-file={config}",
            *addresses,
            *self._arguments,
        ]
        self.process = Process(self.name, command, self.folder / "log")

    def is_ready(self) -> bool:
        """Whether it knows a leader and has told the catalog about itself."""
        if self.process is None or not self.process.alive:
            raise AssertionError(f"{self!r} ended:\n{self.process and self.process.tail()}")
        leader = self.request("GET", "/v1/status/leader").json()
        told = self.request("GET", f"/v1/catalog/node/{self.name}")
        # A master token is made by the leader, a moment after it became one.
        node = ((told.json() or {}) if told.status == 200 else {}).get("Node", {})
        roots = self.request("GET", "/v1/connect/ca/roots") if leader else None
        # The leader registers a node by its address; the rest is the agent's own word.
        return bool(leader and node.get("TaggedAddresses") and roots)

    def request(
        self,
        method: str,
        target: str,
        body: bytes | str | dict[str, Any] | list[Any] | None = None,
        *,
        token: str | None = None,
        timeout: float = 10.0,
    ) -> Reply:
        """Ask it something; a mapping or list is sent as JSON, the master token by default."""
        data = json.dumps(body) if isinstance(body, dict | list) else body
        token = token or self.token
        connection = HTTPConnection(self.address, self.port, timeout=timeout)
        try:
            connection.request(method, target, data, {"X-Consul-Token": token} if token else {})
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, headers, answer.read())
        finally:
            connection.close()

    def get(self, target: str, **options: Any) -> Any:
        """Read a JSON document that must be there."""
        reply = self.request("GET", target, **options)
        assert reply.status == 200, f"{target}: {reply}"
        return reply.json()

    def put(self, target: str, body: Any = None, **options: Any) -> Reply:
        """Write something that must succeed."""
        reply = self.request("PUT", target, body, **options)
        assert reply.status == 200, f"{target}: {reply}"
        return reply

    def kill(self) -> None:
        """End it at once (SIGKILL): its port is refused from now on."""
        if self.process is not None:
            self.process.kill()

    def stop_hard(self) -> None:
        """Freeze it (SIGSTOP): connections stay, answers stop."""
        if self.process is not None:
            self.process.stop_hard()
            self.paused = True

    def resume(self) -> None:
        """Let it go on after :meth:`stop_hard`."""
        if self.process is not None:
            self.process.resume()
            self.paused = False

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self.process is not None, f"{self!r} was not started"
        return self.process.pid

    @property
    def answers(self) -> bool:
        """Whether it may be asked: running and not frozen."""
        return self.process is not None and self.process.alive and not self.paused

    def stop(self) -> None:
        """End it and remove all that it wrote."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} at {self.server}>"
