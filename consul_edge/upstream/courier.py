"""
Carries one question to one server: which session, which time-outs, whose slots.

Nothing here decides: a failure is raised, an answer returned, and both go to whoever asked.
"""

from collections.abc import AsyncIterable
from dataclasses import dataclass

import aiohttp

from consul_edge.core.blocking import patience
from consul_edge.core.headers import Pairs
from consul_edge.core.request import Call
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.client import Body, Client, Intent
from consul_edge.upstream.servers import Server

RESTORE_TIMEOUT = 600.0
"""Seconds for the answer to a write that streams: restoring a snapshot takes Consul long."""

HEARTBEAT_SHARE = 0.75
"""Of the read timeout, for a heartbeat; the first quarter makes a silent server suspect."""

ERROR_STATUS = frozenset({429, 500})
"""Answers that are judged by their text, and therefore read even where others are streamed."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, the same for each server."""

    call: Call
    headers: Pairs
    body: bytes | None


class Courier:
    """The only one who hands requests to the client's sessions."""

    def __init__(
        self, client: Client, *, timeout: float, deadline: float, write_timeout: float
    ) -> None:
        """
        Fix the time-outs; all in seconds.

        Args:
            timeout: For connecting, and three quarters of it for a heartbeat.

            deadline: For each silence of a short read.

            write_timeout: For the answer to a write.
        """
        self._client = client
        self._connect = timeout
        self._read = self._silence(deadline)
        self._stream = self._silence(None)
        self._write = self._silence(write_timeout)
        self._restore = self._silence(RESTORE_TIMEOUT)
        self._beat = aiohttp.ClientTimeout(total=timeout * HEARTBEAT_SHARE)

    async def read(self, server: Server, question: Question, target: str) -> Answer:
        """
        Ask *server* for *target*, which may differ from the question's own in its wait.

        Raises:
            ServerFailed: When there is no answer.
        """
        call = question.call
        is_long = call.poll is not None or call.endpoint.stream
        timeout = self._timeout(call)
        server.slots.take(poll=is_long)
        try:
            response = await self._client.send(
                server,
                Intent.WATCH if is_long else Intent.READ,
                call.method,
                target,
                question.headers,
                question.body,
                timeout,
            )
        except BaseException:
            server.slots.give(poll=is_long)
            raise
        answer = Answer(response, server, timeout, lambda: server.slots.give(poll=is_long))
        if not call.endpoint.stream or response.status in ERROR_STATUS:
            await answer.read()
        return answer

    async def write(
        self, server: Server, question: Question, stream: AsyncIterable[bytes] | None
    ) -> Answer:
        """
        Send a write to *server*, once.

        Raises:
            ServerFailed: When there is no answer; its ``sent`` says whether it may have arrived.
        """
        timeout = self._write if stream is None else self._restore
        body: Body = question.body if stream is None else stream
        server.slots.take(poll=False)
        try:
            response = await self._client.send(
                server,
                Intent.WRITE,
                question.call.method,
                question.call.target,
                question.headers,
                body,
                timeout,
            )
        except BaseException:
            server.slots.give(poll=False)
            raise
        answer = Answer(response, server, timeout, lambda: server.slots.give(poll=False))
        await answer.read()
        return answer

    async def leader(self, server: Server) -> str | None:
        """
        Ask *server* who leads; it answers at once, also without a leader.

        Returns:
            The leader's RPC address, "" without one, None if the answer was something else.

        Raises:
            ServerFailed: When there is no answer.
        """
        answer = await self._client.send(
            server, Intent.WATCH, "GET", "/v1/status/leader", [], None, self._beat
        )
        async with answer:
            text = (await answer.text()).strip()
        return text.strip('"') if answer.status == 200 and text.startswith('"') else None

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    def _timeout(self, call: Call) -> aiohttp.ClientTimeout:
        if call.poll is not None:
            return self._silence(patience(call.poll.wait))
        return self._stream if call.endpoint.stream else self._read

    def _silence(self, seconds: float | None) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=None, sock_connect=self._connect, sock_read=seconds)
