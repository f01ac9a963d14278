"""The test bed itself: what its agents and clusters promise to the tests that stand on it."""

import http.client
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.authority import Authority
from tests.consul import MASTER_TOKEN, ConsulAgent, ConsulCluster
from tests.peers import require
from tests.processes import RUNNING, Process, fresh_address
from tests.waiting import TooLateError, eventually, wait_until
from tests.wire import exchange


@pytest.fixture(autouse=True)
def _consul(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("real"):
        require("consul")


@pytest.mark.real
def test_agent_with_acls_denies_whoever_has_no_token() -> None:
    """Its own requests use the master token; others see nothing."""
    with ConsulAgent(acl=True) as agent:
        where = (agent.address, agent.port)

        assert exchange(where, "GET", "/v1/kv/a").status == 403
        assert agent.get("/v1/acl/token/self")["SecretID"] == MASTER_TOKEN
        assert agent.put("/v1/kv/a", "x").json() is True


@pytest.mark.real
def test_agent_with_tls_shows_a_certificate_of_its_authority() -> None:
    """A client that trusts the authority reads, one that does not refuses."""
    with ConsulAgent(tls=True) as agent:
        assert agent.authority is not None
        trusting = ssl.create_default_context(cafile=str(agent.authority.ca_file))
        with urllib.request.urlopen(f"{agent.https}/v1/status/leader", context=trusting) as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(f"{agent.https}/v1/status/leader")


@pytest.mark.real
def test_agent_that_wants_client_certificates_refuses_others() -> None:
    """Only who shows a certificate of the authority is answered."""
    with ConsulAgent(tls=True, client_certificates=True) as agent:
        assert agent.authority is not None
        context = ssl.create_default_context(cafile=str(agent.authority.ca_file))
        with pytest.raises((OSError, http.client.HTTPException)):
            urllib.request.urlopen(f"{agent.https}/v1/status/leader", context=context)
        pair = agent.authority.issue("client", "client.test")
        context.load_cert_chain(pair.cert, pair.key)
        with urllib.request.urlopen(f"{agent.https}/v1/status/leader", context=context) as answer:
            assert answer.status == 200


@pytest.mark.real
def test_agent_with_a_unix_socket_answers_there_too() -> None:
    """The socket and the port are two ways to one agent."""
    with ConsulAgent(unix_socket=True) as agent:
        agent.put("/v1/kv/a", "x")

        assert exchange((f"unix://{agent.socket}", 0), "GET", "/v1/kv/a?raw").body == b"x"


@pytest.mark.real
def test_agent_with_a_longest_wait_grants_no_more() -> None:
    """A wait beyond it ends with it."""
    with ConsulAgent(max_query_time="200ms") as agent:
        agent.put("/v1/kv/a", "x")
        index = agent.request("GET", "/v1/kv/a").headers["x-consul-index"]
        held = f"/v1/kv/a?wait=60s&index={index}"

        assert agent.request("GET", held, timeout=5).status == 200


@pytest.mark.real
async def test_agents_in_an_async_test_run_side_by_side() -> None:
    """Each has an address of its own and a state of its own."""
    async with ConsulAgent() as one, ConsulAgent() as two:
        one.put("/v1/kv/a", "x")

        assert one.address != two.address
        assert two.request("GET", "/v1/kv/a").status == 404


@pytest.mark.real
def test_agent_that_is_left_is_gone_with_all_it_wrote() -> None:
    """No process and no folder stays behind, frozen or not."""
    with ConsulAgent() as agent:
        agent.stop_hard()
        process = agent.process
        assert process in RUNNING

    assert process not in RUNNING
    assert not agent.folder.exists()
    with pytest.raises(OSError, match="refused"):
        agent.request("GET", "/v1/status/leader")


@pytest.mark.real
@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_cluster_without_its_leader_elects_another(
    fault: str, consul_cluster: ConsulCluster
) -> None:
    """The two that are left agree on one of them, and take writes."""
    old = consul_cluster.leader()
    assert len(consul_cluster.followers()) == 2
    {"kill": consul_cluster.kill, "pause": consul_cluster.pause}[fault](old)

    new = consul_cluster.wait_for_leader(other_than=old)

    assert new is not old
    assert new.put("/v1/kv/a", "x").json() is True


@pytest.mark.real
def test_cluster_whose_frozen_follower_goes_on_is_whole_again(
    consul_cluster: ConsulCluster,
) -> None:
    """A resumed server catches up with what was written meanwhile."""
    follower = consul_cluster.followers()[0]
    consul_cluster.pause(follower)
    consul_cluster.leader().put("/v1/kv/a", "x")
    consul_cluster.resume(follower)

    wait_until(
        lambda: follower.request("GET", "/v1/kv/a?stale&raw").body == b"x", "the value everywhere"
    )


def test_processes_of_a_killed_test_run_die_with_it(tmp_path: Path) -> None:
    """Also a run that cannot clean up leaves nothing running."""
    script = (
        "import os, pathlib, signal\n"
        "from tests.processes import Process\n"
        "log = pathlib.Path(os.environ['LOG'])\n"
        "child = Process('child', ['sleep', '1000'], log)\n"
        "command = pathlib.Path(f'/proc/{child.pid}/cmdline')\n"
        "while not command.read_bytes().startswith(b'sleep'):\n"
        "    pass  # until then it has not said yet that it wants to die with its parent\n"
        "print(child.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parent.parent,
        env={"LOG": str(tmp_path / "log"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    proc = Path(f"/proc/{int(run.stdout)}")

    # A zombie has no command line: nobody reaps it in a container without an init.
    wait_until(lambda: not proc.exists() or not (proc / "cmdline").read_bytes(), "the child dead")


def test_process_that_ignores_sigterm_is_killed_and_named(tmp_path: Path) -> None:
    """A test learns that what it asked to leave did not."""
    script = (
        "import signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()\n"
    )
    process = Process("deaf", [sys.executable, "-c", script], tmp_path / "log")
    wait_until(lambda: "ready" in process.log_text(), "the trap set")

    with pytest.raises(AssertionError, match="deaf ignored SIGTERM"):
        process.terminate(timeout=0.2)

    assert not process.alive


def test_addresses_for_one_run_are_each_given_once() -> None:
    """No two programs of a run meet at an address."""
    addresses = [fresh_address() for _ in range(100)]

    assert len(set(addresses)) == 100
    assert all(address.startswith("127.") for address in addresses)


async def test_condition_that_never_comes_true_is_named() -> None:
    """The failure says what was waited for and what was seen last, in both kinds of tests."""

    def refused() -> bool:
        raise ConnectionRefusedError("nobody there")

    with pytest.raises(TooLateError, match="the moon; last seen: ConnectionRefusedError"):
        await eventually(refused, "the moon", within=0.1)
    with pytest.raises(TooLateError, match="the sun; last seen: 0"):
        wait_until(lambda: 0, "the sun", within=0.1)


def test_certificates_of_one_authority_verify_each_other(tmp_path: Path) -> None:
    """A pair and its authority are files that ssl takes."""
    authority = Authority(tmp_path)
    pair = authority.issue("server", "127.0.0.1", "localhost")

    context = ssl.create_default_context(cafile=str(authority.ca_file))
    context.load_cert_chain(pair.cert, pair.key)

    assert context.get_ca_certs()
