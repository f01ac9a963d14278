"""
What people really register: every character, nothing at all, too much, and the same twice.

What Consul takes is asked of a real one, too.  Its own bound of a Meta value is 512 bytes, however
it is registered; only the stand-in has longer ones.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from tests.consul import ConsulAgent
from tests.house import House, edge_over
from tests.original.ground import NODES, SERVICES, cluster, ground, put
from tests.situations.conftest import REAL
from tests.situations.place import Backing, small

ODD_NODES: Final = {
    "odd nó águia/1 @x": "10.66.0.1",
    "odd a%2Fb": "10.66.0.2",
    "odd ?#&=+;": "10.66.0.3",
    "odd {node}": "10.66.0.4",
    'odd "日本"\\': "10.66.0.5",
    "..": "10.66.0.6",
    "odd twin a": "10.66.0.7",
    "odd twin b": "10.66.0.7",
    "odd empty": "10.66.0.8",
}
"""Two with one address, and one without services."""

SITES: Final = {"sites": [{"code": "odd", "name": "Só", "prometheus_instance": "10.66.0.7"}]}

ODD_SERVICES: Final[dict[str, dict[str, Any]]] = {
    "icmp/Açaí & Cia/núcleo do sul/roteador@São Paulo 1": {
        "Service": "blackbox exporter/ç@%2F?#",
        "Tags": ["é", "a b", 'c"d', "e,f"],
        "Meta": {"module": "icmp", "company": "Açaí & Cia", "nota": "linha 1\nlinha 2\t<b>"},
        "Port": 9115,
    },
    "%2F%25?#": {"Service": "odd-bare", "Tags": [], "Meta": {}, "Port": 0},
    "日本/🜁@host": {
        "Service": "odd-longest",
        "Tags": [],
        "Meta": {"nota": "x" * 512, "vazio": ""},
        "Port": 65535,
    },
}
"""By ID; each is registered on each node that has services."""


@dataclass(frozen=True, slots=True)
class Odd:
    """An edge over a Consul that has all of it."""

    house: House

    async def json(self, target: str) -> Any:
        """Ask for a document."""
        answer = await self.house.ask("GET", target)
        assert answer.status == 200, (target, answer.body)
        return answer.json()

    async def rows(self) -> list[dict[str, Any]]:
        """Give the instances on the odd nodes, of which others may be there, too."""
        rows = (await self.json(SERVICES))["data"]
        return [row for row in rows if row["Node"] in ODD_NODES]


@pytest.fixture(params=["stand-in", REAL])
async def odd(request: pytest.FixtureRequest) -> AsyncIterator[Odd]:
    """Give it over the stand-in, and over the real agent, which is left as it was."""
    settings = {"SITES__KV_KEY": "odd/sítios @"}
    if request.param == "real":
        agent: ConsulAgent = request.getfixturevalue("consul_agent")
        await fill(agent)
        async with edge_over(agent.server, **settings) as house:
            yield Odd(house)
        await empty(agent)
        return
    standin = small()
    async with standin.running():
        await fill(standin)
        async with edge_over(standin.base_url, **settings) as house:
            yield Odd(house)


async def fill(backing: Backing) -> None:
    """Register all of it, past the edge."""
    bodies = [
        {"Node": node, "Address": address, "Service": {"ID": name, **service}}
        for node, address in ODD_NODES.items()
        for name, service in ODD_SERVICES.items()
        if node != "odd empty"
    ]
    bodies.append({"Node": "odd empty", "Address": ODD_NODES["odd empty"]})
    async with aiohttp.ClientSession() as session:
        for body in bodies:
            await send(session, backing, "catalog/register", body)
        await send(session, backing, "kv/odd/s%C3%ADtios%20%40", SITES)


async def empty(agent: ConsulAgent) -> None:
    """Take it away."""
    async with aiohttp.ClientSession() as session:
        for node in ODD_NODES:
            await send(session, agent, "catalog/deregister", {"Node": node})


async def send(
    session: aiohttp.ClientSession, backing: Backing, path: str, body: Mapping[str, Any]
) -> None:
    """Write something that must succeed."""
    base = backing.http if isinstance(backing, ConsulAgent) else backing.base_url
    async with session.put(URL(f"{base}/v1/{path}", encoded=True), json=body) as response:
        assert response.status == 200, (path, body, await response.text())


async def test_nodes_have_odd_names_each_is_a_row_with_its_count(odd: Odd) -> None:
    """Also the two with one address, who are both at its site, and the one without services."""
    rows = {row["node"]: row for row in (await odd.json(NODES))["data"]}
    told = {name: (rows[name]["addr"], rows[name]["services_count"]) for name in ODD_NODES}
    counts = {name: 0 if name == "odd empty" else len(ODD_SERVICES) for name in ODD_NODES}
    assert told == {name: (address, counts[name]) for name, address in ODD_NODES.items()}
    assert {rows[name]["services_status"] for name in ODD_NODES} == {"ok"}
    at_site = {name for name in ODD_NODES if rows[name]["site_name"] == "Só"}
    assert at_site == {"odd twin a", "odd twin b"}


async def test_services_have_odd_texts_each_row_is_what_was_registered(odd: Odd) -> None:
    """IDs, names, tags, Meta and ports come out as they went in, to the byte."""
    rows = await odd.rows()
    assert len(rows) == (len(ODD_NODES) - 1) * len(ODD_SERVICES)
    for row in rows:
        registered = ODD_SERVICES[row["ID"]]
        assert {name: row[name] for name in registered} == registered
        assert row["NodeAddress"] == ODD_NODES[row["Node"]]


async def test_node_is_named_encoded_its_own_services_are_given(odd: Odd) -> None:
    """Whatever its name is, and no other node's."""
    for name in ODD_NODES:
        path = quote(name, safe="").replace(".", "%2E")
        found = await odd.json(f"{NODES}/{path}/services")
        assert found["node_name"] == name
        assert set(found["services"]) == (set() if name == "odd empty" else set(ODD_SERVICES))
        assert {row["Node"] for row in found["services"].values()} <= {name}
        names = (await odd.json(f"{NODES}/{path}/service-names"))["data"]
        expected = {one["Service"] for one in ODD_SERVICES.values()}
        assert names == ([] if name == "odd empty" else sorted(expected))


