"""What wakes a blocking query at a real Consul wakes one that the edge holds, with the same."""

import asyncio
import json
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import pytest
import trustme

from consul_edge.core.endpoints import ENDPOINTS, find
from consul_edge.web.keys import CACHE
from tests.consul import ConsulAgent
from tests.differential.catalog import COLLAPSED
from tests.house import House, edge_over
from tests.peers import require
from tests.waiting import eventually
from tests.wire import Answer, exchange

WAIT: Final = "10m"
"""Far longer than a test may take: whoever is not woken fails it."""

Step = tuple[str, str, Any]
"""Method, path below ``/v1/``, and a body: bytes, or what becomes JSON."""


@dataclass(frozen=True, slots=True)
class Case:
    """A question, and a change of its answer."""

    target: str
    """Below ``/v1/``; ``{ID}`` is the ``ID`` that the last preparing step answered."""

    prepared: tuple[Step, ...]
    change: Step
    status: int = 200
    """Of the answer after the change."""

    index_of: str = ""
    """The question whose answer tells the index, if its own does not: nothing is kept of it."""

    is_repeated_by_consul: bool = False
    """Whether Consul 1.8 itself answers the query with the old state, at the new index."""

    moves_twice: bool = False
    """Whether one change moves the index in two steps, of which either may be told first."""


def registered(node: str, **fields: Any) -> Step:
    """Register something of a node."""
    return "PUT", "catalog/register", {"Node": node, "Address": "192.0.2.9"} | fields


def service(name: str, port: int = 80, **fields: Any) -> dict[str, Any]:
    """Describe an instance."""
    return {"Service": {"Service": name, "Port": port} | fields}


def check(name: str, status: str, output: str = "") -> dict[str, Any]:
    """Describe a check of a node."""
    return {"Check": {"Name": name, "CheckID": name, "Status": status, "Output": output}}


def proxy(of: str, port: int) -> dict[str, Any]:
    """Describe a sidecar."""
    place = {"Proxy": {"DestinationServiceName": of}}
    return service(f"{of}-proxy", port, Kind="connect-proxy", **place)


def defaults(name: str, protocol: str = "http") -> Step:
    """Write a configuration entry."""
    return "PUT", "config", {"Kind": "service-defaults", "Name": name, "Protocol": protocol}


def intention(source: str, action: str = "deny") -> dict[str, str]:
    """Describe an intention."""
    return {
        "SourceName": source,
        "DestinationName": "db",
        "Action": action,
        "SourceType": "consul",
    }


def gateway(*services: str) -> Step:
    """Write which services a gateway is for."""
    linked = [{"Name": name} for name in services]
    entry = {"Kind": "terminating-gateway", "Name": "gate", "Services": linked}
    return "PUT", "config", entry


def ingress(*services: str) -> Step:
    """Write which services an ingress lets in."""
    linked = [{"Name": name} for name in services]
    listener = {"Port": 8080, "Protocol": "tcp", "Services": linked}
    return (
        "PUT",
        "config",
        {"Kind": "ingress-gateway", "Name": "gate-in", "Listeners": [listener]},
    )


def placed(node: str, height: float = 0.1) -> Step:
    """Tell where a node is in the network."""
    where = {"Error": 1.5, "Height": height, "Vec": [0.5] * 8}
    return "PUT", "coordinate/update", {"Node": node, "Coord": where}


def another_root() -> Step:
    """Have the mesh trust another key."""
    key = trustme.CA().private_key_pem.bytes().decode()
    lives = {"LeafCertTTL": "72h", "RotationPeriod": "2160h"}
    config = {"Provider": "consul", "Config": {"PrivateKey": key} | lives}
    return "PUT", "connect/ca/configuration", config


