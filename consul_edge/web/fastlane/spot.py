"""
What one known head asks for, and the bytes that answer it now.

Rule 1: the bytes are those that every other client gets in this second (``web.rendering``), by a
decision of ``core.policy``; they are used again only while the proof of that decision holds, and
not beyond the second, for ``Age`` and ``Date`` are right to the second.
Rule 2: a spot at rest holds no body, no entry and no token: when its second is over it lets go of
them, whether or not somebody asks again.
"""

import time
from typing import TYPE_CHECKING

from consul_edge.cache.at_once import Settled
from consul_edge.cache.plan import Question
from consul_edge.cache.proof import Proof
from consul_edge.cache.served import Served
from consul_edge.web.fastlane.tally import Tally
from consul_edge.web.rendering import SMALL_BYTES, Parts

if TYPE_CHECKING:
    from consul_edge.web.fastlane.lane import Lane


class Spot:
    """A question, and how it is answered now."""

    __slots__ = (
        "_accepts_gzip",
        "_lane",
        "_proof",
        "head",
        "parts",
        "question",
        "served",
        "tally",
        "target",
        "until",
    )

    def __init__(
        self,
        lane: "Lane",
        question: Question,
        head: bytes | None,
        *,
        target: str,
        accepts_gzip: bool,
    ) -> None:
        """
        Note what is asked for.

        Args:
            head: The bytes that ask it; None: there may be a token in them.

            target: For the access log.
        """
        self.question = question
        self.head = head
        self.target = target
        self.until = 0.0
        """When the bytes are too old, by the loop's clock."""
        self.parts: Parts = ()
        self.served: Served | None = None
        """What the bytes say."""
        self.tally = Tally()
        self._accepts_gzip = accepts_gzip
        self._lane = lane
        self._proof: Proof | None = None

    def is_ready(self, now: float) -> bool:
        """Whether the bytes answer at *now*."""
        return now < self.until and self._proof is not None and self._proof.holds(now)

    def settle(self, now: float) -> Settled | None:
        """
        Have it decided what is done; an answer is in ``parts`` then.

        Returns:
            None: it takes waiting, asking, or much work.
        """
        lane = self._lane
        settled = lane.cache.at_once.settle(self.question, now)
        if settled is None or settled.served is None:
            return settled
        served = settled.served
        # Of what is not live each millisecond has other headers.  To render may outlast a second.
        second = 1 - time.time() % 1 if served.is_live else 0.0
        parts = self.render(served)
        if parts is None:
            return None
        self.parts, self.served = parts, served
        self.tally = lane.tallies.of(self.question, served)
        self._proof = settled.proof
        self.until = now + min(second, 1 - served.age % 1, settled.left)
        lane.in_use(self)
        return settled

    def render(self, served: Served) -> Parts | None:
        """Render an answer for who asks so; None: that would take long."""
        rendering = self._lane.rendering
        zipped = self._accepts_gzip and len(served.entry.body) >= SMALL_BYTES
        if zipped and not rendering.is_quick(served.entry):
            return None
        return rendering.parts(served, zipped=zipped)

    def rest(self) -> None:
        """Let go of the bytes."""
        self.until = 0.0
        self.parts, self.served, self._proof = (), None, None
