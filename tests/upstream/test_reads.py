"""Reads over stand-ins with injected faults: who is asked, how often, and who is believed lost."""

import asyncio

import pytest

from consul_edge import metrics
from consul_edge.demo.faults import Moment
from consul_edge.demo.standin import StandIn
from tests.house import House, edge_over
from tests.scrape import sample
from tests.upstream.making import value_of
from tests.waiting import eventually
from tests.warp import skip, warped

READ = "/v1/catalog/datacenters?consistent"
"""Passes the cache, so that each read of a client is one at a server."""


def small() -> StandIn:
    """Make a stand-in that costs little."""
    return StandIn(nodes=1, services=0)


def name(url: str) -> str:
    """Reduce a URL to what the edge calls the server."""
    return url.removeprefix("http://")


async def total(edge: House, metric: str, **labels: str) -> float:
    """Read a metric of an edge of this process."""
    return await asyncio.to_thread(sample, edge.base, metric, **labels)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (500, "No path to datacenter"),
        (500, "Reading the keyring denied by ACLs"),
        (403, "Permission denied"),
        (403, "ACL not found"),
        (429, '{"Healthy":false}'),
        (503, "critical"),
        (503, "rate limit exceeded for operation that can only be performed by the leader"),
        (404, ""),
    ],
    ids=lambda value: str(value)[:24].strip() or "empty",
)
async def test_error_that_a_client_can_cause_a_thousand_times_costs_one_request_each(
    status: int, text: str
) -> None:
    """Such an answer is passed on: no second server is asked, no circuit opens."""
    first, second = small(), small()
    async with first.running() as one, second.running() as two, edge_over(one, two) as edge:
        first.faults.answer(status, text, path=READ)
        for _ in range(1000):
            async with edge.client.get(edge.base + READ) as response:
                assert (response.status, await response.text()) == (status, text)
        assert len(first.seen.of(path=READ)) == 1000
        assert second.seen.of(path=READ) == []
        assert not edge.rotation.servers.active.is_out


@pytest.mark.usefixtures("patient_heartbeats")
def test_slow_endpoint_opens_no_circuit_and_does_not_multiply_the_load() -> None:
    """A second server is asked beside a slow one for a tenth of the reads at most."""
    first, second = small(), small()
    rounds, readers = 3, 100

    async def read(edge: House) -> int:
        async with edge.client.get(edge.base + READ) as response:
            return response.status

    async def read_slowly(edge: House) -> None:
        slow = [standin.faults.hang(path=READ) for standin in (first, second)]
        before = hedges()
        reading = [asyncio.create_task(read(edge)) for _ in range(readers)]
        await eventually(lambda: slow[0].hits == readers, "everybody asks the first")
        skip(2.1)
        await eventually(lambda: hedges() == before + readers, "everybody wants a second")
        for fault in slow:
            fault.lift()
        assert set(await asyncio.gather(*reading)) == {200}

    async def load() -> None:
        async with first.running() as one, second.running() as two:
            async with edge_over(one, two, CONSUL__POOL__MAX_CONNECTIONS="1000") as edge:
                for _ in range(rounds):
                    await read_slowly(edge)
                reads = rounds * readers
                asked = len(first.seen.of(path=READ)) + len(second.seen.of(path=READ))
                # The saved-up start, and a tenth of the rest.
                assert reads < asked <= reads + 10 + reads // 10
                assert await total(edge, "consul_edge_upstream_up", server=name(one)) == 1
                assert edge.rotation.servers.active.name == name(one)

    warped(load())


def hedges() -> float:
    """Count how often a second server was to be asked beside a slow one, granted or not."""
    return sum(value_of(metrics.HEDGES.labels(outcome)) for outcome in ("asked", "denied"))


@pytest.mark.usefixtures("patient_heartbeats")
async def test_slow_answer_that_comes_first_wins_over_the_second_asking() -> None:
    """The first attempt is not given up when a second server is asked: its answer still counts."""
    first, second = small(), small()
    async with first.running() as one, second.running() as two:
        async with edge_over(one, two, CONSUL__TIMEOUT="1s") as edge:
            slow = first.faults.hang(path=READ)
            hung = second.faults.hang(path=READ)
            reading = asyncio.create_task(edge.ask("GET", READ))
            await hung.met.wait()
            slow.lift()
            answer = await reading
            assert (answer.status, answer.header("X-Consul-Edge-Server")) == (200, name(one))
            assert (slow.hits, hung.hits) == (1, 1)
            second.faults.clear()


