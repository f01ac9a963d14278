"""
The cache as the rest of the edge sees it: requests go in, answers come out.

Here settings become parts, and here a request gets its rule, its identity and its key.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from consul_edge import metrics
from consul_edge.cache.adopting import adopt
from consul_edge.cache.at_once import AtOnce
from consul_edge.cache.counts import Counts
from consul_edge.cache.fetching import Fetcher
from consul_edge.cache.flights import Flights
from consul_edge.cache.following import Following
from consul_edge.cache.gateway import Forward, Gateway
from consul_edge.cache.holding import Deliver, Holding
from consul_edge.cache.identity import Identities
from consul_edge.cache.line import Line
from consul_edge.cache.lines import Lines
from consul_edge.cache.plan import Plan, plan
from consul_edge.cache.reads import Reads
from consul_edge.cache.rulebook import Rulebook
from consul_edge.cache.saving import Saving
from consul_edge.cache.served import Passed, Served
from consul_edge.cache.shelf import store_of
from consul_edge.cache.warming import Warming
from consul_edge.cache.watches import Watches
from consul_edge.cache.writing import writing
from consul_edge.config import Settings
from consul_edge.core.effects import effects
from consul_edge.core.endpoints import decode_path
from consul_edge.core.entry import Entry
from consul_edge.core.errors import EdgeError
from consul_edge.core.headers import Pairs
from consul_edge.core.key import Key, parse_key
from consul_edge.core.policy import Rule
from consul_edge.core.request import Call, parse_call
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.upstream import Upstream, Writing

ACL: Final = "/v1/acl/"
"""Writes below change what a token may see: of such, nothing may even stand in."""

LOGOUT: Final = "/v1/acl/logout"
"""But this one changes it for the token that it is sent with, and for no other."""


@dataclass(frozen=True, slots=True)
class Flush:
    """That something was forgotten at once."""

    at: datetime

    trigger: str
    """As metrics call it."""

    flushed: int
    """Answers that were kept."""


class Cache:
    """Everything that is kept, with one life."""

    def __init__(self, settings: Settings, upstream: Upstream, *, instance: str) -> None:
        """Put it together inside a running loop; nothing is asked before the start."""
        cache = settings.cache
        watch = settings.watch
        self.lines = Lines(partial(store_of, settings.cache))
        self.identities = Identities()
        self.last_flush: Flush | None = None
        self.disowned: list[Callable[[str], None]] = []
        """Called with the identity of a token that there is no more."""
        self._rules = Rulebook(settings)
        self._credentials = upstream.credentials
        self._fetcher = Fetcher(
            upstream,
            instance=instance,
            max_entry_bytes=cache.max_entry_bytes,
            max_bytes=cache.max_bytes,
            wait=watch.wait,
        )
        self._flights = Flights(self.lines, self._fetcher, self._denied, self._disown)
        self.watches = Watches(
            upstream.rotation,
            self.lines,
            self._fetcher,
            self._flights,
            idle=watch.idle,
            wait=watch.wait,
            refresh_interval=watch.refresh_interval,
        )
        self.holding = Holding(self.lines, self.watches)
        reads = Reads(self.watches)
        self.at_once = AtOnce(upstream.servers, self.lines, self.holding, reads)
        self._gateway = Gateway(
            upstream.servers, self.lines, self._fetcher, self._flights, self.holding, reads
        )
        self.counts = Counts()
        self._saving = Saving(
            cache.snapshot, self.lines, self.identities, self._rules, now=self._fetcher.now
        )
        self._warming = Warming(
            cache.warm,
            self.lines,
            self.identities,
            self._rules,
            self._credentials,
            self._fetcher,
            self._flights,
            self.watches,
        )
        store = self.lines.store
        metrics.CACHE_ENTRIES.set_function(lambda: len(store))
        metrics.CACHE_SIZE.set_function(lambda: store.size_bytes)
        metrics.CACHE_MAX_ENTRIES.set_function(lambda: store.max_entries)
        metrics.CACHE_MAX_SIZE.set_function(lambda: store.max_bytes)

    async def start(self) -> None:
        """Take over what an earlier process kept, before anybody is served; warm up."""
        await self._saving.start()
        self._warming.start()

    @property
    def warmth(self) -> tuple[int, int]:
        """How many of ``cache.warm`` are kept, and how many there are."""
        return self._warming.warmth

    def is_kept(self, call: Call) -> bool:
        """Tell whether plain reads of what *call* asks for are answered from entries."""
        return self._rules.of(call).is_kept

    def plan(self, call: Call, headers: Pairs) -> Plan:
        """
        Find out what a read means here.

        Args:
            headers: The client's own.
        """
        return plan(call, headers, self._rules, self._credentials, self.identities)

    async def read(
        self,
        plan: Plan,
        forward: Forward,
        deliver: Deliver | None = None,
        until: float | None = None,
    ) -> Served | Passed:
        """
        Answer a read.

        Args:
            forward: Sends the request as it is.

            deliver: Given what a held client was waiting for before this returns it.

            until: When its wait is over, if that began before.

        Raises:
            EdgeError: When no server answers, and nothing that is kept may.
        """
        rule, endpoint = plan.rule, plan.call.endpoint
        if not (rule.is_kept or rule.is_held):
            return Passed(await forward(), "")
        found: Served | Passed
        if plan.question is None:
            found = Passed(await forward(), plan.reason)
        else:
            try:
                found = await self._gateway.read(
                    plan.question, rule, plan.token, forward, deliver, until
                )
            except EdgeError:
                self.counts.add(endpoint.name, "error")
                raise
        if isinstance(found, Served):
            self.counts.add(endpoint.name, found.result)
        elif rule.is_kept:
            found = replace(found, is_cacheable=True)
            self.counts.add(endpoint.name, "bypass")
        return found

    def follow(self, target: str, token: str, heard: Callable[[], None]) -> Following:
        """
        Have the answer to a read kept and watched, whether or not a client asks for it.

        Args:
            target: In plain spelling, without parameters that steer how it is answered.

            heard: See ``Following``.
        """
        line = self.lines.obtain(*self._keyed(target, token), token)
        return Following(line, self.lines, self._flights, self.watches, heard)

    async def ask(self, target: str, token: str) -> Entry:
        """
        Ask Consul once, past everything that is kept.

        Returns:
            The answer, whatever it says.

        Raises:
            EdgeError: When no server answers.

            TooLarge: When it is larger than any that is kept.
        """
        key, rule = self._keyed(target, token)
        return await self._fetcher.ask(self.lines.apart(key, rule, token))

    async def write(
        self,
        call: Call,
        headers: Pairs,
        body: bytes | None,
        send: Callable[[Writing], Awaitable[Answer]],
    ) -> Answer:
        """
        Have a write sent, and forget in time what it may change.

        Args:
            headers: The client's own.

            body: None if it is streamed.

            send: Sends it inside the context that it is given, to its end, and tells the answer.
        """
        touched = effects(call, body)
        forget = self._forgetting(call, headers) if touched else None
        return await send(writing(self.lines, touched, forget))

    def flush(self, lines: Sequence[Line], trigger: str) -> int:
        """
        Forget what is kept for *lines*; whoever waits goes on waiting.

        Returns:
            How many answers were kept.
        """
        count = 0
        for line in lines:
            count += line.entry is not None
            line.drop()
            self.lines.tidy(line)
        self.last_flush = Flush(datetime.now(UTC), trigger, count)
        if count:
            metrics.CACHE_FLUSHES.labels(trigger).inc(count)
            self._saving.soon()
        return count

    def adopt(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        parts = self.lines, self._rules, self._fetcher, self.watches, self._saving, self._warming
        adopt(settings, partial(self.flush, trigger="reload"), *parts)

    def drain(self) -> None:
        """Have everyone who waits answered with the current value."""
        self.holding.drain()

    async def close(self) -> None:
        """End what goes on, and save what there is then."""
        await self._warming.close()
        await self.watches.close()
        await self._flights.close()
        await self._saving.close()

    def _keyed(self, target: str, token: str) -> tuple[Key, Rule]:
        call = parse_call("GET", target)
        key, _ = parse_key(call, (), self.identities.of(token))
        return key, self._rules.of(call)

    def _forgetting(self, call: Call, headers: Pairs) -> Callable[[], object] | None:
        """Give what forgets that which a write of ACLs changed; None: it is no such write."""
        path = decode_path(call.target)
        if path.startswith(LOGOUT):
            token = self._credentials.token_of(call, headers)
            return partial(self._disown, self.identities.of(token))
        if path.startswith(ACL):
            return lambda: self.flush(tuple(self.lines), "acl")
        return None

    def _denied(self, line: Line) -> None:
        """Forget what was kept for a question that its token may not ask (any more)."""
        if line.entry is not None:
            metrics.CACHE_FLUSHES.labels("denied").inc()
            self._saving.soon()
        line.drop()

    def _disown(self, identity: str) -> None:
        """Forget all that was kept for a token that there is no more; its watches end."""
        lines = [line for line in self.lines if line.key.identity == identity]
        self.flush(lines, "identity")
        for line in lines:
            line.release_all()
        for heard in self.disowned:
            heard(identity)
