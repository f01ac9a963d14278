"""One PUT stays one: whatever the upstream does to it, it is never sent twice (promise 4)."""

import asyncio

import pytest

from consul_edge.demo.faults import Moment
from consul_edge.demo.standin import StandIn
from tests.house import edge_over
from tests.waiting import eventually
from tests.warp import skip, warped

SMALL = b"value"
LARGE = b"x" * (3 * 1024 * 1024)
"""Beyond what is held whole: it is streamed."""


def small() -> StandIn:
    """Make a stand-in that costs little."""
    return StandIn(nodes=1, services=0)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("moment", list(Moment), ids=lambda moment: moment.value)
async def test_upstream_dies_around_a_write_it_is_sent_once(method: str, moment: Moment) -> None:
    """An upstream that dies before, during or after the body gets the write once; nobody else."""
    first, second = small(), small()
    async with first.running() as one, second.running() as two, edge_over(one, two) as edge:
        first.faults.reset(moment, after=2, method=method, path="/v1/kv/")
        answer = await edge.ask(method, "/v1/kv/once", body=SMALL if method == "PUT" else b"")
        assert answer.status == 500
        assert b"whether the write was carried out is not known" in answer.body
        assert len(first.seen.of(method)) == 1
        assert second.seen.of(method) == []


async def test_pooled_connection_dies_before_a_write_it_is_sent_once() -> None:
    """A write never inherits a kept connection, so a dead one cannot make the client repeat it."""
    standin = small()
    async with standin.running() as one, edge_over(one) as edge:
        for _ in range(3):
            assert (await edge.ask("GET", "/v1/kv/?keys")).status == 200
        standin.disconnect()
        answer = await edge.ask("PUT", "/v1/kv/once", body=SMALL)
        assert (answer.status, answer.body) == (200, b"true")
        assert len(standin.seen.of("PUT")) == 1


async def test_streamed_write_breaks_off_nothing_else_is_asked() -> None:
    """A body that is streamed is not replayed either when its server dies in the middle."""
    first, second = small(), small()
    async with first.running() as one, second.running() as two, edge_over(one, two) as edge:
        first.faults.reset(Moment.READING, after=100_000, method="PUT")
        answer = await edge.ask("PUT", "/v1/snapshot", body=LARGE)
        assert answer.status == 500
        assert len(first.seen.of("PUT")) == 1
        assert second.seen.of("PUT") == []


@pytest.mark.usefixtures("rare_heartbeats")
async def test_server_refuses_the_write_goes_to_the_next() -> None:
    """A connection that failed before a byte was sent is no failure: the next one is asked."""
    first, second = small(), small()
    async with first.running() as one, second.running() as two, edge_over(one, two) as edge:
        await edge.heard()
        await first.refuse()
        answer = await edge.ask("PUT", "/v1/kv/once", body=SMALL)
        assert (answer.status, answer.body) == (200, b"true")
        assert answer.header("X-Consul-Edge-Server") == two.removeprefix("http://")
        assert len(second.seen.of("PUT")) == 1


@pytest.mark.usefixtures("rare_heartbeats")
async def test_no_cluster_leader_the_write_goes_to_the_next() -> None:
    """``No cluster leader`` is Consul's word that nothing was done: another server is asked."""
    first, second = small(), small()
    async with first.running() as one, second.running() as two, edge_over(one, two) as edge:
        await edge.heard()
        first.faults.depose()
        answer = await edge.ask("PUT", "/v1/kv/once", body=SMALL)
        assert (answer.status, answer.body) == (200, b"true")
        assert (len(first.seen.of("PUT")), len(second.seen.of("PUT"))) == (1, 1)


async def test_leadership_lost_while_committing_the_write_is_reported_not_repeated() -> None:
    """An ambiguous 500 is Consul's answer to that client: it is passed on, and nobody is asked."""
    first, second = small(), small()
    async with first.running() as one, second.running() as two, edge_over(one, two) as edge:
        text = "leadership lost while committing log"
        first.faults.answer(500, text, method="PUT")
        answer = await edge.ask("PUT", "/v1/kv/once", body=SMALL)
        assert (answer.status, answer.body) == (500, text.encode())
        assert second.seen.of("PUT") == []


@pytest.mark.usefixtures("patient_heartbeats")
def test_silent_server_the_write_times_out_once() -> None:
    """A write whose server stays silent ends with a text that says so, after one attempt."""

    async def times_out() -> None:
        first, second = small(), small()
        async with first.running() as one, second.running() as two:
            async with edge_over(one, two, CONSUL__WRITE_TIMEOUT="30s") as edge:
                hung = first.faults.hang(method="PUT")
                writing = asyncio.create_task(edge.ask("PUT", "/v1/kv/once", body=SMALL))
                await hung.met.wait()
                skip(30.1)
                answer = await writing
                assert answer.status == 500
                assert b"timed out after 30s;" in answer.body
                assert (len(first.seen.of("PUT")), second.seen.of("PUT")) == (1, [])
                first.faults.clear()

    warped(times_out())


@pytest.mark.usefixtures("rare_heartbeats")
async def test_nobody_reachable_the_write_says_what_each_did() -> None:
    """With all servers refusing, a write fails with the text that names each of them."""
    first, second = small(), small()
    async with first.running() as one, second.running() as two:
        async with edge_over(one, two, CONSUL__MAX_RETRIES="0") as edge:
            await edge.heard()
            await first.refuse()
            await second.refuse()
            answer = await edge.ask("PUT", "/v1/kv/once", body=SMALL)
            hosts = [url.removeprefix("http://") for url in (one, two)]
            assert answer.status == 500
            assert answer.body.decode() == (
                f"consul-edge: no Consul server answered: {hosts[0]} refused; {hosts[1]} refused"
            )