CASES: Final[dict[str, Case]] = {
    "nodes": Case("catalog/nodes", (), registered("n1")),
    "services": Case("catalog/services", (), registered("n1", **service("s-new"))),
    "service": Case(
        "catalog/service/s1",
        (registered("n1", **service("s1")),),
        registered("n1", **service("s1", 81)),
    ),
    "service-missing": Case("catalog/service/s2", (), registered("n1", **service("s2"))),
    "service-gone": Case(
        "catalog/service/s3",
        (registered("n1", **service("s3")),),
        ("PUT", "catalog/deregister", {"Node": "n1", "ServiceID": "s3"}),
    ),
    "connect": Case("catalog/connect/s4", (), registered("n1", **proxy("s4", 1))),
    "node": Case("catalog/node/n2", (registered("n2"),), registered("n2", **service("s5"))),
    "node-missing": Case("catalog/node/n3", (), registered("n3")),
    "node-services": Case(
        "catalog/node-services/n4", (registered("n4"),), registered("n4", **service("s6"))
    ),
    "gateway-services": Case("catalog/gateway-services/gate", (gateway("a"),), gateway("a", "b")),
    "health-service": Case(
        "health/service/s7",
        (registered("n5", **service("s7")),),
        registered("n5", **check("c", "critical")),
    ),
    "health-passing": Case(
        "health/service/s8?passing",
        (registered("n6", **service("s8"), **check("c", "passing")),),
        registered("n6", **check("c", "critical")),
    ),
    "health-missing": Case("health/service/s9", (), registered("n1", **service("s9"))),
    "health-connect": Case("health/connect/s10", (), registered("n1", **proxy("s10", 2))),
    "health-ingress": Case(
        "health/ingress/in",
        (registered("n1", **service("gate-in", 8080, Kind="ingress-gateway")),),
        ingress("in"),
    ),
    "health-node": Case(
        "health/node/n7", (registered("n7"),), registered("n7", **check("c", "warning"))
    ),
    "health-checks": Case(
        "health/checks/s11",
        (registered("n8", **service("s11")),),
        registered(
            "n8",
            Check={"Name": "c", "CheckID": "c11", "ServiceID": "s11", "Status": "warning"},
        ),
    ),
    "health-state": Case(
        "health/state/any", (registered("n9"),), registered("n9", **check("c", "passing"))
    ),
    "kv": Case("kv/w/a", (("PUT", "kv/w/a", b"1"),), ("PUT", "kv/w/a", b"2")),
    "kv-same-value-locked-anew": Case(
        "kv/w/b", (("PUT", "kv/w/b", b"1"),), ("PUT", "kv/w/b?flags=7", b"1")
    ),
    "kv-missing": Case("kv/w/c", (), ("PUT", "kv/w/c", b"1")),
    "kv-gone": Case("kv/w/d", (("PUT", "kv/w/d", b"1"),), ("DELETE", "kv/w/d", b""), 404),
    "kv-raw": Case("kv/w/e?raw", (("PUT", "kv/w/e", b"1"),), ("PUT", "kv/w/e", b"2")),
    "kv-recurse": Case("kv/w/f?recurse", (("PUT", "kv/w/f/1", b"1"),), ("PUT", "kv/w/f/2", b"2")),
    "kv-recurse-missing": Case("kv/w/g?recurse", (), ("PUT", "kv/w/g/1", b"1")),
    "kv-keys": Case("kv/w/h?keys", (("PUT", "kv/w/h/1", b"1"),), ("PUT", "kv/w/h/2", b"2")),
    "kv-keys-gone": Case(
        "kv/w/i?keys", (("PUT", "kv/w/i/1", b"1"),), ("DELETE", "kv/w/i?recurse", b""), 404
    ),
    "config": Case(
        "config/service-defaults/c1", (defaults("c1"),), defaults("c1", protocol="grpc")
    ),
    "config-missing": Case("config/service-defaults/c2", (), defaults("c2")),
    "config-gone": Case(
        "config/service-defaults/c3",
        (defaults("c3"),),
        ("DELETE", "config/service-defaults/c3", b""),
        404,
        is_repeated_by_consul=True,
    ),
    "config-list": Case("config/service-defaults", (), defaults("c4")),
    "discovery-chain": Case("discovery-chain/c5", (), defaults("c5")),
    "intentions": Case("connect/intentions", (), ("POST", "connect/intentions", intention("i1"))),
    "intention": Case(
        "connect/intentions/{ID}",
        (("POST", "connect/intentions", intention("i2")),),
        ("PUT", "connect/intentions/{ID}", intention("i2", "allow")),
        index_of="connect/intentions",
    ),
    "intention-gone": Case(
        "connect/intentions/{ID}",
        (("POST", "connect/intentions", intention("i3")),),
        ("DELETE", "connect/intentions/{ID}", b""),
        404,
        index_of="connect/intentions",
    ),
    "intentions-match": Case(
        "connect/intentions/match?by=source&name=i4",
        (),
        ("POST", "connect/intentions", intention("i4")),
        index_of="connect/intentions",
    ),
    "roots": Case("connect/ca/roots", (), another_root(), moves_twice=True),
    "page-nodes": Case("internal/ui/nodes", (), registered("n10")),
    "page-node": Case(
        "internal/ui/node/n11", (registered("n11"),), registered("n11", **service("s12"))
    ),
    "page-services": Case("internal/ui/services", (), registered("n1", **service("s13"))),
    "coordinates": Case("coordinate/nodes", (registered("n12"),), placed("n12")),
    "coordinate": Case(
        "coordinate/node/n13", (registered("n13"), placed("n13")), placed("n13", height=0.2)
    ),
    "sessions": Case("session/list", (), ("PUT", "session/create", {"Name": "x"})),
    "events": Case(
        "event/list?name=e", (("PUT", "event/fire/e", b""),), ("PUT", "event/fire/e", b"")
    ),
}


