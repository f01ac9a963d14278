"""
One write: sent to one server, and to another only while it is certain that nothing was done.

That is certain in two cases alone: the connection failed before a byte was sent, or Consul says
``No cluster leader`` ("always safe to retry since no state could have been changed",
``agent/consul/rpc.go``).  Everything else is told to the client, whose question it is.
"""

import asyncio
from collections.abc import AsyncIterable

from consul_edge.core.errors import EdgeError, ServerFailed
from consul_edge.core.failover import Verdict
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.courier import Question
from consul_edge.upstream.failures import Failures
from consul_edge.upstream.rotation import Candidates, Rotation


async def write(
    rotation: Rotation,
    question: Question,
    stream: AsyncIterable[bytes] | None,
    candidates: Candidates,
) -> Answer:
    """
    Send one write.

    Args:
        stream: The body if it is too large to be held; *question* has none then.

    Raises:
        ServerFailed: When it is unknown whether the write was done.

        NoServer: When no server was reached; nothing was done.

        LimitReached: When every server has all its connections in use; nothing was done.
    """
    failures = Failures()
    begun = _Begun(stream) if stream is not None else None
    for round_ in range(rotation.limits.max_retries + 1):
        if round_:
            await asyncio.sleep(rotation.limits.retry_delay)
        for server in candidates():
            if not server.slots.has_room(poll=False):
                failures.note_full(server, poll=False)
                continue
            lease = server.slots.lease(poll=False)
            try:
                answer = await rotation.courier.write(server, question, begun, lease)
            except ServerFailed as error:
                server.count("timeout" if error.timed_out else "failure")
                rotation.failed(server, error)
                if error.sent:
                    raise _ambiguous(error) from error
                failures.note(server, error.reason)
                continue
            if answer.verdict is not Verdict.NO_LEADER or (begun is not None and begun.is_begun):
                server.count("success" if answer.verdict is Verdict.FINAL else "failure")
                rotation.servers.answered(server)
                return answer
            server.count("failure")
            rotation.wake(server)
            failures.note_answer(server, answer)
    if failures.error is None:
        raise failures.to_error()
    return failures.error


class _Begun:
    """A body that comes from the client, and whether any of it was taken."""

    def __init__(self, stream: AsyncIterable[bytes]) -> None:
        self._stream = stream
        self.is_begun = False

    def __aiter__(self) -> "_Begun":
        self._chunks = aiter(self._stream)
        return self

    async def __anext__(self) -> bytes:
        self.is_begun = True
        return await anext(self._chunks)


def _ambiguous(error: ServerFailed) -> EdgeError:
    text = f"{error}; whether the write was carried out is not known, and it was not repeated"
    return EdgeError(text)
