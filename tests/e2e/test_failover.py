"""Faults of a real cluster under steady reads: no reader sees an error (DESIGN.md 6)."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.consul import ConsulCluster, ConsulServer
from tests.edge import EdgeProcess
from tests.relay import Relay
from tests.scrape import sample
from tests.steady import SteadyReaders
from tests.waiting import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

READS_AFTER = 60
"""Good reads that must follow a fault, from whoever is left."""


def order(cluster: ConsulCluster, victim: ConsulServer) -> list[ConsulServer]:
    """List all servers with the victim first: it is the active one when it falls."""
    return [victim, *(server for server in cluster.servers if server is not victim)]


def pick(cluster: ConsulCluster, role: str) -> ConsulServer:
    """Choose the victim by its role."""
    return cluster.leader() if role == "leader" else cluster.followers()[0]


@asynccontextmanager
async def reading(edge: EdgeProcess) -> AsyncIterator[SteadyReaders]:
    """Read steadily, from a moment on at which every reader has been answered."""
    async with SteadyReaders(edge.http) as readers:
        await eventually(lambda: len(readers.seen) >= 20, "readers at work")
        yield readers


async def outlast(readers: SteadyReaders, fault: Callable[[], None], victim: str) -> float:
    """Let *fault* happen, and read until others than *victim* have answered often enough."""
    began = time.monotonic()
    fault()
    await eventually(
        lambda: sum(one.server not in ("", victim) for one in readers.since(began)) >= READS_AFTER,
        "reads answered by the other servers",
        within=60,
    )
    return began


def attempts(edge: EdgeProcess, server: str) -> float:
    """Count the attempts at *server* that failed, as the edge itself tells."""
    return sum(
        sample(edge.http, "consul_server_fallback_total", server=server, status=status)
        for status in ("failure", "timeout")
    )


@pytest.mark.parametrize("role", ["follower", "leader"])
@pytest.mark.parametrize("fault", ["kill", "pause"])
async def test_active_server_falls_no_reader_sees_an_error(
    consul_cluster: ConsulCluster, role: str, fault: str
) -> None:
    """A server that dies (SIGKILL) or hangs (SIGSTOP) is no reader's problem."""
    victim = pick(consul_cluster, role)
    victim.request("PUT", "/v1/kv/steady", "value")
    servers = [server.server for server in order(consul_cluster, victim)]
    async with EdgeProcess(servers) as edge, reading(edge) as readers:
        await outlast(readers, lambda: getattr(consul_cluster, fault)(victim), victim.server)
        assert readers.errors == []
        # Each reader pays once at most; whoever comes later pays nothing.  A lost leader is
        # paid for by what was under way at the others, too, and that is counted there.
        assert attempts(edge, victim.server) <= readers.readers


@pytest.mark.parametrize("role", ["follower", "leader"])
@pytest.mark.parametrize("fault", ["refuse", "swallow"])
async def test_way_to_active_server_breaks_no_reader_sees_an_error(
    consul_cluster: ConsulCluster, role: str, fault: str
) -> None:
    """A port that refuses, or a black hole, costs its first callers one attempt each."""
    victim = pick(consul_cluster, role)
    victim.request("PUT", "/v1/kv/steady", "value")
    others = [server.server for server in order(consul_cluster, victim)[1:]]
    async with Relay(victim.server) as relay, EdgeProcess([relay.server, *others]) as edge:
        async with reading(edge) as readers:
            await outlast(readers, getattr(relay, fault), relay.server)
            assert readers.errors == []
            assert attempts(edge, relay.server) <= readers.readers


async def test_lost_server_returns_and_is_a_candidate_again(
    consul_cluster: ConsulCluster,
) -> None:
    """A server that comes back is asked again once the others are gone, without a restart."""
    first, second, _ = consul_cluster.servers
    first.request("PUT", "/v1/kv/steady", "value")
    async with Relay(first.server) as one, Relay(second.server) as two:
        async with EdgeProcess([one.server, two.server]) as edge, reading(edge) as readers:
            await outlast(readers, one.refuse, one.server)
            one.restore()
            await eventually(
                lambda: sample(edge.http, "consul_edge_upstream_up", server=one.server) == 1,
                "the first server up again",
            )
            assert readers.seen[-1].server == two.server, "the one that answers stays active"
            await outlast(readers, two.refuse, two.server)
            assert readers.errors == []


async def test_all_servers_gone_the_500_says_what_each_did_and_recovery_needs_no_restart(
    consul_cluster: ConsulCluster,
) -> None:
    """With no server left the answer is the 500 of DESIGN.md 5; one that returns ends it."""
    first, second, _ = consul_cluster.servers
    first.request("PUT", "/v1/kv/steady", "value")
    async with Relay(first.server) as one, Relay(second.server) as two:
        settings = {"consul": {"retry_delay": "100ms"}}
        async with EdgeProcess([one.server, two.server], settings) as edge:
            async with SteadyReaders(edge.http, readers=1) as readers:
                await eventually(lambda: readers.seen, "a first read")
                one.refuse()
                two.refuse()
                await eventually(lambda: readers.errors, "a read that nobody answers")
                assert readers.errors[-1].status == 500
                assert readers.errors[-1].text == (
                    "consul-edge: no Consul server answered: "
                    f"{one.server} refused; {two.server} refused"
                )
                two.restore()
                await eventually(lambda: readers.seen[-1].status == 200, "reads answered again")


@pytest.mark.parametrize("mode", ["", "&consistent"], ids=["held", "passed"])
async def test_parked_poll_loses_its_server_and_still_sees_the_change(
    consul_cluster: ConsulCluster, mode: str
) -> None:
    """A blocking query, or the watch that it waits for, is carried on, and wakes by a write."""
    victim = pick(consul_cluster, "follower")
    other = order(consul_cluster, victim)[1]
    victim.request("PUT", "/v1/kv/watched", "before")
    index = victim.request("GET", "/v1/kv/watched").headers["x-consul-index"]
    async with (
        EdgeProcess([victim.server, other.server]) as edge,
        SteadyReaders(
            edge.http, (f"/v1/kv/watched?raw&index={index}&wait=60s{mode}",), readers=1
        ) as poll,
    ):
        await eventually(
            lambda: sample(
                edge.http, "consul_edge_upstream_connections", server=victim.server, kind="poll"
            ),
            "the poll parked at the victim",
        )
        consul_cluster.pause(victim)
        await eventually(
            lambda: sample(
                edge.http, "consul_edge_upstream_connections", server=other.server, kind="poll"
            ),
            "the poll parked at the other server",
        )
        other.request("PUT", "/v1/kv/watched", "after")
        await eventually(lambda: poll.seen, "the poll answered")
        assert (poll.seen[0].status, poll.seen[0].text) == (200, "after")


async def test_main_server_is_asked_only_when_all_others_failed(
    consul_cluster: ConsulCluster,
) -> None:
    """``main_server`` is the last resort: unused while a listed server answers, used after."""
    first, second, _ = consul_cluster.servers
    first.request("PUT", "/v1/kv/steady", "value")
    async with Relay(first.server) as one, Relay(second.server) as resort:
        settings = {"consul": {"main_server": resort.server}}
        async with EdgeProcess([one.server], settings) as edge, reading(edge) as readers:
            assert {seen.server for seen in readers.seen} == {one.server}
            await outlast(readers, one.refuse, one.server)
            assert readers.seen[-1].server == resort.server
            assert readers.errors == []
