"""
One running fetch per key, and what becomes of its answer.

Rule 1: a flight belongs to nobody who waits for it: it ends, and its answer is kept, also when
everyone has left.
Rule 2: nobody joins a flight that began before a write of his own: its generation is another; nor
one that has landed: what it brought may be older than what he has.
Rule 3: every answer that is to be kept, a flight's or a watch's, is settled here; an answer that
was overtaken by a newer one is not kept, one that was overtaken by a write stands in at best, and
one that says much is gone, or what may be of yesterday, is asked for again.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from consul_edge import metrics
from consul_edge.cache.fetching import Fetcher, TooLarge
from consul_edge.cache.line import Line
from consul_edge.cache.lines import Lines
from consul_edge.core.entry import Entry, needs_confirmation
from consul_edge.core.errors import EdgeError
from consul_edge.core.policy import Confirm, Denial, Drop, Store, conclude

log = structlog.get_logger()

_last_success = metrics.CACHE_LAST_SUCCESS.labels("proxy")


@dataclass(eq=False, slots=True)
class Flight:
    """A fetch under way."""

    generation: int
    task: "asyncio.Task[Entry]"

    def takes(self, generation: int) -> bool:
        """
        Whether whoever comes now, in *generation*, may join.

        Between a task's end and the callbacks that tell it others run: who comes then, and once
        more when he has seen the answer, would get that same one again.
        """
        return self.generation == generation and not self.task.done()


@dataclass(frozen=True, slots=True)
class Ticket:
    """How things stood when something was asked: whether its answer still counts."""

    generation: int
    version: int
    true_at: float


class Flights:
    """Fetches for lines, and settles what comes back."""

    def __init__(
        self,
        lines: Lines,
        fetcher: Fetcher,
        denied: Callable[[Line], None],
        disown: Callable[[str], None],
    ) -> None:
        """
        Begin with nothing under way.

        Args:
            denied: Called with a line whose token may not see its answer (any more).

            disown: Called with an identity that Consul does not know (any more).
        """
        self._lines = lines
        self._fetcher = fetcher
        self._denied = denied
        self._disown = disown
        self._now = fetcher.now
        self._tasks: set[asyncio.Task[Entry]] = set()

    async def fetch(self, line: Line, *, join: bool = True) -> tuple[Entry, bool]:
        """
        Ask Consul for *line*, or wait for whoever does.

        Args:
            join: Whether a flight under way will do.

        Returns:
            What to answer, kept or not, and whether another's flight brought it.

        Raises:
            EdgeError: When no server answers.

            TooLarge: When the answer is too large to be shared.
        """
        flight = line.flight
        is_joined = join and flight is not None and flight.takes(line.generation)
        if flight is None or not is_joined:
            task = asyncio.create_task(self._fly(line))
            flight = line.flight = Flight(line.generation, task)
            line.guests += 1
            self._tasks.add(task)
            task.add_done_callback(lambda task: self._landed(line, task))
        return await asyncio.shield(flight.task), is_joined

    def ticket(self, line: Line, true_at: float | None = None) -> Ticket:
        """
        Note how things stand now, before something is asked.

        Args:
            true_at: Since when what will be settled is known to be true; None: since now.
        """
        return Ticket(line.generation, line.version, self._now() if true_at is None else true_at)

    async def settle(self, line: Line, entry: Entry, ticket: Ticket) -> tuple[Entry, bool]:
        """
        Conclude from an answer: keep it, doubt it, or drop what was kept.

        Returns:
            What to answer, and whether it is one to keep: an error is not.

        Raises:
            EdgeError: When a doubted answer could not be asked for again.

            TooLarge: When the second answer could not be kept.
        """
        conclusion = conclude(line.rule, entry, _replaced(line, entry, ticket))
        if isinstance(conclusion, Confirm):
            ticket = self.ticket(line)
            entry = await self._fetcher.ask_again(line)
            is_so = needs_confirmation(conclusion.before, entry)
            metrics.CACHE_CONFIRMATIONS.labels("confirmed" if is_so else "refuted").inc()
            log.warning(
                "an answer was doubted",
                endpoint=line.key.endpoint.name,
                confirmed=is_so,
                server=entry.server,
            )
            conclusion = conclude(line.rule, entry, None)
        if isinstance(conclusion, Store):
            _last_success.set_to_current_time()
            return self._keep(line, entry, ticket), True
        if isinstance(conclusion, Drop):
            await self._deny(line, conclusion.denial)
        return entry, False

    async def close(self) -> None:
        """Break off what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _fly(self, line: Line) -> Entry:
        ticket = self.ticket(line)
        entry = await self._fetcher.ask(line)
        answer, _ = await self.settle(line, entry, ticket)
        return answer

    def _keep(self, line: Line, entry: Entry, ticket: Ticket) -> Entry:
        current = line.entry
        is_late = (
            current is not None
            and ticket.version != line.version
            # Which is newer cannot be told then: indexes are comparable only within one server.
            and (entry.server != current.server or entry.index < current.index)
        )
        if ticket.generation != line.generation or line.writes:
            # It may have been asked before a write's end: good for who asked, for nobody later.
            line.show(entry)
            if current is not None and line.is_overtaken and not is_late:
                line.stand_by(entry, ticket.true_at)
            return entry
        if current is None or line.is_overtaken or not is_late:
            return line.publish(entry, ticket.true_at)
        return current if entry.server == current.server else entry

    async def _deny(self, line: Line, denial: Denial) -> None:
        self._denied(line)
        line.release_all()
        if denial is Denial.IDENTITY and line.key.identity:
            with suppress(EdgeError, TooLarge):
                again = await self._fetcher.ask(line)
                if conclude(line.rule, again, None) == Drop(Denial.IDENTITY):
                    self._disown(line.key.identity)

    def _landed(self, line: Line, task: "asyncio.Task[Entry]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Whoever waited has it; with nobody left it is nobody's.
            task.exception()
        if line.flight is not None and line.flight.task is task:
            line.flight = None
        line.guests -= 1
        self._lines.tidy(line)


def _replaced(line: Line, entry: Entry, ticket: Ticket) -> Entry | None:
    """
    Give what *entry* would replace.

    Nothing, if it is the older one for certain: a write has overtaken it since it was asked for,
    and what was asked for later is kept already.
    """
    current = line.entry
    is_past = (
        current is not None
        and ticket.generation != line.generation
        and ticket.version != line.version
        and entry.index < current.index
    )
    return None if is_past else current
