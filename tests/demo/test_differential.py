"""The stand-in against a real Consul: the same requests, the same answers."""

import asyncio
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import pytest

from consul_edge.demo.dataset import DataSet
from consul_edge.demo.records import SERF_HEALTH
from consul_edge.demo.standin import StandIn
from consul_edge.demo.state import State
from tests.consul import ConsulAgent
from tests.demo.differential import (
    OWN_NODE,
    Side,
    Step,
    compare,
    delete,
    deregister,
    get,
    put,
    register,
)
from tests.peers import require

pytestmark = pytest.mark.real

NOBODY: Final = "00000000-0000-0000-0000-000000000000"

TABLES: Final = (
    get("catalog/nodes"),
    get("catalog/services"),
    get("catalog/service/w1"),
    get("catalog/service/w2"),
    get("catalog/service/none"),
    get("catalog/node/m1"),
    get("catalog/node-services/m1"),
    get("health/node/m1"),
    get("health/checks/w1"),
    get("health/checks/none"),
    get("health/service/w1"),
    get("health/service/w2"),
    get("health/service/none"),
    get("health/state/any"),
    get("catalog/nodes?node-meta=a:b"),
    get("catalog/services?node-meta=a:b"),
    get("catalog/service/w1?node-meta=a:b"),
    get("health/service/w1?node-meta=a:b"),
    get("health/state/any?node-meta=a:b"),
    get("health/checks/w1?node-meta=a:b"),
)


def after_each(*writes: Step) -> list[Step]:
    """Look at all tables after each write."""
    return [step for write in writes for step in (write, *TABLES)]


W1: Final[dict[str, Any]] = {"Service": "w1", "Tags": ["a", "b"], "Port": 80}
C1: Final[dict[str, Any]] = {"Name": "c", "ServiceID": "w1", "Status": "passing"}

