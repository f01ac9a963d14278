"""
One request on its way through the stand-in, and the blocking query that it may be.

Rule 1: a read looks, and if what it sees is not newer than what the client has, it waits for a
topic to be notified or for its time to pass, and looks again.  It never polls.
Rule 2: Consul holds an index that is above its own until the wait ends; so does this.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Final

from aiohttp import web

from consul_edge.demo.answers import Answer, Body, Found, text
from consul_edge.demo.faults import Faults
from consul_edge.demo.kept import Kept
from consul_edge.demo.query import Options, Parameters, first, parse_options
from consul_edge.demo.state import State

NO_META: Final = {
    "X-Consul-Index": "1",
    "X-Consul-Knownleader": "false",
    "X-Consul-Lastcontact": "0",
}
"""What a failed read of catalog, health or sessions carries, and a client must not believe."""

NO_LEADER: Final = "No cluster leader"
NO_PATH: Final = "No path to datacenter"

_SANDBOX: Final = {"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}


class Place:
    """The stand-in that a request came to, as far as handlers are concerned."""

    def __init__(self, state: State, faults: Faults, server: int, *, newer: bool) -> None:
        """
        Describe a stand-in.

        Args:
            state: What it knows, perhaps together with others.

            faults: What goes wrong here.

            server: Which of the servers among the members it is.

            newer: Whether to add the headers of newer Consuls.
        """
        self.state = state
        self.faults = faults
        self.server = server
        self.newer = newer
        self.kept = Kept()
        self.timers: dict[str, asyncio.TimerHandle] = {}
        """The ends of sessions with a TTL, by their ids."""
        self.cached: set[str] = set()
        """The targets that ``?cached`` asked for already."""
        self.parked = 0
        """How many requests wait for a change."""
        self.closing = False
        """Set when the stand-in stops, so that nobody waits any more."""


class Refusal(Exception):
    """Raised to answer at once."""

    def __init__(self, answer: Answer) -> None:
        """Answer *answer*."""
        super().__init__(answer.status)
        self.answer = answer


class Call:
    """A request with its parameters, at one stand-in."""

    __slots__ = (
        "body",
        "method",
        "name",
        "parameters",
        "path",
        "place",
        "request",
        "rights",
    )

    def __init__(
        self, request: web.Request, path: str, parameters: Parameters, place: Place
    ) -> None:
        self.request = request
        self.method = request.method
        self.path = path
        self.parameters = parameters
        self.place = place
        self.name = ""
        """What the path says after its route's prefix."""
        self.body = b""
        self.rights: Callable[[str, str], bool] | None = None
        """Whether the caller's token may do METHOD with PATH; None may do everything."""

    @property
    def state(self) -> State:
        """What the stand-in knows."""
        return self.place.state

    def kept(self, key: tuple[object, ...], version: object, write: Callable[[], bytes]) -> Body:
        """Give a body that was written before, if its *version* is still the same."""
        return self.place.kept.body(key, version, write)

    def get(self, name: str) -> str:
        """Give the first value of a parameter."""
        return first(self.parameters, name)

    def has(self, name: str) -> bool:
        """Tell whether a parameter is there at all, which is what counts for most."""
        return name in self.parameters

    def options(self) -> Options:
        """Read what steers the answer; raises BadQuery."""
        return parse_options(self.parameters, self.request.headers.get("Cache-Control", ""))

    def check_dc(self, dc: str, headers: dict[str, str] | None = None) -> None:
        """Refuse a datacenter that is not here."""
        if dc and dc not in self.state.datacenters:
            raise Refusal(text(500, NO_PATH, headers))

    async def write_through(self, dc: str = "") -> None:
        """Refuse a write that cannot reach a leader."""
        self.check_dc(dc or self.get("dc"))
        if self.place.faults.leaderless:
            await self.place.faults.hold_for_leader()
            if self.place.faults.leaderless:
                raise Refusal(text(500, NO_LEADER))

    async def read(
        self,
        look: Callable[[], Found],
        options: Options,
        *,
        consistency: bool = True,
        error_meta: bool = True,
        cacheable: bool = False,
    ) -> Answer:
        """
        Answer a read, waiting if the client asked for it.

        Args:
            look: Says what there is now; called again after each change.

            options: What the client asked for.

            consistency: Whether the endpoint tells how consistent it was (KV does not).

            error_meta: Whether its errors carry an index all the same (KV's do not).

            cacheable: Whether Consul's agent would cache it for ``?cached``.
        """
        failed = NO_META if error_meta else {}
        self.check_dc(options.dc, failed)
        faults = self.place.faults
        if faults.leaderless and options.consistency != "stale":
            await faults.hold_for_leader()
            self._need_leader(options, failed)
        found = look()
        if options.index and found.index <= options.index:
            found = await self._hold(look, found, options)
            self._need_leader(options, failed)
        headers = {
            "X-Consul-Index": str(max(1, found.index)),
            "X-Consul-Knownleader": "false" if faults.leaderless else "true",
            "X-Consul-Lastcontact": str(faults.last_contact()) if faults.leaderless else "0",
        }
        if consistency:
            headers["X-Consul-Effective-Consistency"] = options.consistency
            if self.place.newer:
                self._add_newer(headers, options)
        if cacheable and options.cached:
            headers |= self.agent_cache()
        if found.raw:
            headers |= _SANDBOX
            return Answer(found.status, found.body(), "text/plain", headers)
        body = found.body()
        return Answer(found.status, body, "application/json" if body.plain else None, headers)

    def agent_cache(self) -> dict[str, str]:
        """Say what the agent's cache would: it keeps what it has fresh, so that HIT is 0 s old."""
        target = self.request.raw_path
        if target in self.place.cached:
            return {"X-Cache": "HIT", "Age": "0"}
        self.place.cached.add(target)
        return {"X-Cache": "MISS"}

    def _need_leader(self, options: Options, headers: dict[str, str]) -> None:
        if self.place.faults.leaderless and options.consistency != "stale":
            raise Refusal(text(500, NO_LEADER, headers))

    def _add_newer(self, headers: dict[str, str], options: Options) -> None:
        backend = "blocking-query"
        if options.index and self.path.startswith("/v1/health/service/"):
            # Newer Consuls stream this one and then know no leader: CONSUL.md A.2.
            backend = "streaming"
            headers["X-Consul-Knownleader"] = "false"
        headers["X-Consul-Query-Backend"] = backend

    async def _hold(self, look: Callable[[], Found], found: Found, options: Options) -> Found:
        """Wait until there is something newer, or the time with Consul's jitter is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + options.wait + random.uniform(0, options.wait / 16)  # noqa: S311 - jitter, no secret
        ledger, place, stale = self.state.ledger, self.place, options.consistency == "stale"
        place.parked += 1
        try:
            while found.index <= options.index and not place.closing:
                if loop.time() >= deadline or (place.faults.drops_polls and not stale):
                    break
                future: asyncio.Future[None] = loop.create_future()
                timer = loop.call_at(deadline, _finish, future)
                ledger.enrol(future, found.topics)
                try:
                    await future
                finally:
                    timer.cancel()
                    ledger.dismiss(future, found.topics)
                found = look()
        finally:
            place.parked -= 1
        return found


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