@pytest.mark.usefixtures("patient_heartbeats")
async def test_single_slow_server_is_waited_for_beyond_the_timeout() -> None:
    """``timeout`` is when another is asked too, not when the only one is given up."""
    standin = small()
    async with standin.running() as one, edge_over(one, CONSUL__TIMEOUT="500ms") as edge:
        slow = standin.faults.delay(1.2, path=READ)
        assert (await edge.ask("GET", READ)).status == 200
        assert (len(standin.seen.of(path=READ)), slow.hits) == (1, 1)


async def test_silent_server_whose_heartbeat_fails_too_is_left_by_all_at_once() -> None:
    """Reads at a hung server move without the budget, however many they are."""
    first, second = small(), small()
    async with first.running() as one, second.running() as two:
        async with edge_over(one, two, CONSUL__TIMEOUT="1s") as edge:
            await edge.heard()
            first.faults.hang()

            async def read() -> str:
                async with edge.client.get(edge.base + READ) as response:
                    assert response.status == 200
                    return response.headers["X-Consul-Edge-Server"]

            assert set(await asyncio.gather(*(read() for _ in range(60)))) == {name(two)}
            assert edge.rotation.servers.active.name == name(two)
            first.faults.clear()


async def test_no_leader_for_a_while_the_read_waits_and_is_answered() -> None:
    """During an election a read waits; the new leader answers it; nobody sees the 500."""
    first, second = small(), small()
    async with first.running() as one, second.running() as two, edge_over(one, two) as edge:
        for standin in (first, second):
            standin.faults.depose()
        reading = asyncio.create_task(edge.ask("GET", "/v1/catalog/nodes"))
        await eventually(lambda: first.seen.of(path="/v1/catalog/nodes"), "the read asked")
        await eventually(lambda: second.seen.of(path="/v1/catalog/nodes"), "the other asked")
        for standin in (first, second):
            standin.faults.elect()
        assert (await reading).status == 200


async def test_no_leader_until_the_deadline_consuls_own_error_is_passed_on() -> None:
    """When no leader comes in time the client gets Consul's own 500."""
    standin = small()
    async with standin.running() as one, edge_over(one, CONSUL__DEADLINE="300ms") as edge:
        standin.faults.depose()
        answer = await edge.ask("GET", "/v1/catalog/nodes")
        assert (answer.status, answer.body) == (500, b"No cluster leader")


async def test_many_reads_during_an_election_are_paced() -> None:
    """While nobody leads, a waiting read asks about once a second, not as fast as it can."""
    standin = small()
    async with standin.running() as one, edge_over(one, CONSUL__DEADLINE="2s") as edge:
        standin.faults.depose()
        await edge.ask("GET", "/v1/catalog/nodes")
        assert len(standin.seen.of(path="/v1/catalog/nodes")) <= 8


@pytest.mark.parametrize("moment", [Moment.HEAD, Moment.READ, Moment.DONE, Moment.ANSWERING])
async def test_server_dies_in_mid_read_the_next_one_answers(moment: Moment) -> None:
    """A read that breaks off at any point, even in its answer's body, is asked elsewhere."""
    first, second = small(), small()
    async with first.running() as one, second.running() as two, edge_over(one, two) as edge:
        # Twice: aiohttp itself may try a read's connection once more.
        first.faults.reset(moment, after=3, path=READ, times=2)
        answer = await edge.ask("GET", READ)
        assert answer.status == 200
        assert answer.json() == ["dc1"]


async def test_reset_connection_does_not_make_a_server_lost() -> None:
    """A reset, as at our own connection limit, moves one request; a heartbeat judges."""
    first, second = small(), small()
    async with first.running() as one, second.running() as two, edge_over(one, two) as edge:
        first.faults.reset(Moment.HEAD, path=READ)
        for _ in range(5):
            assert (await edge.ask("GET", READ)).header("X-Consul-Edge-Server") == name(two)
        assert await total(edge, "consul_edge_upstream_up", server=name(one)) == 1
        assert edge.rotation.servers.active.name == name(one)


