"""What is measured and what it is measured against: processes, each ready when started."""

import json
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Final

from tests.consul import COMMON, ConsulAgent, ConsulCluster
from tests.edge import EdgeProcess
from tests.peers import peer
from tests.processes import Launched, Process, fresh_address
from tests.server import ConsulServer

PORT: Final = 8510

KEY: Final = "bench/small"

VALUE: Final = "x" * 40
"""Small: what locks, flags and addresses in Consul's KV are like."""

STUB_BYTES: Final = 200

NGINX: Final = """
daemon off;
master_process off;
pid {folder}/pid;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  {http}
}}
"""
"""One process (a second one, the master, would only outlive a bench that is killed), and
connections that are never closed for having been used often."""

PROXY: Final = """
  upstream consul {{
    server {target};
    keepalive 128;
    keepalive_requests 1000000000;
  }}
  server {{
    listen {address}:{port};
    location / {{
      proxy_pass http://consul;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
"""

STUB: Final = """
  server {{
    listen {address}:{port};
    default_type application/json;
    add_header X-Consul-Index 42;
    add_header X-Consul-Knownleader true;
    add_header X-Consul-Lastcontact 0;
    location = /v1/status/leader {{ return 200 '"127.0.0.1:8300"'; }}
    location / {{ return 200 '{body}'; }}
  }}
"""


class Nginx(Launched):
    """nginx with one worker on an address of its own."""

    def __init__(self, name: str, http: str) -> None:
        """
        Prepare, but start nothing.

        Args:
            http: The inner of its ``http`` block, with ``{address}`` and ``{port}`` to fill in.
        """
        self.name = name
        self.address = fresh_address()
        self.port = PORT
        self.http = f"http://{self.address}:{PORT}"
        self.server = f"{self.address}:{PORT}"
        self.folder = Path(tempfile.mkdtemp(prefix="nginx-"))
        self.process: Process | None = None
        self._http = http.format(address=self.address, port=PORT)

    def launch(self) -> None:
        """Start the process without waiting for it."""
        config = self.folder / "nginx.conf"
        config.write_text(NGINX.format(folder=self.folder, http=self._http))
        log = self.folder / "log"
        # Its error log is given here: the built-in one may not be ours to write.
        command: list[str | Path] = [peer("nginx"), "-e", log, "-p", self.folder, "-c", config]
        self.process = Process(self.name, command, log)

    def is_ready(self) -> bool:
        """Whether it takes connections."""
        if self.process is not None and not self.process.alive:
            raise AssertionError(f"{self!r} ended:\n{self.process.tail()}")
        with socket.create_connection((self.address, self.port), timeout=2):
            return True

    def stop(self) -> None:
        """End it and remove what it wrote."""
        if self.process is not None:
            self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __repr__(self) -> str:
        return f"<Nginx {self.name} at {self.server}>"


def consul() -> ConsulAgent:
    """Prepare a Consul; call it ``direct`` where it is a contender itself."""
    return ConsulAgent("direct")


def one_server() -> ConsulCluster:
    """Prepare a Consul server as in production: a ``-dev`` one indents, and doubles, all JSON."""
    return ConsulCluster(1)


def client_agent(server: ConsulServer) -> ConsulServer:
    """Prepare a Consul that is no server but asks one, as it would stand beside each program."""
    agent = ConsulServer("agent", "")
    agent._hcl = "\n".join(
        (
            COMMON.format(https=-1, connections=15_000),
            f'data_dir = "{agent.folder}/data"',
            f'retry_join = ["{server.address}"]\nretry_interval = "250ms"',
        )
    )
    return agent


def stub() -> Nginx:
    """Prepare an upstream that costs almost nothing: a fixed JSON text of 200 bytes."""
    return Nginx("direct", STUB.replace("{body}", _body().replace("{", "{{").replace("}", "}}")))


def edge(upstream: str) -> EdgeProcess:
    """Prepare the edge at its defaults."""
    return EdgeProcess([upstream], name="edge")


def nginx(upstream: str) -> Nginx:
    """Prepare nginx as a plain reverse proxy that keeps its connections."""
    return Nginx("nginx", PROXY.replace("{target}", upstream))


def fill(agent: ConsulAgent) -> None:
    """Write the small value that is read."""
    agent.put(f"/v1/kv/{KEY}", VALUE)


def _body() -> str:
    entry = {"LockIndex": 0, "Key": KEY, "Flags": 0, "Value": "", "CreateIndex": 42}
    entry["Value"] = "x" * (STUB_BYTES - len(json.dumps([entry])))
    return json.dumps([entry])
