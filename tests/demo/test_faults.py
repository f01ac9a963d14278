"""Every fault that can be ordered, as a client meets it."""

import asyncio
import socket
from contextlib import suppress

import aiohttp
import pytest

from consul_edge.demo.faults import Moment
from consul_edge.demo.standin import StandIn
from tests.demo.asking import Asker
from tests.waiting import eventually

LOST = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)


async def raw(standin: StandIn, request: bytes) -> bytes:
    """Send bytes, and read until the other side closes; raises ConnectionResetError."""
    reader, writer = await asyncio.open_connection("127.0.0.1", standin.port)
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def standin_turns() -> None:
    """Let everybody in the loop have a few turns."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_an_answer_is_given_as_often_as_ordered(ask: Asker, standin: StandIn) -> None:
    """After that, requests are answered as usual."""
    fault = standin.faults.answer(500, "rpc error", {"X-Consul-Index": "1"}, times=2)
    said = [await ask.get("status/leader") for _ in range(3)]
    assert [answer.status for answer in said] == [500, 500, 200]
    assert (said[0].body, said[0].headers["x-consul-index"]) == (b"rpc error", "1")
    assert fault.hits == 2


async def test_a_fault_without_a_count_lasts_until_it_is_cleared(
    ask: Asker, standin: StandIn
) -> None:
    """Clearing makes everything well again."""
    standin.faults.answer(503)
    assert [(await ask.get("status/leader")).status for _ in range(3)] == [503] * 3
    standin.faults.clear()
    assert (await ask.get("status/leader")).status == 200


async def test_a_fault_meets_only_what_it_is_ordered_for(ask: Asker, standin: StandIn) -> None:
    """Method and path prefix both count."""
    standin.faults.answer(503, method="PUT", path="/v1/kv/")
    assert (await ask.put("kv/a", b"1")).status == 503
    assert (await ask.get("kv/a")).status == 404
    assert (await ask.put("session/create")).status == 200


async def test_a_delayed_answer_comes_when_the_delay_is_lifted(
    ask: Asker, standin: StandIn
) -> None:
    """The request waits before its head, and is then answered as usual."""
    fault = standin.faults.delay(600)
    request = asyncio.create_task(ask.get("status/leader"))
    await fault.met.wait()
    assert not request.done()
    fault.lift()
    assert (await request).status == 200


async def test_a_hanging_request_goes_on_when_the_hang_is_lifted(
    ask: Asker, standin: StandIn
) -> None:
    """As a process goes on after SIGCONT."""
    fault = standin.faults.hang(times=1)
    request = asyncio.create_task(ask.put("kv/a", b"1"))
    await eventually(lambda: standin.seen.of("PUT") and standin.seen[-1].complete, "the PUT read")
    assert standin.state.keys.get("a") is None
    fault.lift()
    assert (await request).body == b"true"


async def test_stopping_cuts_off_what_hangs(ask: Asker, standin: StandIn) -> None:
    """A stand-in does not wait for those whom a fault holds."""
    fault = standin.faults.hang()
    request = asyncio.create_task(ask.get("status/leader"))
    await fault.met.wait()
    await standin.stop()
    with pytest.raises(LOST):
        await request


@pytest.mark.parametrize(
    ("when", "after", "received", "written"),
    [
        (Moment.HEAD, 0, False, False),
        (Moment.READING, 3, False, False),
        (Moment.READ, 0, True, False),
        (Moment.DONE, 0, True, True),
        (Moment.ANSWERING, 2, True, True),
    ],
)
async def test_a_reset_write_has_gone_exactly_as_far_as_ordered(
    when: Moment, after: int, received: bool, written: bool, ask: Asker, standin: StandIn
) -> None:
    """What the stand-in received and did is what the moment says; the client sees a reset."""
    standin.faults.reset(when, after, method="PUT", times=1)
    with pytest.raises(LOST):
        await ask.put("kv/a", b"value")
    assert [seen.complete for seen in standin.seen.of("PUT")] == [received]
    assert (standin.state.keys.get("a") is not None) is written


async def test_a_reset_is_a_real_one(standin: StandIn) -> None:
    """The client's socket reports ECONNRESET, no orderly end."""
    standin.faults.reset("head")
    with pytest.raises(ConnectionResetError):
        await raw(standin, b"GET /v1/status/leader HTTP/1.1\r\nHost: x\r\n\r\n")


