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
from tests.demo.scripts import SCRIPTS
from tests.peers import require

pytestmark = pytest.mark.real


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
