"""
One read on its way over the servers, until there is an answer.

- A server that refuses, breaks off or has lost its leader: the next one is asked at once.
- A server that is silent: its heartbeat is taken.  If that fails too the read moves on; if it is
  well, the endpoint is slow and a second server is asked *beside* it, as the budget allows.
- Another leader was found: whatever was forwarded to the old one is asked again.
- All were asked: while any of them listens the read waits for news of a leader, up to its
  deadline; when none does, the configured rounds, then the 500.

Polls and streams may be pending for as long as they like; their deadline runs while they are not.
"""

import asyncio
import math
from typing import Any

from consul_edge.core.backoff import backoff
from consul_edge.core.durations import render_duration
from consul_edge.core.errors import Refused, ServerFailed
from consul_edge.core.failover import Verdict
from consul_edge.core.request import at_once, with_wait
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.courier import Question
from consul_edge.upstream.failures import Failures
from consul_edge.upstream.rotation import Attempt, Candidates, Rotation
from consul_edge.upstream.servers import Server

LAST_WORD = 1.0
"""Seconds that a parked poll gets for its current value when the edge shuts down."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Seconds between rounds while servers listen without being able to serve."""


class Read:
    """The race of attempts for one question."""

    def __init__(
        self,
        rotation: Rotation,
        question: Question,
        candidates: Candidates,
        begun: tuple[asyncio.Task[Answer], Attempt] | None = None,
    ) -> None:
        """
        Prepare to ask *candidates*, anew in each round.

        Args:
            begun: An attempt that is under way, or has ended without settling it.
        """
        self._rotation = rotation
        self._limits = rotation.limits
        self._question = question
        self._candidates = candidates
        self._is_short = question.is_short
        self._began = rotation.now()
        self._attempts: dict[asyncio.Task[Answer], Attempt] = {}
        self._asked: set[Server] = set()
        """In this round."""
        self._failures = Failures()
        self._is_heard = False
        """Whether, in this round, a server took the question, whatever it made of it."""
        self._rounds_left = self._limits.max_retries
        self._pauses = 0
        self._resume_at: float | None = None
        self._has_news = False
        self._may_hedge = self._is_short
        self._trouble_since = self._began if self._is_short else math.inf
        self._last_word_until: float | None = None
        if begun is not None:
            task, attempt = begun
            self._began = self._trouble_since = attempt.began
            self._attempts[task] = attempt
            self._asked.add(attempt.server)

    async def answer(self) -> Answer:
        """
        Return the first usable answer, or an error of Consul's that stayed.

        Raises:
            NoServer: When no server gave any.

            LimitReached: When every server has all its connections in use.
        """
        try:
            answer = None if self._attempts else self._ask_next()
            while answer is None:
                answer = self._take_done() or self._react()
                if answer is None:
                    await self._wait()
            return answer
        finally:
            for task, attempt in self._attempts.items():
                self._rotation.leave(task, attempt, self._question.call)

    async def _wait(self) -> None:
        """Wait for an attempt's end, for news, or until ``_react`` has something to do."""
        if any(task.done() for task in self._attempts):
            return
        until = min(self._times())
        news = self._rotation.servers.news()
        awaited: set[asyncio.Future[Any]] = {*self._attempts, news}
        await asyncio.wait(
            awaited,
            timeout=None if until == math.inf else max(until - self._rotation.now(), 0.0),
            return_when=asyncio.FIRST_COMPLETED,
        )
        self._has_news = news.done()

    def _times(self) -> list[float]:
        """List the moments at which ``_react`` will do something that it does not do now."""
        times = [self._deadline()]
        if self._resume_at is not None:
            times.append(self._resume_at)
        for attempt in self._attempts.values():
            if attempt.was_out:
                times.append(attempt.began + self._limits.timeout)
            if self._is_short and not attempt.suspected:
                times.append(attempt.began + self._limits.suspect_after)
        if self._may_hedge and self._attempts:
            times.append(self._newest().began + self._limits.timeout)
        return times

    def _deadline(self) -> float:
        if self._last_word_until is not None:
            return self._last_word_until
        if self._attempts and not self._is_short:
            return math.inf
        return self._trouble_since + self._limits.deadline

    def _newest(self) -> Attempt:
        return max(self._attempts.values(), key=lambda attempt: attempt.began)

    def _take_done(self) -> Answer | None:
        """Look at the attempts that have ended; return the answer that settles it."""
        for task in [task for task in self._attempts if task.done()]:
            attempt = self._attempts.pop(task)
            if not self._is_short:
                self._note_trouble(attempt)
            try:
                answer = task.result()
            except ServerFailed as error:
                attempt.count("timeout" if error.timed_out else "failure")
                self._failures.note(attempt.server, error.reason)
                self._is_heard |= error.sent
                self._rotation.failed(attempt.server, error)
                continue
            self._is_heard = True
            if answer.verdict is Verdict.FINAL:
                attempt.count("success")
                self._rotation.servers.answered(attempt.server)
                return answer
            attempt.count("failure")
            self._failures.note_answer(attempt.server, answer)
            if answer.verdict is not Verdict.ELSEWHERE:
                self._rotation.wake(attempt.server)
            elif not self._rotation.budget.spend():
                return answer
        return None

    def _note_trouble(self, attempt: Attempt) -> None:
        """Let a poll's deadline begin when it is first lost, and anew if it was held since."""
        now = self._rotation.now()
        if self._trouble_since == math.inf or now - attempt.began > self._limits.deadline:
            self._trouble_since = now

    def _react(self) -> Answer | None:
        """Change what is under way to fit the situation; raise when nothing is left to try."""
        now = self._rotation.now()
        if self._rotation.is_draining and not self._is_short and self._last_word_until is None:
            self._say_goodbye(now)
        self._drop_lost(now)
        if now >= self._deadline():
            waited = round(now - self._began, 1)
            return self._give_up(f"timed out after {render_duration(waited)}")
        if self._attempts:
            self._hurry(now)
        elif self._resume_at is None or now >= self._resume_at or self._has_news:
            self._resume_at = None
            return self._ask_next()
        return None

    def _drop_lost(self, now: float) -> None:
        """Stop waiting for servers that went silent, and for a leader that is gone."""
        for task, attempt in list(self._attempts.items()):
            server = attempt.server
            attempt.was_out &= server.is_out
            if server.is_out and not attempt.was_out:
                status, reason = "timeout", "stopped answering"
            elif attempt.was_out and now >= attempt.began + self._limits.timeout:
                waited = render_duration(self._limits.timeout)
                status, reason = "timeout", f"timed out after {waited}"
            elif server.leaders_seen > attempt.leaders_seen and self._has_room(server):
                status, reason = "failure", "forwarded it to a leader that is gone"
                self._asked.discard(server)
                self._is_heard = True
            else:
                continue
            attempt.count(status)
            self._failures.note(server, reason)
            del self._attempts[task]
            if not self._is_short:
                self._note_trouble(attempt)
            self._rotation.leave(task, attempt, self._question.call)

    def _hurry(self, now: float) -> None:
        """Suspect silent servers; ask another beside them if that promises something."""
        if self._is_short:
            for attempt in self._attempts.values():
                if not attempt.suspected and now >= attempt.began + self._limits.suspect_after:
                    attempt.suspected = True
                    self._rotation.wake(attempt.server)
        pending = {attempt.server for attempt in self._attempts.values()}
        well = [one for one in self._candidates() if not one.is_out and one not in pending]
        if well and all(server.is_out for server in pending):
            # Whoever is well again is asked at once, beside those that were a last hope.
            self._ask(well[0])
        elif self._may_hedge and now >= self._newest().began + self._limits.timeout:
            others = [server for server in well if server not in self._asked]
            self._may_hedge = bool(others) and self._rotation.hedge()
            if self._may_hedge:
                self._newest().count("timeout")
                self._ask(others[0])

    def _ask_next(self) -> Answer | None:
        """Ask the next server of this round that has room, or end the round."""
        for server in self._candidates():
            if server in self._asked or (server.is_out and self._is_heard):
                # While others listen, the heartbeat of one that is out says when it is back.
                continue
            if self._has_room(server):
                self._ask(server)
                return None
            self._asked.add(server)
            self._failures.note_full(server, poll=not self._is_short)
        return self._end_round()

    def _has_room(self, server: Server) -> bool:
        is_last_word = self._last_word_until is not None
        return is_last_word or server.slots.has_room(poll=not self._is_short)

    def _ask(self, server: Server) -> None:
        self._asked.add(server)
        call = self._question.call
        now = self._rotation.now()
        target = call.target
        if self._last_word_until is not None:
            target = at_once(target)
        elif call.poll is not None and call.poll.wait is not None and self._failures:
            target = with_wait(target, call.poll.wait - (now - self._began))
        if not self._is_short:
            self._rotation.listen(server)
        attempt = Attempt(server, server.slots.lease(poll=not self._is_short), now)
        asking = self._rotation.courier.read(server, self._question, target, attempt.lease)
        self._attempts[asyncio.create_task(asking)] = attempt

    def _end_round(self) -> Answer | None:
        """Everyone was asked: decide whether, and when, to ask again."""
        first = self._trouble_since == math.inf
        if self._failures.limit and first:
            raise self._failures.to_error()
        if self._is_heard or self._failures.limit:
            self._pauses += 1
            pause = backoff(self._pauses, first=FIRST_PAUSE, most=LONGEST_PAUSE)
            for server in self._candidates():
                self._rotation.wake(server)
        elif self._rounds_left > 0:
            self._rounds_left -= 1
            pause = self._limits.retry_delay
        else:
            return self._give_up("")
        self._asked.clear()
        self._is_heard = False
        self._resume_at = self._rotation.now() + pause
        return None

    def _say_goodbye(self, now: float) -> None:
        """The edge shuts down: ask a poll's current value, do not begin what never ends."""
        if self._question.call.endpoint.endless:
            raise Refused(503, "the edge is shutting down")
        if self._question.call.poll is None:
            return
        self._last_word_until = now + LAST_WORD
        for task, attempt in self._attempts.items():
            self._rotation.leave(task, attempt, self._question.call)
        self._attempts.clear()
        self._asked.clear()
        self._resume_at = None

    def _give_up(self, reason: str) -> Answer:
        """Return Consul's own error, or say what each server did."""
        for attempt in self._attempts.values():
            attempt.count("timeout")
            self._failures.note(attempt.server, reason)
        if self._failures.error is None:
            raise self._failures.to_error()
        return self._failures.error
