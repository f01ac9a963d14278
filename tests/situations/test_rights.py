"""
Rights on a real Consul that denies by default: narrowed, revoked and granted meanwhile.

The agent believes what it knows of tokens for a second, not for its usual 30 s; with rounds of a
second the bound of DESIGN.md 4, ``wait*17/16 + 35 s``, is then a few seconds.
"""

import asyncio
import itertools
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from tests.consul import ConsulAgent
from tests.situations.place import Asker, Got, Place, instance, place_over, woken
from tests.waiting import eventually

pytestmark = pytest.mark.real

ALL: Final = 'node_prefix "" { policy = "read" } service_prefix "" { policy = "read" }'
NO_SERVICES: Final = 'node_prefix "" { policy = "read" }'
"""Answers of services are then empty, at the same index, with status 200."""

READS: Final = 3000
"""Interleaved reads of the two tokens."""

READERS: Final = 10

BOUND: Final = 1.0 * 17 / 16 + 1.0 + 5.0
"""Seconds until a change of rights shows: a round, what the agent believes, and DESIGN.md's 5."""

_POLICIES = itertools.count(1)


@dataclass
class Identity:
    """A token of its own policy, both made for one test."""

    agent: ConsulAgent
    token: str
    accessor: str
    policy: str
    name: str

    def narrow(self, rules: str) -> None:
        """Give the policy other rules, past the edge."""
        document = {"ID": self.policy, "Name": self.name, "Rules": rules}
        self.agent.put(f"/v1/acl/policy/{self.policy}", document)

    def revoke(self) -> None:
        """Delete the token, past the edge."""
        assert self.agent.request("DELETE", f"/v1/acl/token/{self.accessor}").status == 200


def identity(agent: ConsulAgent, rules: str = ALL) -> Identity:
    """Make a token that may do what *rules* say."""
    name = f"policy-{next(_POLICIES)}"
    policy = agent.put("/v1/acl/policy", {"Name": name, "Rules": rules}).json()["ID"]
    made = agent.put("/v1/acl/token", {"Policies": [{"ID": policy}]}).json()
    return Identity(agent, made["SecretID"], made["AccessorID"], policy, name)


@pytest.fixture
async def place(acl_agent: ConsulAgent) -> AsyncIterator[Place]:
    """Give an edge over the agent, with rounds of a second."""
    async with place_over(acl_agent, WATCH__WAIT="1s") as place:
        yield place


async def register(place: Place, agent: ConsulAgent, service: str, port: int = 80) -> None:
    """Register an instance past the edge, as one who may."""
    await place.consul.put("/v1/catalog/register", instance(service, port=port), agent.token or "")


async def test_rights_narrow_in_silence_and_an_idle_watch_shows_it(
    place: Place, acl_agent: ConsulAgent
) -> None:
    """``200 []`` at the same index replaces the body, within the bound (section 0)."""
    name = place.name("narrowed")
    target = f"/v1/health/service/{name}"
    await register(place, acl_agent, name)
    one, two = identity(acl_agent), identity(acl_agent)
    known = await place.until_live(target, one.token)
    await place.until_live(target, two.token)
    assert len(known.json()) == 1
    one.narrow(NO_SERVICES)

    def kept() -> set[bytes]:
        entries = [line.entry for line in place.lines(target) if line.token == one.token]
        return {entry.body.strip() for entry in entries if entry is not None}

    # Nobody reads meanwhile: it is the watch that finds out.
    await eventually(lambda: kept() == {b"[]"}, "the empty answer kept", within=30)
    got = await place.until_live(target, one.token)
    assert (got.status, got.json(), got.index) == (200, [], known.index)
    assert len((await place.until_live(target, two.token)).json()) == 1


async def test_rights_narrow_in_silence_and_who_waits_is_told(
    place: Place, acl_agent: ConsulAgent
) -> None:
    """A parked client whose body is no longer true is woken, though the index is the same."""
    name = place.name("narrowed")
    target = f"/v1/health/service/{name}"
    await register(place, acl_agent, name)
    one = identity(acl_agent)
    known = await place.until_live(target, one.token)
    poll = place.edge.begin(f"{target}?index={known.index}&wait=300s", one.token)
    await place.until_parked(target)
    one.narrow(NO_SERVICES)
    got = await woken(poll)
    assert (got.status, got.json(), got.index) == (200, [], known.index)


