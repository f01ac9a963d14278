"""
What can be done with a read in the moment in which it comes: an answer, or that it is held.

Rule 1: the decision is ``core.policy``'s, as for every other read; here nothing waits, and Consul
is not asked.  Whatever needs more is the gateway's.
Rule 2: with an answer comes why it is one, so that whoever asks the same a moment later can be
given the same without another decision.
"""

from dataclasses import dataclass

from consul_edge.cache.holding import Holding
from consul_edge.cache.line import Line
from consul_edge.cache.lines import Lines
from consul_edge.cache.plan import Question
from consul_edge.cache.proof import Proof
from consul_edge.cache.reads import Reads
from consul_edge.cache.served import Served, served
from consul_edge.core.ask import Mode
from consul_edge.core.policy import Hold, Serve, decide, good_for
from consul_edge.upstream.servers import Servers


@dataclass(frozen=True, slots=True)
class Settled:
    """What is done with a read at once."""

    line: Line

    served: Served | None
    """None: it is held."""

    proof: Proof | None = None
    """Why everybody who asks the same gets the same; None: it is for this one client."""

    left: float = 0.0
    """Seconds for which the proof may be used, while it holds."""


class AtOnce:
    """Settles reads."""

    def __init__(self, servers: Servers, lines: Lines, holding: Holding, reads: Reads) -> None:
        """Put the parts together."""
        self._servers = servers
        self._lines = lines
        self._holding = holding
        self._reads = reads

    def settle(self, question: Question, now: float, until: float | None = None) -> Settled | None:
        """
        Settle a read; None: it takes waiting or asking.

        Args:
            until: When its wait is over; None: it has just begun, or there is none.
        """
        ask = question.ask
        line = self._lines.find(question.key)
        kept = line.kept(now) if line is not None else None
        if line is None or kept is None:
            return None
        decision = decide(ask, line.rule, kept)
        if isinstance(decision, Serve):
            self._reads.note(line, now)
            proof = Proof(line, kept.entry, is_live=kept.is_live)
            left = good_for(ask, line.rule, kept)
            return Settled(line, served(kept, decision.result), proof, left)
        if not isinstance(decision, Hold):
            return None
        if until is not None and self._holding.is_over(until):
            return Settled(line, served(kept, "held")) if kept.is_live else None
        if self._holding.is_draining or (ask.mode is Mode.STALE and not self._servers.well()):
            return None
        return Settled(line, None)
