"""The name of a request: taken from its client or made up, in every line about it, and sent on."""

from collections.abc import AsyncIterator
from typing import Any, NoReturn

import pytest
from structlog.testing import capture_logs

from consul_edge.demo.standin import StandIn
from consul_edge.web.keys import CACHE
from consul_edge.web.request_id import HEADER
from tests.house import House, edge_over
from tests.waiting import eventually

NODES = "/v1/catalog/nodes"
NAME = "6f1c:a/b+c=d@e.f~g-h_i"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a running stand-in."""
    made = StandIn(nodes=2, services=3)
    async with made.running():
        yield made


@pytest.fixture
async def house(standin: StandIn) -> AsyncIterator[House]:
    """Give an edge over it that logs requests."""
    async with edge_over(standin.base_url, LOG__ACCESS="true", CACHE__TTL="1m") as house:
        yield house


async def line_of(logged: list[Any], event: str) -> Any:
    """Wait for the one line of an event."""
    await eventually(lambda: [one for one in logged if one["event"] == event], f"{event} logged")
    (line,) = [one for one in logged if one["event"] == event]
    return line


@pytest.mark.parametrize(
    "target",
    [NODES, f"{NODES}?consistent", "/-/ready", "/api/v1/nodes", "/nothing", "/v1/kv/none"],
    ids=["cached", "passed", "own", "api", "unknown", "absent"],
)
async def test_name_that_a_client_gives_is_logged_and_comes_back(
    house: House, target: str
) -> None:
    """On hits, misses, and errors; twice, for the second is answered from memory."""
    for _ in range(2):
        with capture_logs() as logged:
            answer = await house.ask("GET", target, [(HEADER, NAME)])
            assert answer.all(HEADER) == [NAME]
            assert (await line_of(logged, "request"))["request_id"] == NAME


@pytest.mark.parametrize("target", [NODES, f"{NODES}?consistent", "/-/ready", "/v1/kv/none"])
async def test_request_without_a_name_gets_one_for_the_log_alone(
    house: House, target: str
) -> None:
    """The answer stays Consul's own; each request has another name."""
    names = set()
    for _ in range(3):
        with capture_logs() as logged:
            assert (await house.ask("GET", target)).all(HEADER) == []
            names.add((await line_of(logged, "request"))["request_id"])
    assert [len(name) for name in names] == [16] * 3


@pytest.mark.parametrize("given", ["", "a b", "a" * 129, 'x"y', "a\tb", "caf\xe9"])
async def test_name_that_is_not_sane_is_replaced(house: House, given: str) -> None:
    """Nobody writes into the log what looks like more than a name."""
    with capture_logs() as logged:
        answer = await house.ask("GET", NODES, [(HEADER, given)])
        name = (await line_of(logged, "request"))["request_id"]
    assert answer.all(HEADER) == [name]
    assert name != given


@pytest.mark.parametrize(
    ("method", "target"), [("GET", f"{NODES}?consistent"), ("PUT", "/v1/kv/a")]
)
async def test_name_and_trace_go_on_to_consul(
    standin: StandIn, house: House, method: str, target: str
) -> None:
    """A trace that begins at the client does not end at the edge."""
    sent = [(HEADER, NAME), ("traceparent", TRACE), ("tracestate", "vendor=1")]
    assert (await house.ask(method, target, sent, b"x" if method == "PUT" else b"")).status == 200
    seen = standin.seen.of(method, target.partition("?")[0])[-1]
    assert {name: seen.headers.get(name) for name, _ in sent} == dict(sent)


async def test_admin_call_is_logged_with_its_name(house: House) -> None:
    """Whoever flushed is found again in the log of what called."""
    with capture_logs() as logged:
        await house.ask("POST", "/api/v1/admin/cache/proxy/flush", [(HEADER, NAME)])
        assert (await line_of(logged, "admin call"))["request_id"] == NAME


async def test_failure_is_told_and_logged_with_its_name(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads a 500 can ask for the traceback by what it says."""

    def fail(*_: object) -> NoReturn:
        raise ZeroDivisionError

    monkeypatch.setattr(house.app[CACHE], "read", fail)
    with capture_logs() as logged:
        answer = await house.ask("GET", NODES)
        name = (await line_of(logged, "request failed"))["request_id"]
    assert (answer.status, answer.body) == (
        500,
        f"consul-edge: an internal error; the log has it as request_id={name}".encode(),
    )