async def test_rights_widen_and_an_idle_watch_shows_it(
    place: Place, acl_agent: ConsulAgent
) -> None:
    """What a token is granted it sees within the same bound."""
    name = place.name("widened")
    target = f"/v1/health/service/{name}"
    await register(place, acl_agent, name)
    one = identity(acl_agent, NO_SERVICES)
    assert (await place.until_live(target, one.token)).json() == []
    one.narrow(ALL)
    await eventually(lambda: b"Node" in bodies(place, target), "shown", within=30)


def bodies(place: Place, target: str) -> bytes:
    """Join all bodies that are kept for *target*."""
    entries = [line.entry for line in place.lines(target)]
    return b"".join(entry.body for entry in entries if entry is not None)


async def test_token_is_revoked_while_it_waits_and_loses_everything(
    place: Place, acl_agent: ConsulAgent
) -> None:
    """Its polls end in 403, all that was kept for it goes; another token's stays (case 7)."""
    name = place.name("revoked")
    target, nodes = f"/v1/health/service/{name}", "/v1/catalog/nodes"
    await register(place, acl_agent, name)
    one, two = identity(acl_agent), identity(acl_agent)
    known = await place.until_live(target, one.token)
    for token in (one.token, two.token):
        await place.until_live(nodes, token)
    await place.until_live(target, two.token)
    poll = place.edge.begin(f"{target}?index={known.index}&wait=300s", one.token)
    await place.until_parked(target)
    one.revoke()
    refused = await woken(poll)
    assert (refused.status, refused.body) == (403, b"ACL not found")

    def tokens() -> set[str]:
        return {line.token for path in (target, nodes) for line in place.lines(path)}

    await eventually(lambda: tokens() == {two.token}, "nothing kept of the revoked token")
    assert (await place.edge.get(nodes, one.token)).status == 403
    # Its rounds are short ones: in between it is not live.
    assert (await place.until_live(target, two.token)).json()


async def test_denied_key_is_dropped_alone(place: Place, acl_agent: ConsulAgent) -> None:
    """``Permission denied`` for one KV key ends its watch, and no other of that token."""
    folder = place.name("denied")
    paths = [f"/v1/kv/{folder}/{name}" for name in ("kept", "lost")]
    for path in paths:
        await place.consul.put(path, b"1", acl_agent.token or "")
    both = f'key_prefix "{folder}/" {{ policy = "read" }}'
    one = identity(acl_agent, both)
    polls = []
    for path in paths:
        known = await place.edge.get(path, one.token)
        polls.append(place.edge.begin(f"{path}?index={known.index}&wait=300s", one.token))
        await place.until_parked(path)
    one.narrow(f'key "{folder}/kept" {{ policy = "read" }}')
    refused = await woken(polls[1])
    assert (refused.status, refused.body) == (403, b"Permission denied")
    assert place.lines(paths[1]) == []
    assert (polls[0].done(), place.is_parked(paths[0])) == (False, True)


async def test_write_of_rights_through_the_edge_drops_everything_at_once(
    acl_agent: ConsulAgent,
) -> None:
    """Whoever narrows rights here has nobody served from what was kept before."""
    async with place_over(acl_agent) as place:
        name = place.name("written")
        target = f"/v1/health/service/{name}"
        await register(place, acl_agent, name)
        one = identity(acl_agent)
        await place.until_live(target, one.token)
        document = {"ID": one.policy, "Name": one.name, "Rules": NO_SERVICES}
        policy = f"/v1/acl/policy/{one.policy}"
        await place.edge.put(policy, document, acl_agent.token or "")
        assert bodies(place, target) == b""
        got = await place.edge.get(target, one.token)
        direct = await place.consul.get(target, one.token)
        assert (got.cache, got.body) == ("fwd=miss", direct.body)


@dataclass
class Change:
    """Something done to a token's rights."""

    began: float = math.inf
    acknowledged: float = math.inf

    def make(self, how: Callable[[], None]) -> Awaitable[None]:
        """Do it beside the load."""
        return asyncio.to_thread(self._make, how)

    def _make(self, how: Callable[[], None]) -> None:
        self.began = time.monotonic()
        how()
        self.acknowledged = time.monotonic()

    def states(self, began: float, ended: float) -> list[bool]:
        """Say of an answer between two moments whether it may be as before it, or as after."""
        before = [False] if began <= self.acknowledged + BOUND else []
        return before + ([True] if ended >= self.began else [])