async def test_texts_are_asked_for_by_filter_and_search_they_are_found(odd: Odd) -> None:
    """Encoded as any client would."""
    for query in (
        "company=" + quote('"Açaí & Cia"'),
        "ID=" + quote("icmp/Açaí & Cia/núcleo do sul/roteador@São Paulo 1"),
        "Service=" + quote("blackbox exporter/ç@%2F?#"),
        "q=" + quote('"núcleo do SUL"'),
        "Tags=" + quote('"e,f"'),
    ):
        rows = (await odd.json(f"{SERVICES}?{query}"))["data"]
        assert {row["Node"] for row in rows} == set(ODD_NODES) - {"odd empty"}, query


@pytest.mark.parametrize("target", [NODES, SERVICES, f"{SERVICES}?format=csv"])
async def test_documents_are_read_again_and_again_they_stay_the_same(
    odd: Odd, target: str
) -> None:
    """Order, texts and tag: nothing depends on which answer came first."""
    first, *others = [await odd.house.ask("GET", target) for _ in range(5)]
    assert {_rows_of(answer.content) for answer in others} == {_rows_of(first.content)}
    assert first.status == 200


def _rows_of(content: bytes) -> bytes:
    """Cut off what tells the moment."""
    return content.partition(b'"main_server"')[0]


async def test_another_edge_reads_the_same_it_gives_the_same_rows() -> None:
    """The order is that of the data, not of the answers."""
    standin = small()
    async with standin.running():
        await fill(standin)
        found = []
        for _ in range(2):
            async with edge_over(standin.base_url) as house:
                found.append((await Odd(house).json(SERVICES))["data"])
    assert found[0] == found[1]


class TestLongValues:
    """64 KB in one value: no Consul of today has them, and nothing here breaks by them."""

    LONG: Final = "é" * 32_768
    END: Final = "the-end-of-it"

    async def test_value_has_64_kb_it_is_given_whole(self) -> None:
        """In each format, and zipped."""
        state = cluster()
        meta = {"module": "icmp", "nota": self.LONG + self.END}
        put(state, "n3", "long", meta=meta)
        async with ground(state=state) as one:
            target = f"{SERVICES}?ID=long"
            (row,) = (await one.json(target))["data"]
            assert (row["Meta"], row["category"]) == (meta, "network-probes")
            zipped = await one.get(target, ("Accept-Encoding", "gzip"))
            assert zipped.json()["data"] == [row]
            for form in ("columns", "csv"):
                answer = await one.get(f"{target}&format={form}")
                assert self.END.encode() in answer.content
                assert len(answer.content) > 65_536

    async def test_value_has_64_kb_it_is_searched_to_its_end(self) -> None:
        """Nothing is cut off where it is looked for either."""
        state = cluster()
        put(state, "n3", "long", meta={"nota": self.LONG + self.END})
        async with ground(state=state) as one:
            assert await one.ids(f"{SERVICES}?q={self.END}") == ["long"]

    async def test_value_has_64_kb_where_rules_look_a_category_is_found(self) -> None:
        """A long module or path is but a module or path that no rule knows."""
        state = cluster()
        put(state, "n3", "long", meta={"module": "a" * 65_536, "metrics_path": "/" * 65_536})
        async with ground(state=state) as one:
            (row,) = (await one.json(f"{SERVICES}?ID=long"))["data"]
            assert row["category"] == "custom-exporters"


@pytest.mark.real
@pytest.mark.parametrize(("size", "is_taken"), [(512, True), (513, False)])
async def test_value_is_registered_consul_takes_512_bytes(
    consul_agent: ConsulAgent, size: int, is_taken: bool
) -> None:
    """So much of a real one, by the catalog's own route, which checks least."""
    body = {
        "Node": "odd-limit",
        "Address": "10.66.1.1",
        "Service": {"Service": "odd-limit", "Meta": {"nota": "x" * size}},
    }
    reply = await asyncio.to_thread(consul_agent.request, "PUT", "/v1/catalog/register", body)
    assert (reply.status == 200) is is_taken, reply
    await asyncio.to_thread(consul_agent.put, "/v1/catalog/deregister", {"Node": "odd-limit"})
