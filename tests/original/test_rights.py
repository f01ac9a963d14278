"""
Who sees what, on a real Consul that denies by default: each token its own rows, in every document.

The agent believes what it knows of tokens for a second, and rounds take a second: the bound of
DESIGN.md 4, ``wait*17/16 + 35 s``, is then a few seconds.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

import pytest

from tests.consul import ConsulAgent
from tests.house import House, edge_over
from tests.original.ground import DATA, NODES, SERVICES, SUMMARY, comes_true
from tests.situations.test_rights import Identity, identity
from tests.wire import Answer

pytestmark = pytest.mark.real

_NUMBERS: Final = itertools.count(1)

ANONYMOUS: Final = "00000000-0000-0000-0000-000000000002"
"""The accessor of the token that those have who bring none."""

READS: Final = 5


@dataclass(frozen=True, slots=True)
class Rights:
    """An edge over two nodes with a service each, and who may see which."""

    house: House
    agent: ConsulAgent
    prefix: str

    def rules(self, *which: str) -> str:
        """Write rules that show some of ``a`` and ``b``, nodes and services."""
        return "".join(
            f'{kind}_prefix "{self.prefix}-{one}" {{ policy = "read" }}\n'
            for one in which
            for kind in ("node", "service")
        )

    def may_see(self, *which: str) -> Identity:
        """Make a token."""
        return identity(self.agent, self.rules(*which))

    async def get(self, target: str, token: str = "", **headers: str) -> Answer:
        """Ask in the name of a token."""
        told = [(name.replace("_", "-"), value) for name, value in headers.items()]
        if token:
            told.append(("X-Consul-Token", token))
        return await self.house.ask("GET", target, told)

    async def nodes(self, token: str = "") -> set[str]:
        """Name the nodes that a token sees."""
        return {row["node"] for row in (await self.get(NODES, token)).json()["data"]}

    async def services(self, token: str = "") -> set[str]:
        """Name the instances that it sees."""
        return {row["ID"] for row in (await self.get(SERVICES, token)).json()["data"]}

    async def tag_when_live(self, target: str, token: str) -> str:
        """Give the tag of a document that watches prove."""
        found: list[Answer] = []

        async def is_live() -> bool:
            found.append(await self.get(target, token))
            return bool(found[-1].json()["cache"]["state"] == "live")

        await comes_true(is_live, f"{target} live")
        return found[-1].header("ETag") or ""

    def named(self, *which: str) -> set[str]:
        """Name the node of each, which is its instance's name, too."""
        return {f"{self.prefix}-{one}" for one in which}


@contextlib.asynccontextmanager
async def rights_at(agent: ConsulAgent, **settings: str) -> AsyncIterator[Rights]:
    """Give two nodes with names of the test's own."""
    prefix = f"rights-{next(_NUMBERS)}"
    for number, one in enumerate("ab", 1):
        name = f"{prefix}-{one}"
        service = {"ID": name, "Service": name, "Meta": {"company": name, "module": "icmp"}}
        body = {"Node": name, "Address": f"10.77.0.{number}", "Service": service}
        await asyncio.to_thread(agent.put, "/v1/catalog/register", body)
    async with edge_over(agent.server, **settings) as house:
        yield Rights(house, agent, prefix)
    for one in "ab":
        body = {"Node": f"{prefix}-{one}"}
        await asyncio.to_thread(agent.put, "/v1/catalog/deregister", body)


@pytest.fixture
async def rights(acl_agent: ConsulAgent) -> AsyncIterator[Rights]:
    """Give an edge whose rounds take a second."""
    async with rights_at(acl_agent, WATCH__WAIT="1s") as rights:
        yield rights


@contextlib.asynccontextmanager
async def anonymous_may(rights: Rights, *which: str) -> AsyncIterator[None]:
    """Grant those without a token something, and take it back."""
    path = f"/v1/acl/token/{ANONYMOUS}"
    policy = rights.may_see(*which).policy

    async def grant(policies: list[Mapping[str, str]]) -> None:
        body = {"AccessorID": ANONYMOUS, "Policies": policies}
        await asyncio.to_thread(rights.agent.put, path, body)

    await grant([{"ID": policy}])
    yield
    await grant([])


def texts(rights: Rights) -> dict[str, str]:
    """List the documents that show rows, by what they are asked for."""
    return {
        "nodes": NODES,
        "services": SERVICES,
        "columns": f"{SERVICES}?format=columns",
        "csv": f"{SERVICES}?format=csv",
        "sd": "/api/v1/sd",
        "data": f"{DATA}?category=all",
        "summary": f"{SUMMARY}?category=all",
        "facets": f"{SERVICES}?page_size=1&facets=company,Node",
        "a node": f"/api/v1/nodes/{rights.prefix}-a/services",
    }


