"""Blocking queries of the stand-in: who wakes, who does not, and when the time is over."""

import asyncio

import pytest

from consul_edge.demo.ledger import Ledger
from consul_edge.demo.standin import StandIn
from tests.demo.asking import Asker
from tests.waiting import eventually


async def test_a_write_to_the_key_wakes_its_poll(ask: Asker) -> None:
    """The poll gets the new value and its index."""
    await ask.put("kv/a", b"1")
    first = await ask.get("kv/a?raw")
    poll = await ask.park("kv/a?raw", first.index)
    await ask.put("kv/a", b"2")
    answer = await poll
    assert answer.body == b"2"
    assert answer.index > first.index


@pytest.mark.parametrize(
    ("path", "other"), [("kv/a", "kv/b"), ("kv/a/?recurse", "kv/b"), ("session/list", "kv/b")]
)
async def test_a_write_elsewhere_leaves_the_poll_parked(
    path: str, other: str, ask: Asker, standin: StandIn
) -> None:
    """Nobody wakes for what does not concern him."""
    await ask.put("kv/a/x", b"1")
    await ask.put("kv/a", b"1")
    poll = await ask.park(path, (await ask.get(path)).index)
    await ask.put(other, b"1")
    assert standin.parked == 1
    poll.cancel()


async def test_a_changed_check_wakes_the_poll_of_its_service(ask: Asker) -> None:
    """health/service has the index of the service, which moves with its checks."""
    node = {"Node": "n", "Address": "10.0.0.9"}
    await ask.put("catalog/register", node | {"Service": {"Service": "web"}})
    poll = await ask.park("health/service/web", (await ask.get("health/service/web")).index)
    check = {"Name": "c", "ServiceID": "web", "Status": "passing"}
    await ask.put("catalog/register", node | {"Check": check})
    assert [c["Name"] for c in (await poll).json()[0]["Checks"]] == ["c"]


async def test_time_over_answers_the_same_index(ask: Asker) -> None:
    """When the wait is over the unchanged value is answered with 200."""
    await ask.put("kv/a", b"1")
    first = await ask.get("kv/a")
    again = await ask.get(f"kv/a?index={first.index}&wait=10ms")
    assert (again.status, again.index, again.body) == (200, first.index, first.body)


async def test_an_index_below_answers_at_once(ask: Asker, standin: StandIn) -> None:
    """What is newer already is not waited for."""
    await ask.put("kv/a", b"1")
    assert (await ask.get("kv/a?index=1&wait=60s")).status == 200
    assert standin.parked == 0


async def test_an_index_above_is_held(ask: Asker, standin: StandIn) -> None:
    """Consul holds an index that it has not reached; a change below it does not wake."""
    await ask.put("kv/a", b"1")
    poll = await ask.park("kv/a", 10_000)
    await ask.put("kv/a", b"2")
    assert standin.parked == 1
    poll.cancel()


async def test_a_client_that_leaves_is_forgotten(ask: Asker, standin: StandIn) -> None:
    """Its handler ends with the connection, and nothing waits for it any more."""
    poll = await ask.park("kv/none", 10_000)
    poll.cancel()
    await eventually(lambda: standin.parked == 0, "nobody parked")
    assert not standin.state.ledger.waiting


async def test_stopping_answers_parked_polls_at_once(ask: Asker, standin: StandIn) -> None:
    """Whoever waits when the stand-in stops gets what there is."""
    await ask.put("kv/a", b"1")
    polls = [await ask.park("kv/a?raw", 10_000) for _ in range(20)]
    await standin.stop()
    assert {(await poll).body for poll in polls} == {b"1"}


async def test_polls_of_one_state_wake_at_every_stand_in(ask: Asker, standin: StandIn) -> None:
    """Stand-ins that share a state are servers of one cluster."""
    await ask.put("kv/a", b"1")
    poll = await ask.park("kv/a?raw", (await ask.get("kv/a")).index)
    async with StandIn(state=standin.state).running():
        standin.state.keys.put("a", b"2")
    assert (await poll).body == b"2"


async def test_an_index_that_went_back_leaves_polls_waiting(ask: Asker, standin: StandIn) -> None:
    """A poll with the old, higher index goes on; a read shows the lower one."""
    for number in range(20):
        await ask.put("kv/a", str(number).encode())
    before = await ask.get("kv/a?raw")
    poll = await ask.park("kv/a?raw", before.index)
    standin.state.reset_index(7)
    after = await ask.get("kv/a?raw")
    assert after.index == 7
    assert after.body == before.body
    assert standin.parked == 1
    poll.cancel()


async def test_a_notice_wakes_only_those_who_wait_for_it() -> None:
    """Others are not even looked at, however many they are."""
    ledger, loop = Ledger(), asyncio.get_running_loop()
    mine, others = loop.create_future(), loop.create_future()
    ledger.enrol(mine, (("key", "a"), ("key", "b")))
    ledger.enrol(others, (("key", "c"),))
    ledger.notify(("key", "a"))
    assert mine.done()
    assert not others.done()
    ledger.dismiss(mine, (("key", "a"), ("key", "b")))
    assert list(ledger.waiting) == [("key", "c")]
