"""What is measured and what it is measured against: processes, each ready when started."""

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Final

from consul_edge.config.settings import Settings
from tests.bench.load import Running
from tests.bench.plan import Plan
from tests.bench.programs import Program, nginx_server
from tests.bench.registration import REGISTER, instance
from tests.consul import ACL, COMMON, MASTER_TOKEN, ConsulCluster
from tests.edge import EdgeProcess
from tests.processes import fresh_address
from tests.server import ConsulServer

KEY: Final = "bench/small"

VALUE: Final = "x" * 40
"""Small: what locks, flags and addresses in Consul's KV are like."""

STUB_BYTES: Final = 200

HELD_PORT: Final = 8500

PORT: Final = 8510

EDGE: Final = "edge"

WITHOUT_LANE: Final = "edge, no fastlane"

STUB: Final = """
  server {
    listen @LISTEN@;
    etag off;
    max_ranges 0;
    default_type application/json;
    add_header Last-Modified "";
    add_header Vary Accept-Encoding;
    add_header X-Consul-Effective-Consistency leader;
    add_header X-Consul-Index 42;
    add_header X-Consul-Knownleader true;
    add_header X-Consul-Lastcontact 0;
    location = /v1/status/leader { return 200 '"127.0.0.1:8300"'; }
    @LOCATIONS@
  }
"""
"""With the headers that Consul's answers have."""


def one_server() -> ConsulCluster:
    """Prepare a Consul server as in production: a ``-dev`` one indents, and doubles, all JSON."""
    return ConsulCluster(1)


def guarded_server() -> ConsulCluster:
    """Prepare one that denies by default; what asks it for itself has the token for all."""
    cluster = ConsulCluster(1, ACL)
    for server in cluster.servers:
        server.token = MASTER_TOKEN
    return cluster


def client_agent(server: ConsulServer) -> ConsulServer:
    """Prepare a Consul that is no server but asks one, as it would stand beside each program."""
    agent = ConsulServer("agent", "")
    agent.token = server.token
    agent._hcl = "\n".join(
        (
            COMMON.format(https=-1, connections=15_000),
            f'data_dir = "{agent.folder}/data"',
            f'retry_join = ["{server.address}"]\nretry_interval = "250ms"',
            ACL if server.token else "",
        )
    )
    return agent


def register(consul: ConsulServer, service: str, instances: int, tags: Sequence[str]) -> None:
    """Register instances with the same tags, several at once: each takes some milliseconds."""
    told = [instance(service, number) for number in range(instances)]
    for one in told:
        one["Service"]["Tags"] = list(tags)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(partial(consul.put, REGISTER), told))


def stub(
    locations: str = "", files: Mapping[str, bytes] | None = None, *, large: bool = False
) -> Program:
    """Prepare an upstream that costs almost nothing: by default a fixed text of 200 bytes."""
    locations = locations or f"location / {{ return 200 '{_body()}'; }}"
    return nginx_server(STUB.replace("@LOCATIONS@", locations), files, large=large)


@contextmanager
def holding_stub(plan: Plan, body: str) -> Iterator[Program]:
    """Start one that answers whatever it is asked, but holds who waits for a change, as Consul."""
    with socket.create_server((fresh_address(), HELD_PORT), backlog=1024) as hole:
        # Nobody accepts: what is sent there waits for ever.
        held = "location @held {{ proxy_pass http://{}:{}; proxy_read_timeout 1h; }}"
        answer = f"if ($arg_index) {{ return 418; }} return 200 '{body}';"
        locations = f"location / {{ error_page 418 = @held; {answer} }}"
        with plan.on_load_core():
            running = stub(f"{locations}\n{held.format(*hole.getsockname())}").start()
        try:
            yield running
        finally:
            running.stop()


def edge(*upstreams: str, settings: Mapping[str, Any] | None = None) -> EdgeProcess:
    """Prepare the edge at its defaults, but for *settings*."""
    return EdgeProcess(upstreams, settings)


def edges(*upstreams: str) -> dict[str, EdgeProcess]:
    """Prepare the edge at its defaults, and one without its fast lane."""
    prepared = {EDGE: edge(*upstreams)}
    if "fastlane" in Settings.__struct_fields__:
        prepared[WITHOUT_LANE] = edge(*upstreams, settings={"fastlane": False})
    return prepared


Server = EdgeProcess | Program | ConsulServer


def start(plan: Plan, stack: ExitStack, prepared: Mapping[str, Server]) -> dict[str, Running]:
    """Start those who take part, on the server core, and have them end with *stack*."""
    running: dict[str, Running] = {}
    with plan.on_server_core():
        for name, one in prepared.items():
            stack.enter_context(one)
            running[name] = one
    return running


def fill(consul: ConsulServer) -> None:
    """Write the small value that is read."""
    consul.put(f"/v1/kv/{KEY}", VALUE)


def _body() -> str:
    entry = {"LockIndex": 0, "Key": KEY, "Flags": 0, "Value": "", "CreateIndex": 42}
    entry["Value"] = "x" * (STUB_BYTES - len(json.dumps([entry])))
    return json.dumps([entry])
