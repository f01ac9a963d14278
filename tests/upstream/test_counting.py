"""What is asked of servers, and who waits for it, as numbers."""

import asyncio
from contextlib import nullcontext
from types import SimpleNamespace
from typing import cast

import pytest

from consul_edge import metrics
from consul_edge.core.errors import BadRequest, ServerFailed
from consul_edge.demo.standin import StandIn
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.servers import Servers
from consul_edge.upstream.tally import tally
from consul_edge.upstream.turnstile import Turnstile
from tests.house import edge_over
from tests.scrape import sample, samples
from tests.upstream.making import make_server, value_of
from tests.waiting import eventually

LABEL = "counted.unit.test:8500"


def said(outcome: int | BaseException) -> Answer:
    """Give an answer, as far as it is counted, or raise what there is in its place."""
    if isinstance(outcome, BaseException):
        raise outcome
    return cast(Answer, SimpleNamespace(status=outcome))


def counted(intent: str) -> dict[str, float]:
    """Give what was counted so far of an intent, by outcome."""
    return {
        outcome: value_of(metrics.UPSTREAM_REQUESTS.labels(LABEL, intent, outcome))
        for outcome in ("answered", "error", "timeout", "failure", "abandoned")
    }


def times() -> float:
    """Give how many durations were observed so far."""
    (family,) = metrics.UPSTREAM_DURATION.labels(LABEL).collect()
    return next(one.value for one in family.samples if one.name.endswith("_count"))


def failed(*, timed_out: bool) -> ServerFailed:
    """Make a failed attempt."""
    return ServerFailed("a:8500", "did not", sent=True, timed_out=timed_out)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (200, "answered"),
        (404, "answered"),
        (500, "error"),
        (503, "error"),
        (failed(timed_out=True), "timeout"),
        (failed(timed_out=False), "failure"),
        (asyncio.CancelledError(), "abandoned"),
    ],
    ids=str,
)
@pytest.mark.parametrize("intent", ["read", "poll", "stream", "write"])
def test_request_is_counted_once_by_what_came_of_it(
    intent: str, outcome: int | BaseException, expected: str
) -> None:
    """A 404 is an answer, a 500 an error; silence, a lost connection and a departure are told."""
    before, observed = counted(intent), times()

    with nullcontext() if isinstance(outcome, int) else pytest.raises(type(outcome)):
        with tally(LABEL, intent) as told:
            told.answer = said(outcome)

    grown = {name: value - before[name] for name, value in counted(intent).items()}
    assert {name for name, value in grown.items() if value} == {expected}
    assert sum(grown.values()) == 1
    is_timed = intent in {"read", "write"} and isinstance(outcome, int)
    assert times() - observed == is_timed


def test_request_that_cannot_be_sent_is_counted_nowhere() -> None:
    """What its sender has made wrong says nothing about a server."""
    before = counted("read")

    with pytest.raises(BadRequest):
        with tally(LABEL, "read"):
            raise BadRequest("no")

    assert counted("read") == before


async def test_reads_and_writes_are_counted_under_the_server_that_they_were_sent_to() -> None:
    """By the name that is configured, heartbeats apart."""
    standin = StandIn(nodes=1, services=1)
    async with standin.running() as url, edge_over(url) as edge:
        server = url.removeprefix("http://")
        await edge.ask("GET", "/v1/kv/a")
        await edge.ask("PUT", "/v1/kv/a", body=b"1")

        found = await asyncio.to_thread(samples, edge.base, "consul_edge_upstream_requests_total")
        asked = {
            (labels["intent"], labels["outcome"]): value
            for labels, value in found
            if labels["server"] == server and value
        }
    assert asked == {("read", "answered"): 1, ("write", "answered"): 1}


async def test_turnstile_tells_who_is_inside_and_who_waits() -> None:
    """So many hold a place, the others wait in line, and each wait is observed."""
    turnstile = Turnstile(1, "enrichment")
    inside = metrics.UPSTREAM_IN_FLIGHT.labels("enrichment")
    waiting = metrics.UPSTREAM_QUEUE.labels("enrichment")

    async with turnstile:
        assert (value_of(inside), value_of(waiting)) == (1, 0)
        next_one = asyncio.create_task(turnstile.acquire())
        await eventually(lambda: value_of(waiting) == 1, "it waits")
        assert value_of(inside) == 1
    await next_one
    assert (value_of(inside), value_of(waiting)) == (1, 0)
    turnstile.release()
    assert value_of(inside) == 0