async def test_client_leaves_after_its_body_the_write_is_done() -> None:
    """A client that does not wait for the answer has still written."""
    standin = small()
    async with standin.running() as one, edge_over(one) as edge:
        fault = standin.faults.hang(method="PUT")
        _, writer = await asyncio.open_connection(edge.address, 8510)
        head = b"PUT /v1/kv/left HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"
        writer.write(head + SMALL)
        await fault.met.wait()
        writer.transport.abort()
        fault.lift()
        await eventually(lambda: standin.seen.of("PUT")[0].complete, "the body received")
        answer = await edge.ask("GET", "/v1/kv/left?raw")
        assert answer.body == SMALL


async def test_client_leaves_in_mid_body_nothing_is_written() -> None:
    """Half a body is never sent as if it were the whole."""
    standin = small()
    async with standin.running() as one, edge_over(one) as edge:
        _, writer = await asyncio.open_connection(edge.address, 8510)
        head = b"PUT /v1/kv/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n"
        writer.write(head + b"half")
        await writer.drain()
        writer.transport.abort()
        assert (await edge.ask("GET", "/v1/kv/half")).status == 404
        assert standin.seen.of("PUT") == []


async def test_client_leaves_in_mid_stream_the_upstream_sees_a_broken_body() -> None:
    """A streamed body whose client leaves is broken off upstream, too: it does not look whole."""
    standin = small()
    async with standin.running() as one, edge_over(one) as edge:
        _, writer = await asyncio.open_connection(edge.address, 8510)
        size = len(LARGE) * 2
        head = f"PUT /v1/snapshot HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
        writer.write(head.encode() + LARGE)
        await eventually(lambda: standin.seen.of("PUT"), "the head sent on")
        writer.transport.abort()
        await eventually(lambda: edge.rotation.servers.active.slots.short == 0, "broken off")
        assert not standin.seen.of("PUT")[0].complete


async def test_chunked_small_body_arrives_with_its_length() -> None:
    """A small chunked body is sent on with its length, without which Consul may ignore it."""
    standin = small()
    async with standin.running() as one, edge_over(one) as edge:
        body = b"5\r\nvalue\r\n0\r\n\r\n"
        head = b"PUT /v1/kv/c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        await edge.bytes(head + b"Connection: close\r\n\r\n" + body)
        (seen,) = standin.seen.of("PUT")
        assert seen.headers["Content-Length"] == "5"
        assert seen.body == SMALL


@pytest.mark.usefixtures("rare_heartbeats")
async def test_client_left_the_write_still_finds_the_next_server() -> None:
    """A write whose client has left goes on to its end, over as many servers as it needs."""
    first, second = small(), small()
    async with first.running() as one, second.running() as two, edge_over(one, two) as edge:
        await edge.heard()
        first.faults.depose(hold=0.5)
        _, writer = await asyncio.open_connection(edge.address, 8510)
        head = b"PUT /v1/kv/left HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"
        writer.write(head + SMALL)
        await eventually(lambda: first.seen.of("PUT"), "the first asked")
        writer.transport.abort()
        await eventually(lambda: second.seen.of("PUT"), "the second asked")
        await eventually(lambda: second.seen.of("PUT")[0].complete, "the body received")


async def test_edge_shuts_down_a_left_write_is_finished_first() -> None:
    """Also at the end, what a client left behind is done and not cut off."""
    standin = small()
    async with standin.running() as one:
        async with edge_over(one) as edge:
            fault = standin.faults.delay(0.3, method="PUT")
            _, writer = await asyncio.open_connection(edge.address, 8510)
            head = b"PUT /v1/kv/left HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"
            writer.write(head + SMALL)
            await fault.met.wait()
            writer.transport.abort()
        async with edge_over(one) as edge:
            assert (await edge.ask("GET", "/v1/kv/left?raw")).body == SMALL


async def test_streamed_write_without_a_leader_is_not_begun_again() -> None:
    """A stream whose body was begun cannot be repeated: Consul's own 500 is the answer."""
    first, second = small(), small()
    async with first.running() as one, second.running() as two, edge_over(one, two) as edge:
        first.faults.answer(500, "No cluster leader", method="PUT")
        answer = await edge.ask("PUT", "/v1/snapshot", body=LARGE)
        assert (answer.status, answer.body) == (500, b"No cluster leader")
        assert second.seen.of("PUT") == []


async def test_nobody_leads_the_writes_answer_is_consuls_own() -> None:
    """After all rounds a write without a leader ends with the words of Consul."""
    standin = small()
    settings = {"CONSUL__MAX_RETRIES": "1", "CONSUL__RETRY_DELAY": "10ms"}
    async with standin.running() as one, edge_over(one, **settings) as edge:
        standin.faults.depose()
        answer = await edge.ask("PUT", "/v1/kv/once", body=SMALL)
        assert (answer.status, answer.body) == (500, b"No cluster leader")
        assert len(standin.seen.of("PUT")) == 2


async def test_streamed_body_keeps_its_length() -> None:
    """A large body whose length is known is sent on with it, not in chunks."""
    standin = small()
    async with standin.running() as one, edge_over(one) as edge:
        await edge.ask("PUT", "/v1/snapshot", body=LARGE)
        (seen,) = standin.seen.of("PUT")
        assert seen.headers.get("Content-Length") == str(len(LARGE))
        assert "Transfer-Encoding" not in seen.headers
