"""
The whole cache over servers that exist only in virtual time, so that every order of events can
be made to happen: answers are kept back, servers fall silent, leaders change, minutes pass.

Rule 1: all of the product's parts are the real ones, but for the courier, who sends no bytes.
Rule 2: an answer is made when the question arrives, or when a poll ends; a gate keeps it back on
its way, as a slow network would.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from multidict import CIMultiDict, CIMultiDictProxy

from consul_edge.cache.cache import Cache
from consul_edge.cache.holding import Deliver, Held
from consul_edge.cache.line import Line
from consul_edge.cache.lines import Lines
from consul_edge.cache.served import Passed, Served
from consul_edge.cache.store import MemoryStore
from consul_edge.config import load
from consul_edge.core.address import parse_server
from consul_edge.core.entry import Entry, make_entry
from consul_edge.core.errors import ServerFailed
from consul_edge.core.failover import Verdict, judge
from consul_edge.core.headers import Pairs
from consul_edge.core.key import ANONYMOUS, parse_key
from consul_edge.core.policy import Rule
from consul_edge.core.request import Poll, at_once, controls, parse_call
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.courier import Courier, Question
from consul_edge.upstream.credentials import Credentials
from consul_edge.upstream.quick import read
from consul_edge.upstream.rotation import Limits, Rotation
from consul_edge.upstream.servers import Server, Servers
from consul_edge.upstream.slots import Lease, Slots
from consul_edge.upstream.upstream import Upstream, Writing
from tests.virtual import in_virtual_time

T = TypeVar("T")

LATENCY: Final = 0.001
"""Seconds that each answer takes."""

BEAT: Final = 1.5
"""Seconds after which a heartbeat without an answer has failed."""

WEB: Final = "/v1/health/service/web"
SERVICES: Final = "/v1/catalog/services"
KV: Final = "/v1/kv/a"


@dataclass(frozen=True, slots=True)
class Said:
    """What a server says to a question."""

    body: bytes = b"[]"
    index: int = 0
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class FakeAnswer(Answer):
    """A whole answer that never was on a wire."""

    def __init__(self, server: Server, said: Said) -> None:
        """Be what *said* says."""
        self.server = server
        self.status, self.body = said.status, said.body
        self.reason = ""
        index = [("X-Consul-Index", str(said.index))] if said.index else []
        self.headers = CIMultiDictProxy(CIMultiDict([*index, *said.headers]))
        self.is_open = False
        self.verdict: Verdict = judge(said.status, said.body.decode())

    def close(self) -> None:
        """Have nothing to close."""


@dataclass(eq=False, slots=True)
class Gate:
    """Keeps one answer back after it was made."""

    start: str
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    error: str = ""

    def open(self) -> None:
        """Let the answer arrive."""
        self.opened.set()

    def fail(self, reason: str) -> None:
        """Let the connection break instead."""
        self.error = reason
        self.opened.set()


@dataclass(frozen=True, slots=True)
class Asked:
    """One question that a server was sent."""

    server: str
    target: str
    headers: Pairs
    at: float

    @property
    def is_poll(self) -> bool:
        """Whether it waits for a change."""
        return "index=" in self.target


class FakeConsul(Courier):
    """Some servers of one cluster, and the way to them."""

    def __init__(self) -> None:
        """Begin with a leader, and nothing said."""
        self.asked: list[Asked] = []
        self.answered: list[tuple[float, str]] = []
        """When which target was answered with a 200 by whoever was asked."""
        self.beats = 0
        """Heartbeats that were asked for."""
        self.latency = LATENCY
        self.parked = 0
        """Polls that wait at a server."""
        self.leaders: dict[str, str] = {}
        """Who leads, as single servers say it."""
        self.leader_of_all = "10.0.0.1:8300"
        self.silent: set[str] = set()
        self.refusing: set[str] = set()
        self.freed: Callable[[], None] = lambda: None
        """Called in the moment when a poll's connection is free again."""
        self._said: dict[tuple[str, str], Said] = {}
        self._gates: list[Gate] = []
        self._changed = asyncio.Event()

    def say(
        self,
        target: str,
        body: bytes = b"[]",
        index: int = 0,
        status: int = 200,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        server: str = "",
    ) -> None:
        """Answer *target* so from now on; *server* alone if one is named."""
        self._said[server, target] = Said(body, index, status, headers)
        self._changed.set()
        self._changed = asyncio.Event()

    def unsay(self, *servers: str) -> None:
        """Have single servers say again what all say."""
        self._said = {at: said for at, said in self._said.items() if at[0] not in servers}

    def gate(self, start: str = "/v1/") -> Gate:
        """Keep back the next answer to a target that begins with *start*."""
        gate = Gate(start)
        self._gates.append(gate)
        return gate

    def of(self, start: str = "/v1/", *, polls: bool | None = None) -> list[Asked]:
        """List the questions that begin with *start*: polls, others or both."""
        return [
            one
            for one in self.asked
            if one.target.startswith(start) and polls in (None, one.is_poll)
        ]

    async def read(
        self,
        server: Server,
        question: Question,
        target: str,
        lease: Lease,
        *,
        patience: float | None = None,  # noqa: ARG002 - nobody here keeps silent by himself
    ) -> Answer:
        """Answer as the server would."""
        loop = asyncio.get_running_loop()
        self.asked.append(Asked(_short(server), target, question.headers, loop.time()))
        try:
            await asyncio.sleep(self.latency)
            await self._check(server)
            gate = next((gate for gate in self._gates if target.startswith(gate.start)), None)
            if gate is not None:
                self._gates.remove(gate)
            said = await self._answer(server, target, question.call.poll)
            if gate is not None:
                gate.reached.set()
                await gate.opened.wait()
                if gate.error:
                    raise ServerFailed(server.name, gate.error, sent=True)
            await self._check(server)
        finally:
            lease.give()
            if not question.is_short:
                self.freed()
        if said.status == 200:
            self.answered.append((loop.time(), target))
        return FakeAnswer(server, said)

    async def leader(self, server: Server) -> str | None:
        """Answer a heartbeat."""
        self.beats += 1
        await asyncio.sleep(LATENCY)
        if _short(server) in self.refusing:
            raise ServerFailed(server.name, "refused", sent=False)
        if _short(server) in self.silent:
            await asyncio.sleep(BEAT)
            raise ServerFailed(server.name, "timed out", sent=True, timed_out=True)
        return self.leaders.get(_short(server), self.leader_of_all)

    async def close(self) -> None:
        """Have no connections to close."""

    async def _check(self, server: Server) -> None:
        if _short(server) in self.refusing:
            raise ServerFailed(server.name, "refused", sent=False)
        if _short(server) in self.silent:
            await asyncio.Event().wait()

    async def _answer(self, server: Server, target: str, poll: Poll | None) -> Said:
        name = _short(server)
        if poll is None:
            return self.now(name, target)
        plain = at_once(target)
        index = int(controls(target.partition("?")[2])["index"])
        self.parked += 1
        try:
            async with asyncio.timeout(poll.wait):
                while self._is_unchanged(self.now(name, plain), index):
                    await self._changed.wait()
        except TimeoutError:
            pass
        finally:
            self.parked -= 1
        return self.now(name, plain)

    @staticmethod
    def _is_unchanged(said: Said, index: int) -> bool:
        return said.status in (200, 404) and 0 < said.index <= index

    def now(self, server: str, target: str) -> Said:
        """Give what *server* would say to *target*."""
        either = self._said.get((server, target)), self._said.get(("", target))
        return next((said for said in either if said is not None), Said(b"", 1, 404))