@dataclass
class Judge:
    """Knows what each token may see at which time, and checks what it gets here."""

    place: Place
    rng: random.Random
    tokens: dict[str, str]
    """By name."""
    targets: list[str]
    narrowing: Change = field(default_factory=Change)
    """Of the wide one, to nothing."""
    revocation: Change = field(default_factory=Change)
    """Of the narrow one."""
    checked: int = 0
    is_over: bool = False

    async def watch(self, edge: Asker, name: str, target: str) -> None:
        """Follow *target* as a blocking client does, and check each answer."""
        index = 0
        while not self.is_over:
            got = await self._check(edge, name, target, f"?index={index}&wait=1s")
            index = got.index

    async def read(self, edge: Asker) -> None:
        """Read in turns, at random, and check each answer."""
        while not self.is_over:
            name = self.rng.choice(list(self.tokens))
            await self._check(edge, name, self.rng.choice(self.targets))

    async def _check(self, edge: Asker, name: str, target: str, query: str = "") -> Got:
        """Judge one answer by what its token may have seen since it was asked for."""
        began = time.monotonic()
        got = await edge.get(target + query, self.tokens[name])
        seen = "denied" if got.status == 403 else [one["Service"]["Service"] for one in got.json()]
        allowed = self._allowed(name, target, began, time.monotonic())
        assert seen in allowed, (name, target, got, allowed)
        self.checked += 1
        return got

    def _allowed(self, name: str, target: str, began: float, ended: float) -> list[Any]:
        service = target.rpartition("/")[2]
        if name == "wide":
            return [[] if done else [service] for done in self.narrowing.states(began, ended)]
        granted = [] if service.endswith("secret") else [service]
        return ["denied" if done else granted for done in self.revocation.states(began, ended)]

    async def until_certain(self, change: Change) -> None:
        """Go on until nothing from before *change* may be answered, and for many reads more."""
        await eventually(
            lambda: time.monotonic() > change.acknowledged + BOUND, "its time is over", 60
        )
        await self.until_checked(READS // 10)

    async def until_checked(self, more: int) -> None:
        """Go on for so many answers."""
        enough = self.checked + more
        await eventually(lambda: self.checked >= enough, f"{more} answers judged", within=120)


@pytest.mark.timeout(180)
async def test_two_tokens_never_see_each_others_answers_through_narrowing_and_revocation(
    place: Place, acl_agent: ConsulAgent
) -> None:
    """
    Thousands of reads and watches that never stop: each gets what its token may see just then.

    The wide token loses everything, and then the narrow one is revoked.
    """
    open_, secret = f"{place.name('web')}-open", f"{place.name('web')}-secret"
    for service in (open_, secret):
        await register(place, acl_agent, service)
    wide = identity(acl_agent)
    narrow = identity(acl_agent, NO_SERVICES + f' service "{open_}" {{ policy = "read" }}')
    targets = [f"/v1/health/service/{service}" for service in (open_, secret)]
    judge = Judge(place, random.Random(20), {"wide": wide.token, "narrow": narrow.token}, targets)
    for target in targets:
        for token in judge.tokens.values():
            await place.until_live(target, token)
    async with asyncio.TaskGroup() as group:
        for name in judge.tokens:
            for target in targets:
                group.create_task(judge.watch(place.edge, name, target))
        for _ in range(READERS):
            group.create_task(judge.read(place.edge))
        await judge.until_checked(READS)
        await judge.narrowing.make(lambda: wide.narrow(NO_SERVICES))
        await judge.until_certain(judge.narrowing)
        await judge.revocation.make(narrow.revoke)
        await judge.until_certain(judge.revocation)
        judge.is_over = True
    assert shown(place, targets, wide.token) == []
    assert [
        line for one in targets for line in place.lines(one) if line.token == narrow.token
    ] == []


def shown(place: Place, targets: list[str], token: str) -> list[Any]:
    """List what is kept for *token* and is not empty."""
    entries = [
        line.entry for target in targets for line in place.lines(target) if line.token == token
    ]
    return [entry for entry in entries if entry is not None and entry.body.strip() != b"[]"]
