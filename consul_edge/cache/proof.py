"""
Why an entry answered, in a form that is cheap to look at again.

Rule 1: a proof is made in the moment in which ``core.policy`` decided that the entry answers.
Rule 2: it holds while nothing of that has changed: the entry is still the one that is kept, nobody
wrote what may touch it, the same round is pending, and if that made it live, still does.  What
ends with time alone (a TTL, an age that a client allows) is not looked at here.
Rule 3: nobody has to tell it anything: an invalidation, a flush or an eviction that could forget
to would be a stale answer.
"""

from consul_edge.cache.line import Line
from consul_edge.core.entry import Entry


class Proof:
    """That an entry of a line answers."""

    __slots__ = ("_generation", "_is_live", "_line", "_round", "entry")

    def __init__(self, line: Line, entry: Entry, *, is_live: bool) -> None:
        """
        Note what holds now.

        Args:
            is_live: Whether the pending round is what proves the entry.
        """
        self.entry = entry
        self._line = line
        self._is_live = is_live
        self._generation = line.generation
        self._round = line.round

    def holds(self, now: float) -> bool:
        """Whether all is as it was."""
        line = self._line
        own, endpoint = line.own, line.endpoint
        pending = line.round
        return (
            pending is self._round
            and own.generation + endpoint.generation == self._generation
            and not own.writes
            and not endpoint.writes
            and line.store.peek(line.name, touch=False) is self.entry
            and (not self._is_live or (pending is not None and pending.is_live(now)))
        )