def _short(server: Server) -> str:
    return server.name.partition(".")[0]


class CountedSlots(Slots):
    """Remembers how many polls there ever were at once, abandoned ones included."""

    most = 0
    most_short = 0

    def lease(self, *, poll: bool) -> Lease:
        """Look behind each new one."""
        lease = super().lease(poll=poll)
        self.most_short = max(self.most_short, self.short)
        self.most = max(self.most, self.polls + self.abandoned)
        return lease


class FakeUpstream(Upstream):
    """What the cache needs of the real one."""

    def __init__(self, consul: FakeConsul, names: str, poll_limit: int) -> None:
        """Have one server for each letter of *names*."""
        now = asyncio.get_running_loop().time
        self.slots = [CountedSlots(limit=1000, poll_limit=poll_limit, now=now) for _ in names]
        addresses = [parse_server(f"{name}.unit.test:8500") for name in names]
        self.servers = Servers(
            [
                Server(address, slots, label=address.name, tls_name=None)
                for address, slots in zip(addresses, self.slots, strict=True)
            ]
        )
        limits = Limits(timeout=2.0, deadline=20.0, max_retries=1, retry_delay=0.5)
        self.rotation = Rotation(consul, self.servers, limits)
        self.credentials = Credentials(token=str, auth=str, token_for_clients=False)

    async def read(self, question: Question) -> Answer:
        """Rotate over the servers, as the real one does."""
        return await read(self.rotation, question, self.servers.candidates)


