"""
A client's connection: the fast lane, and behind it aiohttp's own protocol, by composition.

Rule 1: the lane acts only where the connection is certainly between two messages: whatever came
before was one ``GET`` head in one piece each time (``heads``), and each is answered completely.
Rule 2: anything else (a body, a pipeline, half a head, a header that is not listed, a piece that
comes before the answer is out) closes the lane of this connection for good: aiohttp's protocol
takes its place at the transport, and no body can ever be taken for a request.
Rule 3: while the client does not take in what was written, the lane writes nothing more.
Rule 4: aiohttp's protocol is built when it is needed first; a client whose every head is known
costs none.
"""

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Final, cast

from aiohttp import web

from consul_edge.cache.line import Line
from consul_edge.cache.plan import Plan
from consul_edge.cache.served import Served
from consul_edge.core.errors import LimitReached
from consul_edge.web.fastlane.heads import examine
from consul_edge.web.fastlane.poll import Poll
from consul_edge.web.fastlane.spot import Spot
from consul_edge.web.fastlane.stall import Stall
from consul_edge.web.rendering import send

if TYPE_CHECKING:
    from consul_edge.web.fastlane.lane import Lane
    from consul_edge.web.fastlane.memo import Book
    from consul_edge.web.protocol import EdgeProtocol


_CLOSED: Final = -1
"""As many are never answered."""


