"""What a read ends in, as one value for whoever writes it to the client."""

from dataclasses import dataclass
from typing import Final

from consul_edge.core.entry import Entry
from consul_edge.core.policy import Kept
from consul_edge.upstream.answer import Answer

MISSES: Final = frozenset({"miss", "collapsed"})
"""Results for which Consul was asked."""


@dataclass(frozen=True, slots=True)
class Passed:
    """Consul's own answer to the client's own request."""

    answer: Answer

    reason: str
    """Why nothing was kept; empty where nothing ever is."""

    is_cacheable: bool = False
    """Whether plain reads of its endpoint are kept."""


@dataclass(frozen=True, slots=True)
class Served:
    """An answer that many may get."""

    entry: Entry

    result: str
    """``live``, ``ttl``, ``held``, ``stale``, ``miss`` or ``collapsed``, as metrics call it."""

    age: float = 0.0
    """Seconds since it was last proven."""

    is_live: bool = True
    """Whether it is being proven all the time: its contact with the leader is not lost."""

    @property
    def is_hit(self) -> bool:
        """Whether Consul was not asked for it."""
        return self.result not in MISSES

    @property
    def is_stale(self) -> bool:
        """Whether it is given for want of anything better."""
        return self.result == "stale"

    @property
    def status(self) -> tuple[str, ...]:
        """The parts of ``Cache-Status`` (RFC 9211)."""
        if self.result == "collapsed":
            return ("fwd=miss", "collapsed")
        if self.result == "miss":
            return ("fwd=miss",)
        return ("hit", f"detail={self.result}")


def served(kept: Kept, result: str) -> Served:
    """Serve what is kept, with the age that it has."""
    return Served(kept.entry, result, kept.age, kept.is_live)
