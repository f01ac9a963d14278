"""The edge is ended and started again while Consul is down, as a crash of the machine would."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from consul_edge.cache.snapshot import read
from tests.consul import MASTER_TOKEN, ConsulAgent
from tests.edge import EdgeProcess
from tests.peers import require
from tests.scrape import scrape
from tests.waiting import wait_until
from tests.wire import Answer, exchange

pytestmark = pytest.mark.real

NODES = "/v1/catalog/nodes"
SERVICES = "/v1/catalog/services"
KEY = "/v1/kv/config/a"

READER = "7eade700-0000-4000-8000-00000000000a"
"""A client's token."""

OWN = "0000ea51-0000-4000-8000-00000000000b"
"""The edge's."""

ALLOWED = 'node_prefix "" { policy = "read" } service_prefix "" { policy = "read" }'


@pytest.fixture
def agent() -> Iterator[ConsulAgent]:
    """Give an agent that denies by default and knows two tokens, to be ended."""
    require("consul")
    with ConsulAgent(acl=True) as made:
        rules = {"Name": "reads", "Rules": f'{ALLOWED} key_prefix "" {{ policy = "read" }}'}
        made.put("/v1/acl/policy", rules)
        for secret in (READER, OWN):
            token = {"SecretID": secret, "Policies": [{"Name": "reads"}]}
            made.put("/v1/acl/token", token)
        made.put(KEY, b"locked")
        yield made


def ask(edge: EdgeProcess, target: str, token: str) -> Answer:
    """Ask in the name of a token."""
    headers = [("X-Consul-Token", token)] if token else []
    return exchange((edge.address, edge.port), "GET", target, headers)


def told(path: Path) -> set[str]:
    """List the paths that a snapshot has answers for."""
    return {record.path for record in read(path)[1]}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_edge_ended_and_restarted_without_consul_still_serves(
    agent: ConsulAgent, tmp_path: Path, number: signal.Signals
) -> None:
    """Whoever was answered before is answered with the age, nobody else, and no KV."""
    path = tmp_path / "snapshot"
    edge = EdgeProcess(
        [agent.server],
        {
            "consul": {"token": OWN, "deadline": "2s", "max_retries": 0},
            "cache": {"snapshot": str(path), "warm": [SERVICES]},
            "log": {"level": "debug", "access": True},
        },
    )
    with edge:
        before = ask(edge, NODES, READER)
        assert before.status == 200
        assert ask(edge, f"{KEY}?index=1", READER).status == 200
        if number is signal.SIGKILL:
            wait_until(lambda: told(path) == {NODES, SERVICES}, "both saved")
            edge.kill()
        else:
            wait_until(lambda: is_warm(edge), "warm")
            edge.terminate()
        agent.kill()
        edge.start()

        after = ask(edge, NODES, READER)
        assert after.status == 200
        assert after.content == before.content
        assert after.header("X-Consul-Knownleader") == "false"
        assert int(after.header("X-Consul-Edge-Stale") or -1) >= 0
        assert ask(edge, SERVICES, OWN).header("X-Consul-Edge-Stale") is not None
        for target, token in (
            (NODES, ""),
            (NODES, MASTER_TOKEN),
            (NODES, OWN),
            (SERVICES, READER),
            (KEY, READER),
            (f"{KEY}?stale", READER),
        ):
            assert ask(edge, target, token).status == 500

        assert path.stat().st_mode & 0o777 == 0o600
        written = [
            path.read_bytes(),
            scrape(edge.http).encode(),
            "\n".join(edge.log_lines()).encode(),
        ]
        for secret in (READER, OWN, MASTER_TOKEN):
            assert [secret.encode() in text for text in written] == [False] * 3
        assert b"locked" not in written[0]


def is_warm(edge: EdgeProcess) -> bool:
    """Tell whether the warm target is answered from memory."""
    return ask(edge, SERVICES, OWN).header("X-Cache") == "HIT"
