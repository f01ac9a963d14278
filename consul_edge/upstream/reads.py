"""
One read on its way over the servers, until there is an answer.

- A server that refuses, breaks off or has lost its leader: the next one is asked at once.
- A server that is silent: its heartbeat is taken.  If that fails too the read moves on; if it is
  well, the endpoint is slow and a second server is asked *beside* it, as the budget allows.
- Another leader was found: whatever was forwarded to the old one is asked again.
- All were asked: while any of them accepts connections the read waits for news of a leader, up to
  its deadline; when none does, the configured rounds, then the 500.
"""

import asyncio
import math
from typing import Any

from consul_edge.core.backoff import backoff
from consul_edge.core.durations import render_duration
from consul_edge.core.errors import LimitReached, NoServer, ServerFailed
from consul_edge.core.failover import Verdict
from consul_edge.core.request import at_once, with_wait
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.courier import Question
from consul_edge.upstream.rotation import Attempt, Candidates, Rotation
from consul_edge.upstream.servers import Server

LAST_WORD = 1.0
"""Seconds that a parked poll gets for its current value when the edge shuts down."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Seconds between rounds while servers answer without being able to serve."""


class Read:
    """The race of attempts for one question."""

    def __init__(
        self,
        rotation: Rotation,
        question: Question,
        candidates: Candidates,
        *,
        patience: float,
    ) -> None:
        """
        Prepare to ask *candidates*, anew in each round.

        Args:
            patience: Seconds that all attempts together may take; infinite for a stream.
        """
        call = question.call
        self._rotation = rotation
        self._limits = rotation.limits
        self._question = question
        self._candidates = candidates
        self._now = rotation.now
        self._began = self._now()
        self._end = self._began + patience
        self._is_short = call.poll is None and not call.endpoint.stream
        self._attempts: dict[asyncio.Task[Answer], Attempt] = {}
        self._tried: set[Server] = set()
        self._failures: dict[str, str] = {}
        self._fallback: Answer | None = None
        self._accepted = False
        self._full = False
        self._rounds = 0
        self._pauses = 0
        self._resume_at: float | None = None
        self._hedging = self._is_short
        self._target = call.target
        self._is_leaving = False
        self._has_news = False
        self._settled: Answer | None = None

    async def answer(self) -> Answer:
        """
        Return the first usable answer, or an error of Consul's that stayed.

        Raises:
            NoServer: When no server gave any.

            LimitReached: When every server has all its connections in use.
        """
        try:
            self._ask_next()
            if self._is_short and self._attempts:
                # The common case: one answer, long before anybody becomes suspicious.
                await asyncio.wait(self._attempts, timeout=self._limits.suspect_after)
            while True:
                answer = self._take_done()
                if answer is not None:
                    return answer
                self._react()
                if self._settled is not None:
                    return self._settled
                await self._wait()
        finally:
            for task, attempt in self._attempts.items():
                self._rotation.leave(task, attempt, self._question.call)

    async def _wait(self) -> None:
        if any(task.done() for task in self._attempts):
            return
        times = [self._end if self._resume_at is None else min(self._end, self._resume_at)]
        for attempt in self._attempts.values():
            if not attempt.suspected and self._is_short:
                times.append(attempt.began + self._limits.suspect_after)
            elif self._hedging:
                times.append(attempt.began + self._limits.timeout)
        until = min(times)
        news = self._rotation.servers.news()
        awaited: set[asyncio.Future[Any]] = {*self._attempts, news}
        await asyncio.wait(
            awaited,
            timeout=None if until == math.inf else max(until - self._now(), 0.0),
            return_when=asyncio.FIRST_COMPLETED,
        )
        self._has_news = news.done()

    def _take_done(self) -> Answer | None:
        """Look at the attempts that have ended; return the answer that settles it."""
        for task in [task for task in self._attempts if task.done()]:
            attempt = self._attempts.pop(task)
            server = attempt.server
            try:
                answer = task.result()
            except ServerFailed as error:
                self._failed(attempt, error)
                continue
            self._accepted = True
            if answer.verdict is Verdict.FINAL:
                attempt.count("success")
                self._rotation.servers.answered(server)
                return answer
            attempt.count("failure")
            self._failures[server.name] = f"answered {answer.status} {answer.text.strip()[:100]}"
            self._fallback = answer
            if answer.verdict is not Verdict.ELSEWHERE:
                self._rotation.wake(server)
            elif not self._rotation.budget.spend():
                return answer
        return None

    def _failed(self, attempt: Attempt, error: ServerFailed) -> None:
        server = attempt.server
        attempt.count("timeout" if error.timed_out else "failure")
        self._failures[server.name] = error.reason
        if error.sent:
            self._accepted = True
            self._rotation.wake(server)
        else:
            self._rotation.servers.lost(server, error.reason)

    def _react(self) -> None:
        """Change what is under way to fit the situation; raise when nothing is left to try."""
        now = self._now()
        if self._rotation.is_draining and not self._is_short and not self._is_leaving:
            self._take_leave(now)
        if now >= self._end:
            self._give_up(f"timed out after {render_duration(round(now - self._began, 1))}")
            return
        self._drop_lost()
        if self._attempts:
            self._hurry(now)
        elif self._resume_at is None or now >= self._resume_at or self._has_news:
            self._resume_at = None
            self._ask_next()

    def _drop_lost(self) -> None:
        """Stop waiting for servers that went silent, and for a leader that is gone."""
        for task, attempt in list(self._attempts.items()):
            server = attempt.server
            if server.is_out and not attempt.was_out:
                reason = "stopped answering"
                attempt.count("timeout")
            elif server.leaders_seen > attempt.leaders_seen:
                if not server.slots.has_room(poll=not self._is_short):
                    continue
                reason = "forwarded it to a leader that is gone"
                attempt.count("failure")
                self._tried.discard(server)
            else:
                continue
            self._failures[server.name] = reason
            del self._attempts[task]
            self._rotation.leave(task, attempt, self._question.call)

    def _hurry(self, now: float) -> None:
        """Suspect a silent server; ask another one beside it if it proves to be well."""
        newest = max(self._attempts.values(), key=lambda attempt: attempt.began)
        if not self._is_short:
            return
        for attempt in self._attempts.values():
            if not attempt.suspected and now >= attempt.began + self._limits.suspect_after:
                attempt.suspected = True
                self._rotation.wake(attempt.server)
        if self._hedging and now >= newest.began + self._limits.timeout:
            left = [server for server in self._untried() if not server.is_out]
            if left and self._rotation.hedge():
                newest.count("timeout")
                self._ask(left[0])
            else:
                self._hedging = False

    def _untried(self) -> list[Server]:
        return [server for server in self._candidates() if server not in self._tried]

    def _ask_next(self) -> None:
        """Ask the next server of this round that has room, or end the round."""
        for server in self._untried():
            self._tried.add(server)
            if server.is_out and self._accepted:
                # Its heartbeat will say when it is back; while others take questions it is
                # not worth an attempt.
                continue
            if server.slots.has_room(poll=not self._is_short):
                self._ask(server)
                return
            self._failures[server.name] = "has all its connections in use"
            self._full = True
        self._end_round()

    def _ask(self, server: Server) -> None:
        self._tried.add(server)
        now = self._now()
        poll = self._question.call.poll
        target = self._target
        if poll is not None and poll.wait is not None and not self._is_leaving and self._failures:
            target = with_wait(target, poll.wait - (now - self._began))
        if not self._is_short:
            self._rotation.listen(server)
        asking = self._rotation.courier.read(server, self._question, target)
        task = asyncio.create_task(asking)
        self._attempts[task] = Attempt(server, now, server.leaders_seen, server.is_out)

    def _end_round(self) -> None:
        """Everyone was asked: decide whether, and when, to ask again."""
        self._tried.clear()
        if self._full and not self._is_short:
            raise LimitReached(
                503,
                f"watch.max_per_server ({self._limits.poll_limit}) is reached at every server",
            )
        if self._accepted or self._full:
            self._pauses += 1
            pause = backoff(self._pauses, first=FIRST_PAUSE, most=LONGEST_PAUSE)
            for server in self._candidates():
                self._rotation.wake(server)
        elif self._rounds < self._limits.max_retries:
            self._rounds += 1
            pause = self._limits.retry_delay
        else:
            self._give_up(None)
            return
        self._accepted = self._full = False
        self._resume_at = self._now() + pause

    def _take_leave(self, now: float) -> None:
        """The edge is shutting down: ask a poll's current value, do not begin what never ends."""
        self._is_leaving = True
        if self._question.call.endpoint.stream:
            if self._question.call.endpoint.endless:
                raise LimitReached(503, "the edge is shutting down")
            return
        for task, attempt in self._attempts.items():
            self._rotation.leave(task, attempt, self._question.call)
        self._attempts.clear()
        self._tried.clear()
        self._target = at_once(self._question.call.target)
        self._end = now + LAST_WORD

    def _give_up(self, reason: str | None) -> None:
        if self._fallback is not None:
            self._settled = self._fallback
            return
        if reason:
            for attempt in self._attempts.values():
                attempt.count("timeout")
                self._failures[attempt.server.name] = reason
        if self._full:
            raise LimitReached(503, "consul.connections_per_server is reached at every server")
        raise NoServer(self._failures)