class Edge:
    """A cache over a cluster, and its clients."""

    def __init__(self, names: str = "a", *, poll_limit: int = 110, **env: str) -> None:
        """
        Put it together inside a running loop.

        Args:
            names: A letter for each server.

            env: Settings as in the environment, without their prefix.
        """
        settings = load(
            file=None, env={f"CONSUL_EDGE_{name}": value for name, value in env.items()}, flags={}
        ).settings
        self.consul = FakeConsul()
        self.upstream = FakeUpstream(self.consul, names, poll_limit)
        self.cache = Cache(settings, self.upstream, instance="unit")
        self.forwarded = 0
        self._clients: set[asyncio.Task[Any]] = set()

    @property
    def servers(self) -> tuple[Server, ...]:
        """In their order."""
        return tuple(self.upstream.servers)

    async def get(
        self,
        target: str,
        *,
        token: str = "",
        headers: Pairs | None = None,
        deliver: Deliver | None = None,
    ) -> Served | Passed:
        """Read as a client does."""
        call = parse_call("GET", target)
        told = [*(headers or []), *([("X-Consul-Token", token)] if token else [])]

        async def forward() -> Answer:
            self.forwarded += 1
            return await self.upstream.read(Question(call, told, None))

        return await self.cache.read(self.cache.plan(call, told), forward, deliver)

    async def kept(self, target: str, *, token: str = "") -> Served:
        """Read what must be answered by an entry."""
        found = await self.get(target, token=token)
        assert isinstance(found, Served), f"bypassed: {found.reason}"
        return found

    def client(self, target: str, *, token: str = "") -> "asyncio.Task[Served | Passed]":
        """Begin a read beside the test's own doings."""
        return self.begin(self.get(target, token=token))

    def begin(self, doing: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Have something done beside the test's own doings, for as long as there is an edge."""
        task = asyncio.create_task(doing)
        self._clients.add(task)
        return task

    async def parks(self, target: str, *, token: str = "") -> "asyncio.Task[Served | Passed]":
        """Begin a blocking query, and wait until it is parked."""
        before = self.waiters
        task = self.client(target, token=token)
        await until(lambda: self.waiters > before or task.done())
        assert not task.done(), f"answered at once: {task.result()}"
        return task

    @property
    def waiters(self) -> int:
        """Clients that are parked."""
        return sum(len(line.waiters) for line in self.cache.lines)

    async def watched(self, target: str, *, token: str = "") -> Line:
        """Have *target* read as often as earns it a watch, and wait until it is live."""
        for _ in range(2):
            await self.get(target, token=token)
        line = self.line(target, token=token)
        await until(lambda: line.round is not None and line.round.is_live(clock()))
        await settled()
        return line

    def line(self, target: str, *, token: str = "") -> Line:
        """Give the line that must be there."""
        line = self.find(target, token=token)
        assert line is not None, f"no line of {target}"
        return line

    def find(self, target: str, *, token: str = "") -> Line | None:
        """Give the line of a target, if there is one."""
        identity = self.cache.identities.of(token)
        return self.cache.lines.find(parse_key(parse_call("GET", target), [], identity)[0])

    async def write(
        self,
        method: str,
        target: str,
        during: Callable[[], Coroutine[Any, Any, Any]],
        *,
        token: str = "",
        status: int = 200,
    ) -> None:
        """Send a write that does *during* at Consul, and is answered with *status*."""

        async def send(writing: Writing) -> Answer:
            with writing as answered:
                await during()
                answer = FakeAnswer(self.servers[0], Said(b"true", status=status))
                answered(answer)
            return answer

        headers = [("X-Consul-Token", token)] if token else []
        await self.cache.write(parse_call(method, target), headers, b"", send)

    async def close(self) -> None:
        """End everything, and leave no task behind."""
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        await self.cache.close()
        await self.upstream.rotation.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"still running: {left}"


def lines_with(max_entries: int = 100) -> Lines:
    """Make lines without anything around them."""
    return Lines(
        lambda lines: MemoryStore(
            max_entries=max_entries,
            max_bytes=2**20,
            is_needed=lines.is_needed,
            evicted=lambda name, _: lines.evicted(name),
        )
    )


def line_in(lines: Lines, target: str) -> Line:
    """Obtain the line of an anonymous GET."""
    key, _ = parse_key(parse_call("GET", target), [], ANONYMOUS)
    row = key.endpoint
    return lines.obtain(key, Rule(row, row.treatment, 1.0, False, 60.0, True), "")


def an_entry(body: bytes = b"[1]", index: int = 5, status: int = 200) -> Entry:
    """Make an entry as one is made of Consul's answer."""
    said = [("X-Consul-Index", str(index))] if index else []
    return make_entry(status, "OK", said, body, server="a.unit.test:8500")


def waiter_at(line: Line, index: int) -> "asyncio.Future[Served | None]":
    """Park a client that knows *index*; give what it waits for."""
    waiter = Held(index)
    line.waiters[waiter] = None
    return waiter.news


def play(
    scene: Callable[[Edge], Coroutine[Any, Any, None]],
    names: str = "a",
    *,
    poll_limit: int = 110,
    **env: str,
) -> None:
    """Play *scene* over an edge, to its end, in virtual time."""

    async def main() -> None:
        edge = Edge(names, poll_limit=poll_limit, **env)
        try:
            await scene(edge)
        finally:
            await edge.close()

    in_virtual_time(main)


def clock() -> float:
    """Read the clock of the running loop."""
    return asyncio.get_running_loop().time()


async def until(condition: Callable[[], object], within: float = 120.0) -> None:
    """Let virtual time pass until *condition* holds."""
    deadline = clock() + within
    while not condition():
        assert clock() < deadline, "it never came true"
        await asyncio.sleep(LATENCY / 2)


async def settled() -> None:
    """Let everything happen that is due now."""
    await asyncio.sleep(LATENCY * 20)