async def test_two_tokens_ask_for_everything_neither_sees_the_others(rights: Rights) -> None:
    """In no document, in turns, also where it is kept: the other's name stands nowhere."""
    one, two = rights.may_see("a"), rights.may_see("b")
    names = {one.token: ("a", "b"), two.token: ("b", "a")}
    for _ in range(READS):
        for what, target in texts(rights).items():
            for token, (mine, other) in names.items():
                answer = await rights.get(target, token)
                text = answer.content.decode()
                if what == "a node" and mine != "a":
                    assert answer.status == 404, text
                    continue
                assert answer.status == 200, text
                assert f"{rights.prefix}-{mine}" in text, what
                assert f"{rights.prefix}-{other}" not in text, what


async def test_token_sees_more_its_rows_are_those_and_no_others(rights: Rights) -> None:
    """Rows and counts are exactly what Consul shows to that token."""
    both, one, none = rights.may_see("a", "b"), rights.may_see("b"), rights.may_see()
    for token, which in ((both.token, "ab"), (one.token, "b"), (none.token, "")):
        assert await rights.nodes(token) == rights.named(*which)
        assert await rights.services(token) == rights.named(*which)


async def test_tag_is_of_another_token_it_is_no_304(acl_agent: ConsulAgent) -> None:
    """Also where both see the same rows: a tag stands for who sees them, too."""
    async with rights_at(acl_agent) as rights:
        one, same, other = rights.may_see("a"), rights.may_see("a"), rights.may_see("b")
        tokens = [who.token for who in (one, same, other)]
        for target in (NODES, SERVICES):
            # How sure it is belongs to the tag: it is to be the same from here on.
            tags = {token: await rights.tag_when_live(target, token) for token in tokens}
            assert len(set(tags.values())) == len(tokens)
            for token in tokens:
                for owner, tag in tags.items():
                    answer = await rights.get(target, token, If_None_Match=tag)
                    assert answer.status == (304 if owner == token else 200), target


async def test_index_is_of_another_token_it_is_answered_at_once(rights: Rights) -> None:
    """To wait by another's index is not to wait, and tells nothing of when that one changes."""
    one, other = rights.may_see("a"), rights.may_see("b")
    index = (await rights.get(SERVICES, one.token)).json()["index"]
    target = f"{SERVICES}?index={index}&wait=10m"
    found = (await rights.get(target, other.token)).json()
    assert {row["ID"] for row in found["data"]} == rights.named("b")


async def test_nobody_brings_a_token_they_see_what_anonymous_may(rights: Rights) -> None:
    """Nothing at first; what is granted then, and never what somebody with a token sees."""
    token = rights.may_see("a", "b").token
    assert await rights.services(token) == rights.named("a", "b")
    assert await rights.services() == await rights.nodes() == set()
    async with anonymous_may(rights, "b"):

        async def is_shown() -> bool:
            return await rights.services() == await rights.nodes() == rights.named("b")

        await comes_true(is_shown, "what was granted")
        assert await rights.services(token) == rights.named("a", "b")


async def test_rights_are_narrowed_the_rows_go(rights: Rights) -> None:
    """Within the bound, without a flush; the tag that stood for them is good no more."""
    one, other = rights.may_see("a", "b"), rights.may_see("a", "b")
    tag = (await rights.get(SERVICES, one.token)).header("ETag") or ""
    assert await rights.nodes(one.token) == rights.named("a", "b")
    assert await rights.services(other.token) == rights.named("a", "b")
    one.narrow(rights.rules("a"))

    async def is_narrowed() -> bool:
        seen = await rights.services(one.token), await rights.nodes(one.token)
        return seen == (rights.named("a"), rights.named("a"))

    await comes_true(is_narrowed, "narrowed")
    assert (await rights.get(SERVICES, one.token, If_None_Match=tag)).status == 200
    # The other token's policy is another one, though it said the same.
    assert await rights.services(other.token) == rights.named("a", "b")


async def test_token_is_revoked_it_is_refused_in_every_document(rights: Rights) -> None:
    """Not an empty list, and not what was kept; whoever waits by it is told within the bound."""
    one, other = rights.may_see("a"), rights.may_see("a")
    found = (await rights.get(SERVICES, one.token)).json()
    assert await rights.services(other.token) == rights.named("a")
    one.revoke()
    # Other news may come first: that the members are denied.
    async with asyncio.timeout(30):
        answer = await rights.get(f"{SERVICES}?index={found['index']}&wait=20s", one.token)
        while answer.status == 200:
            index = answer.json()["index"]
            answer = await rights.get(f"{SERVICES}?index={index}&wait=20s", one.token)
    assert (answer.status, answer.json()["success"]) == (403, False)
    for what, target in texts(rights).items():
        answer = await rights.get(target, one.token)
        assert (answer.status, rights.prefix in answer.content.decode()) == (403, False), what
    assert await rights.services(other.token) == rights.named("a")