SCRIPTS: Final[dict[str, list[Step]]] = {
    "index_rules_of_the_catalog": after_each(
        register("m1"),
        register("m1"),
        register("m1", Service=W1),
        register("m1", Service=W1),
        register("m1", Service=W1 | {"Meta": {"x": "<b>&é", "a": "z"}}),
        register("m1", Service={"Service": "w2"}),
        register("m1", Check=C1),
        register("m1", Check=C1),
        register("m1", Check=C1 | {"Status": "critical", "Output": "o"}),
        register("m1", Check={"Name": "nodecheck", "Status": "warning"}),
        register("m1", Address="10.0.0.2"),
        register("m1", SkipNodeUpdate=True, Address="10.0.0.3"),
        register("m2", Service=W1, NodeMeta={"a": "b"}, TaggedAddresses={"wan": "1.2.3.4"}),
        register("m1", Service={"Service": "w2", "ID": "w1"}),
        register("m1", Service=W1),
        deregister("m2", ServiceID="w1"),
        deregister("m2", ServiceID="w1"),
        deregister("m1", CheckID="nodecheck"),
        deregister("m1", CheckID="c"),
        deregister("m1", ServiceID="w2"),
        register("m1", Service={"Service": "w2"}, Checks=[C1, C1 | {"CheckID": "c2"}]),
        deregister("m1", ServiceID="w1"),
        deregister("m1"),
        deregister("m1"),
        deregister("m2"),
    ),
    "listings_and_their_narrowing": [
        register("Mixed", Service=W1 | {"ID": "Id1", "Service": "WebApp"}, Check={"Name": "n"}),
        register(
            "Mixed",
            Service={
                "Service": "webapp2",
                "TaggedAddresses": {"lan": {"address": "1.1.1.1", "port": 80}},
                "Weights": {"Passing": 5, "Warning": 2},
                "EnableTagOverride": True,
                "Address": "9.9.9.9",
            },
        ),
        register("a b", NodeMeta={"k": "v"}, Service={"Service": "WebApp", "Tags": ["B"]}),
        register("a b", Check={"Name": "ok", "Status": "passing", "ServiceID": "WebApp"}),
        register("low", node_meta={"k": "v"}, service={"service": "lower", "id": "é/x y@z"}),
        *[
            get(path)
            for path in (
                "catalog/service/webapp",
                "catalog/service/WebApp?tag=a",
                "catalog/service/WebApp?tag=a&tag=b",
                "catalog/service/WebApp?tag=nope",
                "catalog/service/WebApp?tag=",
                "catalog/service/webapp2",
                "catalog/service/a%2Fb",
                "catalog/service/a/b",
                "catalog/services",
                "catalog/node/mixed",
                "catalog/node/a%20b",
                "catalog/node/low",
                "catalog/node-services/mixed",
                "catalog/nodes?near=Mixed",
                "catalog/nodes?node-meta=nocolon",
                "catalog/nodes?node-meta=k:v&node-meta=q:r",
                "catalog/nodes?filter=Meta.k==v",
                "catalog/nodes?filter=Node+!=+low+and+Meta.k+==+%22v%22",
                "catalog/service/WebApp?filter=ServicePort==80",
                "catalog/service/WebApp?filter=a+in+ServiceTags",
                "health/service/webapp",
                "health/service/webapp?passing",
                "health/service/webapp?passing=1",
                "health/service/webapp?passing=true",
                "health/service/webapp?passing=0",
                "health/service/webapp?passing=false",
                "health/service/webapp?passing=x",
                "health/service/WebApp?tag=b",
                "health/service/WebApp?node-meta=k:v",
                "health/service/lower",
                "health/checks/webapp",
                "health/node/Mixed",
                "health/node/mixed",
                "health/state/any",
                "health/state/passing",
                "health/state/critical",
                "health/state/warning",
                "health/state/nonsense",
                "health/state/any?filter=Status==passing",
            )
        ],
        deregister("Mixed"),
        deregister("A B"),
        deregister("low"),
        get("catalog/nodes"),
    ],
    "registrations_that_are_refused": [
        put("catalog/register"),
        put("catalog/register", b"{"),
        put("catalog/register", {}),
        put("catalog/register", []),
        put("catalog/register", {"Node": "n"}),
        put("catalog/register", {"Node": 5}),
        register("n", Foo=1),
        register("n", Datacenter="nope"),
        register("n", ID="zz"),
        register("n", Service={"ID": "x"}),
        register("n", Service={"Service": "s", "Port": "a"}),
        register("n", Check={"Name": "x", "Node": "other"}),
        get("catalog/node/n"),
        register("n"),
        register("n", Check={"Name": "x", "ServiceID": "nope"}),
        register("n", Check={"Status": "passing"}),
        register("n", Check={"Name": "x", "Status": "strange"}),
        get("health/node/n"),
        put("catalog/deregister", {}),
        put("catalog/deregister", b"{"),
        put("catalog/deregister", {"Foo": 1}),
        deregister("n", Datacenter="nope"),
        deregister("nobody"),
        deregister("n"),
    ],
    "index_rules_of_kv": [
        *[put(f"kv/z/{key}", key.encode()) for key in ("a", "b", "c/d", "c/e")],
        put("kv/zz", b"\x00\xff"),
        *[
            step
            for write in (
                put("kv/z/a", b"a"),
                delete("kv/z/c/e"),
                delete("kv/z/none"),
                delete("kv/z/c?recurse"),
                put("kv/unrelated", b"x"),
                delete("kv/z/none?recurse"),
                put("kv/z/a?flags=42", b"a"),
            )
            for step in (
                write,
                get("kv/z/a"),
                get("kv/nope"),
                get("kv/z/?recurse"),
                get("kv/z/?keys"),
                get("kv/z/?keys&separator=/"),
                get("kv/z?keys&separator=/"),
                get("kv/z/?keys&separator="),
                get("kv/z/c?recurse"),
                get("kv/z/c/?keys"),
                get("kv/z/c/d?recurse"),
                get("kv/z/c/d"),
                get("kv/nope?recurse"),
                get("kv/nope?keys"),
                get("kv/nope?raw"),
            )
        ],
        get("kv/zz"),
        get("kv/zz?raw"),
        get("kv/z/?recurse&raw"),
        get("kv/z/?keys&recurse"),
        get("kv/?keys"),
        get("kv/?recurse"),
        delete("kv/?recurse"),
        get("kv/?keys"),
        get("kv/?recurse"),
        get("kv/z?recurse"),
    ],
    "keys_of_every_kind": [
        put("kv/a%2Fb%20c", b"x"),
        get("kv/a/b%20c"),
        get("kv/a/b c".replace(" ", "%20") + "?raw"),
        put("kv/caf%C3%A9%ff", b"x"),
        get("kv/caf%C3%A9%ff"),
        get("kv/caf%C3%A9?keys"),
        put("kv/empty", b""),
        get("kv/empty"),
        get("kv/empty?raw"),
        put("kv/%3Cb%3E&x", b"x"),
        get("kv/%3Cb%3E&x"),
        put("kv/x;y", b"x"),
        get("kv/x;y?raw"),
        put("kv/plus+plus", b"x"),
        get("kv/plus+plus?keys"),
        put("kv/dir/", b"x"),
        get("kv/dir/"),
        put("kv/big", b"x" * 524_288),
        get("kv/big?raw"),
        put("kv/big", b"x" * 524_289),
        delete("kv/?recurse"),
    ],
    "compare_and_set": [
        put("kv/q?cas=0", b"x"),
        put("kv/q?cas=0", b"y"),
        get("kv/q"),
        put("kv/q?cas={index}", b"y"),
        put("kv/q?cas={index}", b"z"),
        put("kv/q?cas=1", b"z"),
        get("kv/q"),
        delete("kv/q?cas=1"),
        delete("kv/q?cas=0"),
        delete("kv/q?cas={index}"),
        delete("kv/q?cas=5"),
        get("kv/q"),
        put("kv/q?cas=x", b"x"),
        put("kv/q?cas=", b"x"),
        put("kv/q?flags=x", b"x"),
        put("kv/q?flags=18446744073709551616", b"x"),
        put("kv/q?flags=18446744073709551615", b"x"),
        get("kv/q"),
        delete("kv/q?cas=x"),
        delete("kv/q?cas=5&recurse"),
        put("kv/q?cas=1&acquire=x", b"x"),
        put("kv/q?acquire=a&release=b", b"x"),
        delete("kv/q?recurse=false"),
        get("kv/q"),
        put("kv/"),
        delete("kv/"),
        get("kv/"),
        get("kv/?raw"),
    ],
    "locks": [
        put("session/create", {"LockDelay": "0s"}),
        get("session/info/{session}"),
        put("kv/l?acquire={session}", b"1"),
        get("kv/l"),
        put("kv/l?acquire={session}", b"1"),
        get("kv/l"),
        put("kv/l?acquire={session}", b"2"),
        get("kv/l"),
        put("kv/l", b"4"),
        get("kv/l"),
        put(f"kv/l?release={NOBODY}", b"5"),
        put("kv/l?release={session}", b"5"),
        get("kv/l"),
        put("kv/l?release={session}", b"6"),
        put("kv/l?acquire={session}", b"6"),
        put("kv/m?acquire={session}", b"6"),
        get("kv/?recurse"),
        put("session/destroy/{session}"),
        get("kv/?recurse"),
        get("session/info/{session}"),
        put("session/create", {"Behavior": "delete", "lockdelay": "1ms", "ttl": "10s"}),
        put("kv/l?acquire={session}", b"7"),
        get("kv/l"),
        put("session/renew/{session}"),
        put("session/destroy/{session}"),
        get("kv/l"),
        get("kv/l?recurse"),
        put("session/create", {"LockDelay": "15s"}),
        put("kv/m?acquire={session}", b"8"),
        put("session/destroy/{session}"),
        put("session/create", {"LockDelay": 0}),
        put("kv/m?acquire={session}", b"9"),
        get("kv/m"),
        put("session/destroy/{session}"),
        put("kv/m?acquire=nope", b"1"),
        put(f"kv/m?acquire={NOBODY}", b"1"),
        put("kv/m?acquire=", b"1"),
        delete("kv/?recurse"),
    ],
    "sessions": [
        get("session/list"),
        get(f"session/info/{NOBODY}"),
        get("session/info/nope"),
        get("session/info/"),
        get("session/node/"),
        get("session/node/nobody"),
        put("session/create"),
        get("session/list"),
        get("session/info/{session}"),
        put("session/renew/{session}"),
        put("session/destroy/{session}"),
        put("session/destroy/{session}"),
        put("session/renew/{session}"),
        put("session/renew/nope"),
        put("session/destroy/nope"),
        put("session/destroy/"),
        put("session/renew/"),
        put("session/create", {"TTL": "5s"}),
        put("session/create", {"TTL": "abc"}),
        put("session/create", {"Behavior": "x"}),
        put("session/create", {"Node": "nobody"}),
        put("session/create", {"Checks": ["nope"]}),
        put("session/create", b"{"),
        put("session/create", b"[]"),
        put("session/create", {"LockDelay": "61s", "Name": "long", "Foo": 1}),
        get("session/info/{session}"),
        put("session/destroy/{session}"),
        put("session/create", {"LockDelay": 5, "NodeChecks": []}),
        get("session/info/{session}"),
        put("session/destroy/{session}"),
        get("session/list?dc=nope"),
    ],
    "sessions_end_with_their_checks": [
        register("holder", Check={"Name": "alive", "Status": "passing"}),
        put("session/create", {"Node": "holder", "NodeChecks": ["alive"], "LockDelay": "0s"}),
        get("session/node/holder"),
        put("kv/held?acquire={session}", b"x"),
        register("holder", Check={"Name": "alive", "Status": "critical"}),
        get("session/node/holder"),
        get("kv/held"),
        put("session/create", {"Node": "holder", "NodeChecks": ["alive"]}),
        register("holder", Check={"Name": "alive", "Status": "passing"}),
        put("session/create", {"Node": "holder", "NodeChecks": ["alive"], "Behavior": "delete"}),
        put("kv/gone?acquire={session}", b"x"),
        deregister("holder"),
        get("session/list"),
        get("kv/gone"),
        delete("kv/?recurse"),
    ],
    "queries_that_are_refused": [
        get(path)
        for path in (
            "catalog/nodes?index=x",
            "catalog/nodes?wait=10",
            "catalog/nodes?index=-1",
            "catalog/nodes?index=99999999999999999999999",
            "kv/q?wait=x&index=y",
            "kv/?wait=x",
            "kv/q?dc=nope&wait=x",
            "kv/q?index=1&wait=-5s",
            "catalog/nodes?stale&consistent",
            "catalog/nodes?cached&consistent",
            "catalog/nodes?stale&cached",
            "catalog/nodes?stale=false&consistent&wait=x",
            "catalog/nodes?leader&stale",
            "catalog/nodes?leader&consistent",
            "catalog/nodes?stale",
            "catalog/nodes?consistent",
            "catalog/nodes?max_stale=5s",
            "catalog/nodes?max_stale=5",
            "catalog/nodes?max_stale=",
            "kv/q?max_stale=foo",
            "kv/q?stale",
            "kv/q?x=%zz",
            "kv/q?stale;consistent",
            "kv/q?%73tale&consistent",
            "kv/q?stale+&consistent",
            "catalog/nodes?dc=nope",
            "catalog/nodes?dc=dc1",
            "catalog/nodes?dc=",
            "catalog/datacenters?dc=nope",
            "catalog/service/?dc=nope",
            "health/state/any?dc=nope",
            "kv/q?dc=nope",
            "kv/q?datacenter=nope",
            "status/leader?dc=nope",
            "status/peers?dc=nope",
            "catalog/service/",
            "catalog/node/",
            "catalog/node-services/",
            "health/service/",
            "health/checks/",
            "health/node/",
            "health/state/",
        )
    ]
    + [put("kv/q?dc=nope", b"x"), delete("kv/q?dc=nope"), put("session/create?dc=nope")],
    "the_agents_cache": [
        get("catalog/datacenters?cached"),
        get("catalog/services?cached"),
        get("catalog/services?cached"),
        get("catalog/service/cached-one?cached"),
        get("catalog/service/cached-one?cached"),
        get("health/service/cached-one?cached"),
        get("catalog/nodes?cached"),
        get("health/state/any?cached"),
        get("kv/q?cached"),
        get("catalog/services?cached", Cache_Control="max-age=x"),
        get("catalog/services?cached", Cache_Control="max-age=30 stale-if-error=5"),
        get("catalog/services", Cache_Control="no-cache"),
        get("catalog/services", Cache_Control="max-age=x"),
    ],
    "methods": [
        Step(method, path)
        for path in (
            "/v1/kv/q",
            "/v1/catalog/nodes",
            "/v1/catalog/register",
            "/v1/health/service/x",
            "/v1/session/create",
            "/v1/status/leader",
            "/v1/agent/members",
            "/v1/nope",
        )
        for method in ("OPTIONS", "HEAD", "POST", "PATCH")
    ]
    + [
        Step("DELETE", "/v1/catalog/nodes"),
        Step("PUT", "/v1/catalog/nodes"),
        Step("GET", "/v1/catalog/register"),
        Step("GET", "/v1/session/create"),
    ],
    "paths": [
        Step(method, path)
        for path in (
            "/v1",
            "/v1/",
            "/foo",
            "/v1/nope",
            "/v1/kv",
            "/v1/kv?recurse",
            "/v1//kv/a",
            "/v1/kv//a",
            "/v1/kv/a//",
            "/v1/kv/%2Fa",
            "/v1/kv/a/../b",
            "/v1/kv/./a?x=1&y;z",
            "/v1/kv/..",
            "/v1//kv/%C3%A9%20b%3Fc%25d?a=b;c",
            "/v1/catalog/service",
            "/v1/status/leader/",
            "/v1/catalog/nodes/",
            "/v1/agent/members/x",
            "/v1/session/list/x",
            "/v1/%6bv/a",
        )
        for method in ("GET", "PUT")
    ],
    "compression_and_indent": [
        put("kv/g", b"g"),
        get("kv/g", Accept_Encoding="gzip"),
        get("kv/g", Accept_Encoding="deflate, GZIP;q=0.5"),
        get("kv/g", Accept_Encoding="gzip;q=0"),
        get("kv/g", Accept_Encoding="*"),
        get("kv/g", Accept_Encoding="identity"),
        get("kv/g?raw", Accept_Encoding="gzip"),
        get("kv/missing", Accept_Encoding="gzip"),
        get("kv/", Accept_Encoding="gzip"),
        get("nope", Accept_Encoding="gzip"),
        get("catalog/datacenters", Accept_Encoding="gzip"),
        Step("PUT", "/v1/kv/g", b"h", {"Accept-Encoding": "gzip"}),
        Step("PUT", "/v1/kv/g", b"\x1f\x8b", {"Content-Encoding": "gzip"}),
        get("kv/g"),
        get("kv/g?pretty"),
        delete("kv/g"),
    ],
}


