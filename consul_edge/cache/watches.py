"""
Which lines are watched: as many as the servers have room for, and those that need it most.

Rule 1: a line for which clients wait is never left alone: without room for a watch it is polled
in turn with others, and its clients are woken all the same.
Rule 2: a watch ends, or makes room for another, at the end of a round only, and seldom: readers
that go round in a circle must not make watches go round, too.
Rule 3: what is abandoned still costs Consul a connection; so nothing is abandoned lightly.
"""

import asyncio
from typing import Final

import structlog

from consul_edge import metrics
from consul_edge.cache.fetching import Fetcher, TooLarge
from consul_edge.cache.flights import Flights
from consul_edge.cache.line import Line
from consul_edge.cache.lines import Lines
from consul_edge.cache.watch import Tools, Watch
from consul_edge.core.errors import EdgeError
from consul_edge.upstream.rotation import Rotation
from consul_edge.upstream.servers import Server

log = structlog.get_logger()

FILLS: Final = 16
"""Watches that may fill at once."""

POLLERS: Final = 4
"""Lines without a watch that are asked for at once."""

POLL_INTERVAL: Final = 1.0
"""Seconds between two turns of a line without a watch."""

YIELD_INTERVAL: Final = 0.1
"""Seconds between two watches that make room for others."""