async def test_a_cut_answer_ends_after_the_ordered_bytes(ask: Asker, standin: StandIn) -> None:
    """Head and some bytes arrive, then the reset."""
    await ask.put("kv/a", b"0123456789")
    standin.faults.reset("answering", 4)
    reader, writer = await asyncio.open_connection("127.0.0.1", standin.port)
    writer.write(b"GET /v1/kv/a?raw HTTP/1.1\r\nHost: x\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"Content-Length: 10\r\n" in head
    # What the kernel still held may be lost with the reset, but nothing can follow.
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(5)
    writer.close()


async def test_a_stalled_answer_stops_in_the_middle(ask: Asker, standin: StandIn) -> None:
    """The rest comes when the fault is lifted."""
    await ask.put("kv/a", b"0123456789")
    fault = standin.faults.stall(4)
    reader, writer = await asyncio.open_connection("127.0.0.1", standin.port)
    writer.write(b"GET /v1/kv/a?raw HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(4) == b"0123"
    rest = asyncio.create_task(reader.readexactly(6))
    await standin_turns()
    assert not rest.done()
    fault.lift()
    assert await rest == b"456789"
    writer.close()


async def test_a_slow_answer_arrives_whole(ask: Asker, standin: StandIn) -> None:
    """It only takes its time."""
    await ask.put("kv/a", b"0123456789")
    standin.faults.slow(1000)
    assert (await ask.get("kv/a?raw")).body == b"0123456789"


async def test_without_a_leader_default_reads_and_writes_fail(
    ask: Asker, standin: StandIn
) -> None:
    """They say so with Consul's text; catalog and health with an index that means nothing."""
    standin.faults.depose()
    assert (await ask.get("status/leader")).body == b'""'
    read, write = await ask.get("kv/a"), await ask.put("kv/a", b"1")
    assert (read.status, read.body) == (500, b"No cluster leader")
    assert (write.status, write.body) == (500, b"No cluster leader")
    assert "x-consul-index" not in read.headers
    assert (await ask.get("catalog/nodes")).index == 1


async def test_without_a_leader_stale_reads_are_answered(ask: Asker, standin: StandIn) -> None:
    """They tell that no leader is known, and for how long."""
    standin.faults.depose()
    answer = await ask.get("catalog/nodes?stale")
    assert answer.status == 200
    assert answer.headers["x-consul-knownleader"] == "false"
    assert int(answer.headers["x-consul-lastcontact"]) > 0


async def test_an_election_in_time_saves_a_held_request(ask: Asker, standin: StandIn) -> None:
    """A server keeps requests for a while before it gives up on a leader."""
    standin.faults.depose(hold=600)
    request = asyncio.create_task(ask.put("kv/a", b"1"))
    await eventually(lambda: len(standin.seen) == 1, "the request there")
    standin.faults.elect()
    assert (await request).body == b"true"


async def test_a_lost_leader_fails_parked_polls_if_ordered(ask: Asker, standin: StandIn) -> None:
    """Those with ``?stale`` stay."""
    poll, stale = await ask.park("kv/a", 10_000), await ask.park("kv/a?stale", 10_000)
    standin.faults.depose(drop_polls=True)
    assert (await poll).status == 500
    assert standin.parked == 1
    stale.cancel()


async def test_narrowed_rights_show_an_emptier_body_at_the_same_index(
    ask: Asker, standin: StandIn
) -> None:
    """A poll that was parked before still gets everything."""
    before = await ask.get("catalog/nodes")
    poll = await ask.park("catalog/nodes", before.index)
    standin.faults.narrow(path="/v1/catalog/nodes")
    narrowed = await ask.get("catalog/nodes")
    await ask.put("catalog/register", {"Node": "n", "Address": "10.0.0.9"})
    assert (narrowed.status, narrowed.index, narrowed.json()) == (200, before.index, [])
    assert len((await poll).json()) == 2


async def test_a_refusing_stand_in_comes_back_at_its_port(ask: Asker, standin: StandIn) -> None:
    """While it refuses, connecting fails; afterwards all is as before."""
    port = standin.port
    await standin.refuse()
    with pytest.raises(aiohttp.ClientConnectorError):
        await ask.get("status/leader")
    await standin.listen()
    assert standin.port == port
    assert (await ask.get("status/leader")).status == 200


@pytest.mark.parametrize("turns", range(6))
async def test_connection_that_is_just_being_accepted_is_refused_too(
    standin: StandIn, turns: int
) -> None:
    """Or the one who came in the last moment would go on as if nothing had happened."""
    with socket.create_connection(("127.0.0.1", standin.port)) as late:
        for _ in range(turns):
            await asyncio.sleep(0)
        await standin.refuse()
        late.setblocking(False)
        loop = asyncio.get_running_loop()
        answer = b""
        with suppress(ConnectionError):
            await loop.sock_sendall(late, b"GET /v1/status/leader HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = await asyncio.wait_for(loop.sock_recv(late, 1000), 20)
        assert answer == b""


async def test_refusing_can_leave_open_connections_alone(ask: Asker, standin: StandIn) -> None:
    """A parked poll lives on and is answered."""
    await ask.put("kv/a", b"1")
    poll = await ask.park("kv/a?raw", (await ask.get("kv/a")).index)
    await standin.refuse(drop=False)
    standin.state.keys.put("a", b"2")
    assert (await poll).body == b"2"


async def test_disconnecting_resets_parked_polls(ask: Asker, standin: StandIn) -> None:
    """All open connections end at once."""
    poll = await ask.park("kv/a", 10_000)
    standin.disconnect()
    with pytest.raises(LOST):
        await poll
    await eventually(lambda: standin.parked == 0, "nobody parked")