@pytest.fixture(scope="module")
def agent() -> Iterator[ConsulAgent]:
    """Give an agent to this module alone, since it compares what the whole catalog says."""
    require("consul")
    with ConsulAgent(OWN_NODE) as running:
        yield running


@pytest.fixture(scope="module")
def state() -> State:
    """Give what the stand-in knows, over the whole module as at the agent."""
    state = State()
    DataSet(1, 0).load(state)
    state.keys.delete_under("")
    return state


@pytest.mark.parametrize("name", SCRIPTS)
async def test_a_script_of_requests_is_answered_as_consul_does(
    name: str, agent: ConsulAgent, state: State
) -> None:
    """Status, headers, meaning of the body and order of the indexes agree for each request."""
    async with StandIn(state=state).running() as base_url:
        differences = await compare(Side(base_url), Side(agent.http), SCRIPTS[name])
    assert not differences, "\n".join(differences)


async def test_the_data_set_is_shown_as_consul_shows_it(agent: ConsulAgent, state: State) -> None:
    """Consul takes every registration and key of the demo, and shows them as the stand-in does."""
    script: list[Step] = []
    nodes, names = set(), set()
    data = DataSet()
    for item in data.items():
        if item.node.name == OWN_NODE:
            # An agent takes off its node what was not registered with itself.
            continue
        script.append(put("catalog/register", registration(item)))
        nodes.add(item.node.name)
        names |= {item.service.name} if item.service is not None else set()
    script += [put(f"kv/{quoted(key)}", value) for key, value in data.keys().items()]
    script += [get("catalog/nodes"), get("catalog/services"), get("health/state/any")]
    for node in sorted(nodes - {OWN_NODE}):
        script += [get(f"catalog/node/{quoted(node)}"), get(f"health/node/{quoted(node)}")]
    for name in sorted(names - {"consul"}):
        script += [get(f"catalog/service/{quoted(name)}"), get(f"health/service/{quoted(name)}")]
        script += [
            get(f"health/service/{quoted(name)}?passing"),
            get(f"health/checks/{quoted(name)}"),
        ]
    script += [get("kv/?recurse"), get("kv/skills/?keys&separator=/")]
    script += [deregister(node) for node in sorted(nodes - {OWN_NODE})]
    script += [delete("kv/?recurse"), get("catalog/nodes")]
    async with StandIn(state=state).running() as base_url:
        differences = await compare(Side(base_url), Side(agent.http), script)
    assert not differences, "\n".join(differences)


