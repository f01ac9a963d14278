"""
Asking one chosen server, and no other: a watch's rounds, and the fill before the first.

Rule 1: a round waits for its server and for news of it, whichever comes first: a silent server or
another leader ends it at once, long before the query's own time.
Rule 2: a round is never ended for want of interest.  Consul holds the query anyway, so it is
finished and its answer used (CONSUL.md A.1.3).
"""

import asyncio

from consul_edge.core.blocking import MARGIN, longest_hold
from consul_edge.core.errors import ServerFailed
from consul_edge.core.failover import Verdict
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.courier import Question
from consul_edge.upstream.rotation import Attempt, Rotation
from consul_edge.upstream.servers import Server
from consul_edge.upstream.slots import Lease

PROOF_SECONDS = 3.0
"""How long a heartbeat proves the connection."""


class Round:
    """One question to one server, and what it proves while it is pending."""

    def __init__(
        self,
        rotation: Rotation,
        server: Server,
        question: Question,
        index: int,
        lease: Lease | None = None,
    ) -> None:
        """
        Prepare to ask.

        Args:
            index: From which on it reports changes; 0 if it does not wait.

            lease: Of the connection that it uses; None: it counts itself.
        """
        self.server = server
        self.index = index
        self.began = rotation.now()
        self._rotation = rotation
        self._question = question
        self._lease = lease
        self._tenure = server.tenure

    def is_live(self, now: float) -> bool:
        """Whether the server would have told a change by *now*."""
        tenure = self._tenure
        return (
            tenure is not None
            and tenure is self.server.tenure
            and now - tenure.heard_at <= PROOF_SECONDS
        )

    @property
    def heard_at(self) -> float:
        """Until when it certainly would have told, by the heartbeat; 0 without one."""
        return self._tenure.heard_at if self._tenure is not None else 0.0

    async def answer(self) -> Answer:
        """
        Ask, and wait for the answer.

        Raises:
            ServerFailed: When the server has none, is out, or follows another leader now.
        """
        rotation, server, question = self._rotation, self.server, self._question
        is_short = question.is_short
        poll = question.call.poll
        lease = self._lease or server.slots.lease(poll=not is_short)
        attempt = Attempt(server, lease, self.began)
        if not is_short:
            rotation.listen(server)
        seconds = None if poll is None else longest_hold(poll.wait) + MARGIN
        asking = rotation.courier.read(
            server, question, question.call.target, attempt.lease, patience=seconds
        )
        task = asyncio.create_task(asking)
        try:
            while not task.done():
                self._check()
                await asyncio.wait(
                    (task, rotation.servers.news()), return_when=asyncio.FIRST_COMPLETED
                )
            answer = task.result()
        except ServerFailed as error:
            attempt.count("timeout" if error.timed_out else "failure")
            if task.done():
                rotation.failed(server, error)
            raise
        finally:
            rotation.leave(task, attempt, question.call)
        if answer.verdict is not Verdict.FINAL:
            attempt.count("failure")
            rotation.wake(server)
            raise ServerFailed(server.name, f"answered {answer.status}", sent=True)
        attempt.count("success")
        return answer

    def _check(self) -> None:
        server = self.server
        if server.is_out:
            raise ServerFailed(server.name, "stopped answering", sent=True, timed_out=True)
        if server.tenure is not None and server.tenure is not self._tenure:
            raise ServerFailed(server.name, "follows another leader now", sent=True)
