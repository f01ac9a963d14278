"""
Faults on demand: what a test wants to go wrong, for which requests, and how often.

Rule 1: a fault is armed for the requests that match its method and path prefix, and disarms itself
after ``times`` of them.  The eldest armed fault that matches is the one that happens.
Rule 2: this module decides; ``wire`` does it to the connection.
Rule 3: lifting a hang lets the requests that hang go on, as SIGCONT would.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from consul_edge.demo.answers import Answer, Body


class Moment(Enum):
    """When a connection is reset."""

    HEAD = "head"
    """The head of the request was read, and nothing of its body."""
    READING = "reading"
    """``after`` bytes of the request's body were read."""
    READ = "read"
    """The whole request was read, and nothing was done."""
    DONE = "done"
    """What was asked was done, and nothing was answered."""
    ANSWERING = "answering"
    """The head and ``after`` bytes of the answer were sent."""


class Fault:
    """One armed fault; ``hits`` counts whom it met."""

    def __init__(
        self,
        *,
        method: str | None = None,
        path: str = "",
        times: int | None = None,
        delay: float = 0.0,
        hang: bool = False,
        reset: Moment | None = None,
        stall: bool = False,
        after: int = 0,
        rate: float | None = None,
        answer: Answer | None = None,
        rewrite: Callable[[Answer], Answer] | None = None,
    ) -> None:
        """
        Describe a fault; ``Faults`` has a method for each sensible one.

        Args:
            method: None for every method.

            path: What the raw target begins with; empty for every target.

            times: How many requests it meets; None until it is lifted.

            delay: Seconds between reading the request and anything else.

            hang: Never answer, until it is lifted.

            reset: When to reset the connection.

            stall: Send the head and ``after`` bytes of the answer, and no more until it is lifted.

            after: Bytes, for ``reset`` and ``stall``.

            rate: Bytes of the answer's body a second.

            answer: Sent instead of doing what was asked.

            rewrite: Changes the answer; a poll that was parked before is not met.
        """
        self.method = method
        self.path = path
        self.left = times
        self.delay = delay
        self.hang = hang
        self.reset = reset
        self.stall = stall
        self.after = after
        self.rate = rate
        self.answer = answer
        self.rewrite = rewrite
        self.hits = 0
        self.met = asyncio.Event()
        """Set as soon as it met somebody."""
        self.lifted = asyncio.Event()
        self.abandoned = False
        """Whether those who are held shall be cut off rather than go on."""

    def abandon(self) -> None:
        """End the fault, and cut off whom it holds."""
        self.abandoned = True
        self.lift()

    def lift(self) -> None:
        """End the fault, and let go of whom it holds."""
        self.left = 0
        self.lifted.set()

    def matches(self, method: str, target: str) -> bool:
        """Tell whether a request is one of those it is armed for."""
        return (
            self.left != 0
            and self.method in {None, method}
            and (not self.path or target.startswith(self.path))
        )

    @property
    def streams(self) -> bool:
        """Whether the answer's body must be sent by hand."""
        return self.reset is Moment.ANSWERING or self.stall or self.rate is not None


class Faults:
    """All faults of one stand-in."""

    def __init__(self) -> None:
        self.armed: list[Fault] = []
        self.held: list[Fault] = []
        """All faults that may hold somebody, armed or spent."""
        self.leaderless = False
        """Whether there is no leader: default reads and writes fail, ``?stale`` is answered."""
        self.drops_polls = False
        self.hold = 0.0
        self._since = 0.0
        self._leader_back = asyncio.Event()
        self.wake: Callable[[], None] = lambda: None
        """Wakes all parked polls; the stand-in sets it."""

    def take(self, method: str, target: str) -> Fault | None:
        """Find the fault that meets a request, and count it."""
        for fault in self.armed:
            if fault.matches(method, target):
                fault.hits += 1
                fault.met.set()
                if fault.left is not None:
                    fault.left -= 1
                    if not fault.left:
                        self.armed.remove(fault)
                return fault
        return None

    def arm(self, fault: Fault) -> Fault:
        """Add a fault; it is behind those that are armed already."""
        self.armed.append(fault)
        if fault.hang or fault.streams or fault.delay:
            self.held.append(fault)
        return fault

    def clear(self) -> None:
        """Lift everything, also the lack of a leader."""
        for fault in (*self.armed, *self.held):
            fault.lift()
        self.armed.clear()
        self.held.clear()
        self.elect()

    def answer(
        self,
        status: int,
        body: bytes | str = b"",
        headers: Mapping[str, str] | None = None,
        **match: Any,
    ) -> Fault:
        """Answer this instead, with exactly these headers beside the length and the date."""
        data = body.encode() if isinstance(body, str) else body
        answer = Answer(status, Body(data), None, dict(headers or {}), vary=False)
        return self.arm(Fault(answer=answer, **match))

    def delay(self, seconds: float, **match: Any) -> Fault:
        """Let *seconds* pass before the head of the answer."""
        return self.arm(Fault(delay=seconds, **match))

    def hang(self, **match: Any) -> Fault:
        """Read the request and never answer."""
        return self.arm(Fault(hang=True, **match))

    def stall(self, after: int = 0, **match: Any) -> Fault:
        """Send the head and *after* bytes of the body, then nothing."""
        return self.arm(Fault(stall=True, after=after, **match))

    def slow(self, rate: float, **match: Any) -> Fault:
        """Send the body at *rate* bytes a second, byte by byte if need be."""
        return self.arm(Fault(rate=rate, **match))

    def reset(self, when: Moment | str = Moment.HEAD, after: int = 0, **match: Any) -> Fault:
        """Reset the TCP connection at a moment, *after* bytes where that has a meaning."""
        return self.arm(Fault(reset=Moment(when), after=after, **match))

    def narrow(self, body: bytes = b"[]", **match: Any) -> Fault:
        """Answer reads with the same index and an emptier body, as narrowed rights do."""
        narrowed = Body(body)

        def rewrite(answer: Answer) -> Answer:
            if answer.status != 200:
                return answer
            return Answer(200, narrowed, answer.content_type, answer.headers, answer.vary)

        return self.arm(Fault(rewrite=rewrite, **match))

    def depose(self, *, hold: float = 0.0, drop_polls: bool = False) -> None:
        """
        Be without a leader until ``elect``.

        Args:
            hold: Seconds that a request is kept before its 500 (a real server: 7), in which a
                new leader saves it.

            drop_polls: Answer parked polls with the 500 now; a real follower lets them wait.
        """
        self.leaderless, self.hold, self.drops_polls = True, hold, drop_polls
        self._since = time.monotonic()
        self._leader_back.clear()
        if drop_polls:
            self.wake()

    def elect(self) -> None:
        """Have a leader again."""
        self.leaderless = self.drops_polls = False
        self._leader_back.set()

    async def hold_for_leader(self) -> None:
        """Wait for a leader as long as a server would."""
        if self.hold <= 0:
            return
        try:
            async with asyncio.timeout(self.hold):
                await self._leader_back.wait()
        except TimeoutError:
            return

    def last_contact(self) -> int:
        """Give the milliseconds since there was a leader, at least 1."""
        return max(1, int((time.monotonic() - self._since) * 1000))