WAKES: Final[dict[str, tuple[str, list[Step], Step, list[Step]]]] = {
    "a key": (
        "kv/w/a",
        [put("kv/w/a", b"1")],
        put("kv/w/a", b"2"),
        [put("kv/w/a", b"1"), put("kv/w/b", b"2"), delete("kv/w/b")],
    ),
    # Its siblings wake it at 1.8.7 and not at the stand-in, as at newer Consuls.
    "a missing key": (
        "kv/w/new",
        [put("kv/w/near", b"1"), put("kv/x", b"1")],
        put("kv/w/new", b"1"),
        [put("kv/x", b"2")],
    ),
    "a key that goes": ("kv/w/a", [put("kv/w/a", b"1")], delete("kv/w/a"), []),
    "a prefix": (
        "kv/w/p?recurse",
        [put("kv/w/p/1", b"1")],
        put("kv/w/p/2", b"2"),
        [put("kv/w/q", b"9"), put("kv/w/p/1", b"1")],
    ),
    "a prefix that goes": ("kv/w/p?keys", [put("kv/w/p/1", b"1")], delete("kv/w?recurse"), []),
    "a service": (
        "health/service/ws",
        [register("wn", Service={"Service": "ws"})],
        register("wn", Check={"Name": "c", "ServiceID": "ws", "Status": "passing"}),
        [
            register("wn", Service={"Service": "ws-other"}),
            register("wn", Service={"Service": "ws"}),
        ],
    ),
    "a missing service": (
        "catalog/service/ws-new",
        [
            register("wn"),
            register("wn", Service={"Service": "x"}),
            deregister("wn", ServiceID="x"),
        ],
        register("wn", Service={"Service": "ws-new"}),
        [register("wn", Service={"Service": "ws-third"})],
    ),
    "all checks": (
        "health/state/any",
        [register("wn")],
        register("wn", Check={"Name": "n", "Status": "passing"}),
        [register("wn", Service={"Service": "ws-fourth"}), put("kv/w/z", b"1")],
    ),
    "all nodes": (
        "catalog/nodes",
        [register("wn")],
        register("wn2"),
        [register("wn", Service={"Service": "ws-fifth"}), register("wn")],
    ),
    "all services": (
        "catalog/services",
        [register("wn")],
        register("wn", Service={"Service": "ws-sixth"}),
        [register("wn3"), register("wn", Check={"Name": "m", "Status": "passing"})],
    ),
    "sessions": ("session/list", [], put("session/create", {"LockDelay": "0s"}), []),
}