class Watches:
    """All watches, and the lines that would have one."""

    def __init__(
        self,
        rotation: Rotation,
        lines: Lines,
        fetcher: Fetcher,
        flights: Flights,
        *,
        idle: float,
        wait: float,
        refresh_interval: float,
    ) -> None:
        """
        Begin with none.

        Args:
            idle: Seconds without a reader after which a watch ends.

            wait: Seconds of a round.

            refresh_interval: Least seconds between the rounds of a table-wide watch.
        """
        self._rotation = rotation
        self._lines = lines
        self._flights = flights
        self._idle = idle
        self._wait = wait
        self._now = rotation.now
        self._tasks: dict[Line, asyncio.Task[None]] = {}
        self._wanting: dict[Line, None] = {}
        """Lines for which clients wait and no server has room."""
        self._wanted_at = float("-inf")
        """When a line that is read often last found no room."""
        self._yielded_at = float("-inf")
        self._polling: asyncio.Task[None] | None = None
        self._is_closed = False
        self._tools = Tools(
            rotation,
            fetcher,
            flights,
            refresh_interval,
            self._choose,
            asyncio.Semaphore(FILLS),
            self._goes_on,
        )
        metrics.WATCHES.set_function(lambda: len(self._tasks))
        metrics.WATCHES_LIVE.set_function(lambda: self.live)
        metrics.WATCHES_WANTED.set_function(lambda: self.wanted)

    def bound(self, *, idle: float, wait: float, refresh_interval: float) -> None:
        """Take other times; a round that is pending keeps its own."""
        self._idle = idle
        self._wait = wait
        self._tools.refresh_interval = refresh_interval

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def limit(self) -> int:
        """How many there may be at all servers together."""
        return sum(server.slots.poll_limit for server in self._rotation.servers)

    @property
    def live(self) -> int:
        """How many prove what is kept at this moment."""
        now = self._now()
        rounds = [line.round for line in tuple(self._tasks)]
        return sum(pending is not None and pending.is_live(now) for pending in rounds)

    @property
    def wanted(self) -> int:
        """How many lines there are for which clients wait and no server has room."""
        return len(self._wanting)

    def want(self, line: Line) -> None:
        """Watch *line* if there is room; if not, see to it that those who wait are woken."""
        if line.is_watched or line.is_orphan or self._is_closed:
            return
        if self._has_room():
            self._start(line)
        elif line.waiters or line.is_kept_watched:
            self._queue(line)
        else:
            self._wanted_at = self._now()

    async def close(self) -> None:
        """End all watches."""
        self._is_closed = True
        tasks = [*self._tasks.values(), *([self._polling] if self._polling else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, line: Line) -> None:
        self._wanting.pop(line, None)
        line.is_watched = True
        task = asyncio.create_task(Watch(line, self._tools).run(), name="watch")
        self._tasks[line] = task
        task.add_done_callback(lambda task: self._ended(line, task))

    def _ended(self, line: Line, task: "asyncio.Task[None]") -> None:
        del self._tasks[line]
        line.is_watched = False
        if not task.cancelled() and task.exception() is not None:
            # A defect: it must not take those who wait with it.
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a watch failed", "exception": task.exception(), "task": task}
            )
        if self._is_closed:
            return
        # A warm one is wanted again by who warms it: at once, a refusal would go in circles.
        if line.waiters:
            self._queue(line)
        self._lines.tidy(line)
        self._promote()

    def _queue(self, line: Line) -> None:
        self._wanting[line] = None
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll_in_turn(), name="poll in turn")

    def _promote(self) -> None:
        """Give room that became free to those who wait longest; forget whom nobody waits for."""
        has_room = True
        for line in list(self._wanting):
            if not (line.waiters or line.is_kept_watched):
                del self._wanting[line]
                self._lines.tidy(line)
            elif has_room := has_room and self._has_room():
                self._start(line)

    def _has_room(self) -> bool:
        """Whether a further watch has a place, or would have one if any server were well."""
        listed = self._rotation.servers.well()
        if listed:
            return self._choose(None) is not None
        return len(self._tasks) < self.limit

    def _choose(self, last: Server | None) -> Server | None:
        """Give the server with the fewest polls that has room for one more, *last* as the last."""
        able = [one for one in self._rotation.servers.well() if one.slots.has_room(poll=True)]
        return min(able, key=lambda server: (server is last, server.slots.polls), default=None)

    def _goes_on(self, line: Line) -> bool:
        """Tell, at the end of a round, whether there will be another one."""
        # Those who were woken by this round are guests still, and will have read in a moment.
        if line.waiters or line.guests or line.is_kept_watched:
            return True
        # Without those who wait, only what the rule in force would have watched.
        if line.entry is None or not line.rule.is_watchable:
            return False
        now = self._now()
        unread = now - line.read_at
        if unread > self._idle:
            return False
        is_wanted = bool(self._wanting) or now - self._wanted_at < self._wait
        if is_wanted and unread > self._wait and now - self._yielded_at > YIELD_INTERVAL:
            self._yielded_at = now
            return False
        return True

    async def _poll_in_turn(self) -> None:
        """Ask for the lines without a watch, a few at a time, while there are any."""
        try:
            await self._turns()
        except Exception:
            # The top of a background loop: the next line that wants a watch begins it anew.
            log.exception("polling in turn failed")
        finally:
            self._polling = None

    async def _turns(self) -> None:
        turns: dict[Line, float] = {}
        while self._wanting:
            if self._rotation.servers.are_useless(self._now()):
                await asyncio.wait((self._rotation.servers.news(),), timeout=POLL_INTERVAL)
                continue
            self._promote()
            now = self._now()
            due = [line for line in self._wanting if turns.get(line, 0.0) <= now][:POLLERS]
            turns = {line: turn for line, turn in turns.items() if line in self._wanting}
            for line in due:
                turns[line] = now + POLL_INTERVAL
                # Behind the others: each has its turn.
                del self._wanting[line]
                self._wanting[line] = None
            if due:
                await asyncio.gather(*(self._poll(line) for line in due))
            elif self._wanting:
                await asyncio.sleep(max(min(turns.values()) - now, 0.01))

    async def _poll(self, line: Line) -> None:
        try:
            await self._flights.fetch(line, join=False)
        except TooLarge:
            line.drop()
        except EdgeError:
            return
        if line.entry is None:
            if not line.waiters:
                # Whoever has it kept watched wants it again, and has his own pace.
                self._wanting.pop(line, None)
            # An error that is the clients' to see.
            line.release_all()