async def test_429_elsewhere_moves_the_request_and_nothing_else() -> None:
    """Consul's "against a different server" is obeyed for that request alone."""
    first, second = small(), small()
    async with first.running() as one, second.running() as two, edge_over(one, two) as edge:
        text = "rate limit exceeded, try again later or against a different server"
        first.faults.answer(429, text, path=READ)
        answer = await edge.ask("GET", READ)
        assert (answer.status, answer.header("X-Consul-Edge-Server")) == (200, name(two))
        assert edge.rotation.servers.active.name == name(one)


async def test_429_everywhere_is_passed_on() -> None:
    """When every server says so, the client is told."""
    first, second = small(), small()
    async with first.running() as one, second.running() as two:
        async with edge_over(one, two, CONSUL__DEADLINE="300ms") as edge:
            text = "rate limit exceeded, try again later or against a different server"
            for standin in (first, second):
                standin.faults.answer(429, text, path=READ)
            answer = await edge.ask("GET", READ)
            assert (answer.status, answer.body) == (429, text.encode())


@pytest.mark.usefixtures("rare_heartbeats")
async def test_compressed_error_is_judged_by_its_text() -> None:
    """Consul compresses its errors, too, for clients that accept it: the text is still read."""
    first, second = small(), small()
    async with first.running() as one, second.running() as two, edge_over(one, two) as edge:
        await edge.heard()
        first.faults.depose()
        answer = await edge.ask(
            "GET", "/v1/catalog/nodes?consistent", [("Accept-Encoding", "gzip")]
        )
        refused = first.seen.of(path="/v1/catalog/nodes")[0]
        assert refused.headers["Accept-Encoding"] == "gzip"
        assert (answer.status, answer.header("X-Consul-Edge-Server")) == (200, name(two))


@pytest.mark.usefixtures("rare_heartbeats")
async def test_attempts_are_counted_as_what_they_were() -> None:
    """``consul_server_fallback_total`` tells refused, silent and successful attempts apart."""
    first, second, third = small(), small(), small()
    async with (
        first.running() as one,
        second.running() as two,
        third.running() as three,
        edge_over(one, two, three, CONSUL__TIMEOUT="1s") as edge,
    ):
        await edge.heard()
        metric = "consul_server_fallback_total"
        expected = [(one, "failure"), (two, "timeout"), (three, "success")]

        async def counts() -> list[float]:
            return [
                await total(edge, metric, server=name(url), status=status)
                for url, status in expected
            ]

        before = await counts()
        await first.refuse()
        second.faults.hang()
        assert (await edge.ask("GET", READ)).status == 200
        assert [now - then for now, then in zip(await counts(), before, strict=True)] == [1, 1, 1]
        second.faults.clear()


async def test_client_leaves_its_read_is_finished_and_the_connection_kept() -> None:
    """A short read whose client left goes on: breaking it off would free nothing at Consul."""
    standin = small()
    async with standin.running() as one, edge_over(one) as edge:
        fault = standin.faults.hang(path=READ)
        _, writer = await asyncio.open_connection(edge.address, 8510)
        writer.write(b"GET " + READ.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await fault.met.wait()
        server = edge.rotation.servers.active
        writer.transport.abort()
        await eventually(lambda: edge.rotation.orphans, "the read left alone")
        assert server.slots.short == 1
        fault.lift()
        await eventually(lambda: server.slots.short == 0, "the read finished")


async def test_stream_without_a_leader_is_asked_elsewhere() -> None:
    """An error is judged by its text also where answers are streamed."""
    first, second = small(), small()
    async with first.running() as one, second.running() as two, edge_over(one, two) as edge:
        first.faults.answer(500, "No cluster leader", path="/v1/snapshot")
        answer = await edge.ask("GET", "/v1/snapshot")
        assert answer.header("X-Consul-Edge-Server") == name(two)