ASKED: Final = {find(f"/v1/{case.target.partition('?')[0]}").name for case in CASES.values()}


def test_wakes_are_shown_of_every_endpoint_whose_queries_are_held() -> None:
    """Whoever adds a row to the table of endpoints adds what wakes it."""
    of_a_newer_consul = {endpoint.name for endpoint in ENDPOINTS if endpoint.since != "1.8"}

    assert COLLAPSED - of_a_newer_consul - ASKED == set()


@pytest.fixture(scope="module")
def agent() -> Iterator[ConsulAgent]:
    """Give an agent to this module alone: it watches whole tables."""
    require("consul")
    with ConsulAgent() as running:
        yield running


@pytest.mark.real
@pytest.mark.parametrize("name", CASES)
async def test_what_wakes_a_query_at_consul_wakes_one_that_the_edge_holds(
    name: str, agent: ConsulAgent
) -> None:
    """Both are told of a change, and told the same; so are those who read afterwards."""
    case = CASES[name]
    identifier = ""

    async def do(step: Step) -> Answer:
        method, path, body = step
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        target = f"/v1/{path.format(ID=identifier)}"
        answer = await asyncio.to_thread(
            exchange, (agent.address, agent.port), method, target, (), data
        )
        assert answer.status == 200, (step, answer)
        return answer

    for step in case.prepared:
        answer = await do(step)
        if answer.body.startswith(b"{"):
            identifier = answer.json().get("ID", "")
    target = f"/v1/{case.target.format(ID=identifier)}"
    async with edge_over(agent.server) as house:
        bases = (agent.http, house.base)
        told = f"/v1/{case.index_of}" if case.index_of else target
        index = await index_at(house, agent.http + told)
        poll = f"{target}{'&' if '?' in target else '?'}index={index}&wait={WAIT}"
        polls = [asyncio.create_task(read(house, base + poll)) for base in bases]
        try:
            if find(target.partition("?")[0]).name in COLLAPSED and not case.index_of:
                await eventually(lambda: is_watched(house), "a watch's round pending")
            await do(case.change)
            await eventually(lambda: all(poll.done() for poll in polls), "both woken")
        finally:
            for task in polls:
                task.cancel()
        direct, held = (task.result() for task in polls)
        assert held.status == case.status
        if case.moves_twice:
            assert direct.body == held.body
        else:
            assert direct == held or case.is_repeated_by_consul
        # What is kept now is right, too.
        direct, kept = [await read(house, base + target) for base in bases]
        assert (kept.status, kept.body) == (direct.status, direct.body)


@dataclass(frozen=True, slots=True)
class Got:
    """An answer."""

    status: int
    index: int
    body: bytes


async def read(house: House, url: str) -> Got:
    """Ask for as long as it takes."""
    timeout = aiohttp.ClientTimeout(total=None)
    plain = {"Accept-Encoding": "identity"}
    async with house.client.get(url, timeout=timeout, headers=plain) as response:
        index = int(response.headers.get("X-Consul-Index", 0))
        return Got(response.status, index, await response.read())


async def index_at(house: House, url: str) -> int:
    """Give what Consul calls the state of a question, as soon as it calls it anything."""

    async def told() -> int:
        return (await read(house, url)).index

    def look() -> int | Awaitable[int]:
        return told()

    return await eventually(look, f"an index at {url}")


def is_watched(house: House) -> bool:
    """Whether somebody is parked at the edge, and Consul would tell it of a change."""
    return any(line.waiters and line.round is not None for line in house.app[CACHE].lines)