async def test_whoever_gives_up_waits_no_longer_and_takes_no_place() -> None:
    """A cancelled caller leaves the queue as it was."""
    turnstile = Turnstile(1, "enrichment")
    waiting = metrics.UPSTREAM_QUEUE.labels("enrichment")

    async with turnstile:
        leaving = asyncio.create_task(turnstile.acquire())
        await eventually(lambda: value_of(waiting) == 1, "it waits")
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert value_of(waiting) == 0
    async with asyncio.timeout(5), turnstile:
        assert turnstile.inside == 1


async def test_reads_queue_for_the_pool_and_are_seen_to() -> None:
    """With one connection for all, the second read waits while the first one hangs."""
    standin = StandIn(nodes=1, services=1)
    async with standin.running() as url, edge_over(url, CONSUL__POOL__MAX_CONNECTIONS="1") as edge:
        fault = standin.faults.hang(path="/v1/kv/a")
        asked = [asyncio.create_task(edge.ask("GET", "/v1/kv/a")) for _ in range(3)]
        pool = metrics.UPSTREAM_QUEUE.labels("pool")
        await eventually(lambda: value_of(pool) == 2, "two wait")
        assert value_of(metrics.UPSTREAM_IN_FLIGHT.labels("pool")) == 1
        assert value_of(metrics.HTTP_IN_PROGRESS) == 3
        fault.lift()
        await asyncio.gather(*asked)
        assert value_of(pool) == 0
        assert value_of(metrics.HTTP_IN_PROGRESS) == 0


def states(label: str) -> dict[str, float]:
    """Give the state set of a server."""
    return {
        state: value_of(metrics.UPSTREAM_CIRCUIT.labels(label, state)) for state in metrics.STATES
    }


def test_circuit_is_in_one_state_that_of_the_best_address() -> None:
    """Closed, leaderless or open; of several addresses of a name the best one tells."""
    label = "states.unit.test:8500"
    one, other = (make_server(name, label=label) for name in "xy")
    servers = Servers([one, other])
    assert states(label) == {"closed": 1, "leaderless": 0, "open": 0}

    one.has_no_leader()
    servers.lost(other, "refused")
    assert states(label) == {"closed": 0, "leaderless": 1, "open": 0}
    servers.lost(one, "refused")
    assert states(label) == {"closed": 0, "leaderless": 0, "open": 1}


def test_loss_of_a_server_is_counted_once_until_it_is_back() -> None:
    """Also one that no scrape has seen; whoever is out cannot be lost again."""
    label = "lost.unit.test:8500"
    server = make_server("z", label=label)
    servers = Servers([server])
    losses = metrics.UPSTREAM_LOSSES.labels(label)

    servers.lost(server, "refused")
    servers.lost(server, "refused")
    assert value_of(losses) == 1
    servers.heard(server, "leader", at=0.0)
    servers.lost(server, "refused")
    assert value_of(losses) == 2


def test_server_that_is_none_any_more_leaves_no_gauge_behind() -> None:
    """It would show for ever how the server was when it was looked at last."""
    gone, stays = (make_server(name, label=f"{name}.unit.test:8500") for name in ("gone", "stays"))
    servers = Servers([gone, stays])

    servers.replace([stays])

    for gauge in (
        metrics.UPSTREAM_UP,
        metrics.UPSTREAM_ACTIVE,
        metrics.UPSTREAM_CIRCUIT,
        metrics.UPSTREAM_CONNECTIONS,
    ):
        (family,) = gauge.collect()
        shown = {one.labels["server"] for one in family.samples}
        assert "gone.unit.test:8500" not in shown
        assert "stays.unit.test:8500" in shown


async def test_reads_that_nobody_answers_are_counted_as_errors() -> None:
    """They are neither hits nor misses, and not nothing."""
    standin = StandIn(nodes=1, services=1)
    async with (
        standin.running() as url,
        edge_over(url, CONSUL__MAX_RETRIES="0", CONSUL__DEADLINE="1s") as edge,
    ):
        labels = {"endpoint": "catalog_nodes", "result": "error"}
        error = metrics.CACHE_REQUESTS.labels(**labels)
        before = value_of(error)
        await standin.refuse()

        assert (await edge.ask("GET", "/v1/catalog/nodes")).status == 500
        assert value_of(error) - before == 1
        name = "consul_edge_cache_requests_total"
        assert await asyncio.to_thread(sample, edge.base, name, **labels) == before + 1