class Connection(asyncio.Protocol):
    """One client."""

    __slots__ = (
        "_book",
        "_candidate",
        "_inner",
        "_is_shared",
        "_lane",
        "_passed",
        "_poll",
        "_spots",
        "_stall",
        "_transport",
        "heard_at",
        "is_leaving",
        "listener",
    )

    def __init__(self, lane: "Lane", listener: str) -> None:
        """Begin without a transport."""
        self._lane: Final = lane
        self.listener: Final = listener
        self._transport: asyncio.Transport
        self._book: Book
        self._spots: dict[bytes, Spot]
        self._is_shared = False
        """The transport keeps what it cannot write at once without a copy."""
        self._inner: EdgeProtocol | None = None
        self._passed = 0
        """Heads that were given to aiohttp; ``_CLOSED`` once the lane is."""
        self._candidate: bytes | None = None
        """What the head that aiohttp has would be known by."""
        self._poll: Poll | None = None
        self._stall: Stall | None = None
        """While its client does not take in what was written."""
        self.heard_at = 0.0
        """When the lane had something to do with it last, by the loop's clock."""
        self.is_leaving = False
        """It is closed when the client that waits has its answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the lane."""
        # uvloop's are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._book = self._lane.opened(self, self.listener, self._transport)
        self._spots = self._book.spots
        self._is_shared = self._lane.shares(self._transport)
        self.heard_at = self._lane.now()

    def data_received(self, data: bytes) -> None:
        """Answer a known head; what else came is aiohttp's."""
        spot = self._spots.get(data)
        if spot is None:
            self._examine(data)
        elif not self._is_between:
            self._give_up(data)
        elif not self._answer(spot, data):
            self._pass(data)

    def eof_received(self) -> None:
        """Have the transport closed, as aiohttp has."""

    def pause_writing(self) -> None:
        """Write nothing more until the client has read, and not wait for that for ever."""
        self._stall = Stall(self._lane.loop, self._transport)
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Go on."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        if self._stall is not None:
            self._stall.cancel()
        if self._poll is not None:
            self._end(self._poll)
        self._lane.closed(self)
        if self._inner is not None:
            self._inner.lane = None
            self._inner.connection_lost(exc)

    def learn(self, request: web.BaseRequest, plan: Plan) -> None:
        """Note what the head that aiohttp has just parsed asks for."""
        name, self._candidate = self._candidate, None
        if name is not None and plan.question is not None and not plan.is_lent:
            self._lane.learn(self._book, name, request, plan.question)

    def leave(self) -> None:
        """Close as soon as nobody waits; what is with aiohttp is aiohttp's to close."""
        if self._poll is not None:
            self.is_leaving = True
        elif self._inner is None:
            self._transport.close()

    @property
    def is_parked(self) -> bool:
        """Whether its client waits for news."""
        return self._poll is not None

    @property
    def is_idle(self) -> bool:
        """Whether nothing but the lane knows it, and nobody waits."""
        return self._inner is None and self._poll is None

    def woken(self, poll: Poll, news: Served | None) -> None:
        """Answer a parked client: with news, or with what there is when it is to look again."""
        if news is None or not poll.is_judged or not self._deliver(poll, news):
            self._look_again(poll)

    @property
    def _is_between(self) -> bool:
        """Whether every head so far is answered, and the answers are taken in."""
        inner = self._inner
        return (
            self._poll is None
            and self._stall is None
            and (inner is None or inner.answered == self._passed)
        )

    def _answer(self, spot: Spot, head: bytes) -> bool:
        """Answer or park; False: it is aiohttp's."""
        began = perf_counter()
        lane = self._lane
        now = lane.now()
        if not spot.is_ready(now):
            settled = spot.settle(now)
            if settled is None:
                return False
            if settled.served is None:
                return self._park(spot, head, settled.line)
        parts = spot.parts
        if len(parts) > 1 and not self._is_shared:
            return False
        send(self._transport, parts)
        self.heard_at = now
        tally = spot.tally
        tally.hits += 1
        tally.seconds += perf_counter() - began
        if lane.logs and spot.served is not None:
            lane.log(self._transport, spot, spot.served, parts, perf_counter() - began)
        return True

    def _examine(self, data: bytes) -> None:
        """See whether what came may be known later, or is known by its digest."""
        head = examine(data)
        if head is None or not self._is_between:
            self._give_up(data)
            return
        memo, name = self._lane.memo, data
        if head.has_token:
            name = memo.digest(data)
            spot = self._spots.get(name)
            if spot is not None and self._answer(spot, data):
                return
        self._pass(data, candidate=name if memo.sees(self._book, name) else None)

    def _pass(
        self, head: bytes, until: float | None = None, candidate: bytes | None = None
    ) -> None:
        """Give one head to aiohttp."""
        inner = self._inner or self._build()
        self._passed += 1
        # One that was refused is never learnt: its name must not become that of the next.
        self._candidate = candidate
        inner.until = until
        inner.data_received(head)
        if self.is_leaving:
            inner.close()

    def _give_up(self, data: bytes) -> None:
        """Have aiohttp in the lane's place from now on."""
        poll, inner = self._poll, self._inner or self._build()
        inner.lane = None
        self._passed = _CLOSED
        if self._stall is None:
            # Else somebody must still see to it that the client reads what the lane wrote.
            self._transport.set_protocol(inner)
        if poll is not None:
            self._end(poll)
            inner.until = poll.until
            inner.data_received(poll.head)
        self._lane.closed(self)
        inner.data_received(data)
        if self.is_leaving:
            inner.close()

    def _build(self) -> "EdgeProtocol":
        inner = self._inner = self._lane.build()
        inner.lane = self
        inner.connection_made(self._transport)
        if self._stall is not None:
            inner.pause_writing()
        return inner

    def _park(self, spot: Spot, head: bytes, line: Line, until: float | None = None) -> bool:
        """Hold a client; False: too many of its address are held already."""
        lane = self._lane
        client = lane.client(self._transport)
        try:
            lane.parked.enter(client)
        except LimitReached:
            # aiohttp's way ends at the same limit, and says so.
            return False
        holding = lane.cache.holding
        until = holding.until(spot.question.ask.wait) if until is None else until
        poll = self._poll = Poll(self, lane, spot, spot.head or head, line, client, until)
        poll.timer = lane.loop.call_at(until, self._look_again, poll)
        self.heard_at = lane.now()
        holding.hold(line, poll)
        return True

    def _look_again(self, poll: Poll) -> None:
        """See what there is for a client whose wait is over, or whose line was dropped."""
        spot, until, settled = poll.spot, poll.until, None
        if poll.is_judged:
            settled = self._lane.cache.at_once.settle(spot.question, self._lane.now(), until)
        if settled is not None and settled.served is not None:
            if self._deliver(poll, settled.served):
                return
            settled = None
        self._end(poll)
        if settled is None or not self._park(spot, poll.head, settled.line, until):
            self._pass(poll.head, until)

    def _deliver(self, poll: Poll, served: Served) -> bool:
        """Answer a parked client; the bookkeeping comes after the bytes."""
        spot = poll.spot
        parts = spot.render(served)
        if parts is None or self._stall is not None or (len(parts) > 1 and not self._is_shared):
            return False
        send(self._transport, parts)
        self._end(poll)
        lane = self._lane
        lane.tallies.of(spot.question, served).hits += 1
        if lane.logs:
            lane.log(self._transport, spot, served, parts, lane.now() - poll.since)
        if self.is_leaving:
            self._transport.close()
        return True

    def _end(self, poll: Poll) -> None:
        """Hold it no more."""
        lane = self._lane
        self._poll = None
        self.heard_at = lane.now()
        poll.timer.cancel()
        lane.cache.holding.let_go(poll.line, poll)
        lane.parked.leave(poll.client)