@pytest.mark.parametrize("name", WAKES)
async def test_a_parked_poll_wakes_for_what_wakes_it_at_consul(
    name: str, agent: ConsulAgent, state: State
) -> None:
    """A poll sleeps through what does not concern it, and then answers with the right index."""
    target, prepared, waking, others = WAKES[name]
    standin = StandIn(state=state)
    async with standin.running() as base_url:
        sides = [Side(base_url), Side(agent.http)]
        await asyncio.gather(*[side.begin() for side in sides])
        outcomes = []
        for side in sides:
            for step in prepared:
                await asyncio.to_thread(side.ask, step)
            side.note(await asyncio.to_thread(side.ask, get(target)))
            joined = "&" if "?" in target else "?"
            poll = get(f"{target}{joined}index={side.index}&wait=20s")
            pending = asyncio.create_task(asyncio.to_thread(side.ask, poll))
            # Consul does not tell whom it lets wait: this is time enough, without a clock.
            for _ in range(20):
                await asyncio.to_thread(side.ask, get("status/leader"))
            for step in (*others, waking):
                await asyncio.to_thread(side.ask, step)
            answer = await pending
            side.note(answer)
            side.note(await asyncio.to_thread(side.ask, get(target)))
            outcomes.append(side.comparable(answer))
    assert outcomes[0] == outcomes[1]


def registration(item: Any) -> dict[str, Any]:
    """Write an item of the data set as catalog/register takes it."""
    node, service = item.node, item.service
    document: dict[str, Any] = {
        "Node": node.name,
        "ID": node.id,
        "Address": node.address,
        "TaggedAddresses": node.tagged_addresses,
        "NodeMeta": node.meta,
    }
    if service is not None:
        document["Service"] = {
            "ID": service.id,
            "Service": service.name,
            "Tags": list(service.tags),
            "Address": service.address,
            "Meta": service.meta,
            "Port": service.port,
        }
    # A leader removes nodes whose serfHealth it does not gossip with.
    document["Checks"] = [
        {
            "CheckID": check.id,
            "Name": check.name,
            "Status": check.status,
            "Output": check.output,
            "ServiceID": check.service_id,
            "Type": check.type,
        }
        for check in item.checks
        if check.id != SERF_HEALTH
    ]
    return document


def quoted(name: str) -> str:
    """Escape a name for a path."""
    return quote(name, safe="")
