"""
Asking an edge for its nodes, one request after the other, over one connection.

Rule 1: hits and misses are never mixed: a miss is what comes right after a flush, and the flush is
not in its time.
Rule 2: a time is from the first byte of the request to the last of the answer; whether that is one
is seen afterwards.
Rule 3: what is asked to warm up is asked in the same way, and not counted.
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from consul_edge.core.errors import EdgeError
from consul_edge.progress import PROGRESS

NODES: Final = "/api/v1/nodes"
FLUSH: Final = "/api/v1/admin/cache/nodes/flush"

TIMEOUT: Final = 30.0
"""Seconds for one request: longer than an edge takes to find out that no server answers."""

GIVE_UP_AFTER: Final = 3
"""So many requests in vain, and none that was answered: there is nothing to measure."""


class NoAnswer(EdgeError):
    """Raised when there is nothing to measure; the text says what came instead."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked, how often, and as whom."""

    url: str
    iterations: int
    warmup: int
    admin_token: str
    token: str
    """Consul's; empty: none."""


@dataclass(slots=True)
class Tally:
    """What came of one series."""

    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    empty_flushes: int = 0


@dataclass(slots=True)
class Findings:
    """What came of all."""

    hits: Tally = field(default_factory=Tally)
    misses: Tally | None = None
    misses_left_out: str | None = None
    nodes: int = 0
    edge_version: str | None = None
    connections: int = 0


class _Failed(Exception):
    """Raised when a request came to nothing; the text is the kind, the cause what happened."""


class _Nodes(msgspec.Struct):
    success: bool
    total: int


class _Flushed(msgspec.Struct):
    keys_flushed: int


async def measure(plan: Plan) -> Findings:
    """
    Measure hits, then misses if the edge lets its cache be flushed.

    Raises:
        NoAnswer: When nothing could be measured, or the admin token is a wrong one.
    """
    findings = Findings()
    trace = aiohttp.TraceConfig()

    async def connected(*_: object) -> None:
        findings.connections += 1

    trace.on_connection_create_end.append(connected)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=1),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT),
        trace_configs=[trace],
    ) as session:
        bench = _Bench(session, plan, findings)
        try:
            await bench.run()
        finally:
            PROGRESS.end()
    return findings


class _Bench:
    def __init__(self, session: aiohttp.ClientSession, plan: Plan, findings: Findings) -> None:
        self._session = session
        self._plan = plan
        self._findings = findings

    async def run(self) -> None:
        self._findings.edge_version = await self._version()
        await self._series(self._findings.hits, self._nodes, "hits")
        misses = Tally()
        refusal = await self._first_flush(misses)
        if refusal is not None:
            self._findings.misses_left_out = refusal
            return
        self._findings.misses = misses
        is_flushed = True

        async def miss() -> float:
            nonlocal is_flushed
            if not is_flushed:
                await self._flush(misses)
            is_flushed = False
            return await self._nodes()

        await self._series(misses, miss, "misses")

    async def _series(self, tally: Tally, ask: Callable[[], Awaitable[float]], name: str) -> None:
        warming = Tally()
        for number in range(self._plan.warmup + self._plan.iterations):
            into = warming if number < self._plan.warmup else tally
            PROGRESS.show(f"{name}: {number} of {self._plan.warmup + self._plan.iterations}")
            try:
                into.seconds.append(await ask())
            except _Failed as failed:
                into.errors[str(failed)] += 1
            answered = warming.seconds or tally.seconds
            if not answered and number + 1 >= GIVE_UP_AFTER:
                break
        if not tally.seconds:
            errors = warming.errors + tally.errors
            kinds = ", ".join(f"{count} x {kind}" for kind, count in errors.items())
            raise NoAnswer(f"{self._plan.url}{NODES}: no answer to measure for {name}: {kinds}")

    async def _nodes(self) -> float:
        headers = {"X-Consul-Token": self._plan.token} if self._plan.token else {}
        began = time.perf_counter()
        status, body = await self._exchange("GET", NODES, headers)
        seconds = time.perf_counter() - began
        if status != 200:
            raise _Failed(f"http_{status}")
        try:
            document = msgspec.json.decode(body, type=_Nodes)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _Failed("malformed") from None
        if not document.success:
            raise _Failed("malformed")
        self._findings.nodes = document.total
        return seconds

    async def _first_flush(self, tally: Tally) -> str | None:
        """Flush, and give the reason if nobody may."""
        try:
            status, body = await self._exchange("POST", FLUSH, self._credentials())
            if status == 200:
                _count_flushed(tally, status, body)
                return None
        except _Failed as failed:
            raise NoAnswer(f"{self._plan.url}{FLUSH}: no answer: {failed}") from failed
        if status == 401 and not self._plan.admin_token:
            return "no admin token, so nothing could be flushed"
        first = (body.decode("utf-8", "replace").splitlines() or [""])[0][:300]
        raise NoAnswer(f"{self._plan.url}{FLUSH} answered {status}: {first}")

    async def _flush(self, tally: Tally) -> None:
        try:
            status, body = await self._exchange("POST", FLUSH, self._credentials())
            _count_flushed(tally, status, body)
        except _Failed as failed:
            raise _Failed(f"flush_{failed}") from failed

    def _credentials(self) -> dict[str, str]:
        token = self._plan.admin_token
        return {"Authorization": f"Bearer {token}"} if token else {}

    async def _version(self) -> str | None:
        """Learn the edge's version; it is also seen here if there is nobody at all."""
        try:
            status, body = await self._exchange("GET", "/metrics", {})
        except _Failed as failed:
            raise NoAnswer(f"{self._plan.url}: no answer: {failed}") from failed
        if status != 200:
            return None
        try:
            for family in text_string_to_metric_families(body.decode("utf-8", "replace")):
                for sample in family.samples:
                    if sample.name == "consul_edge_build_info":
                        return sample.labels.get("version")
        except ValueError:  # no exposition
            pass
        return None

    async def _exchange(
        self, method: str, path: str, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        # A redirect is no answer, and would take the token elsewhere.
        try:
            async with self._session.request(
                method, f"{self._plan.url}{path}", headers=headers, allow_redirects=False
            ) as response:
                return response.status, await response.read()
        except TimeoutError as error:
            raise _Failed("timeout") from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError) as error:
            raise _Failed("connection") from error
        except aiohttp.ClientError as error:
            raise _Failed("malformed") from error


def _count_flushed(tally: Tally, status: int, body: bytes) -> None:
    if status != 200:
        raise _Failed(f"http_{status}")
    try:
        tally.empty_flushes += msgspec.json.decode(body, type=_Flushed).keys_flushed == 0
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _Failed("malformed") from None
