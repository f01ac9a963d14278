"""
The common case of a read: the first server answers, long before anybody becomes suspicious.

Whatever is not the common case is the race's, with the attempt that is under way.
"""

import asyncio

from consul_edge.core.failover import Verdict
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.courier import Question
from consul_edge.upstream.reads import Read
from consul_edge.upstream.rotation import Attempt, Candidates, Rotation


async def read(rotation: Rotation, question: Question, candidates: Candidates) -> Answer:
    """
    Ask for an answer, as ``Read`` does it.

    The common case, a first server that answers long before anybody becomes suspicious, goes
    without a race.

    Raises:
        EdgeError: As ``Read.answer`` has them.
    """
    server = candidates()[0]
    if not question.is_short or server.is_out or not server.slots.has_room(poll=False):
        return await Read(rotation, question, candidates).answer()
    attempt = Attempt(server, server.slots.lease(poll=False), rotation.now())
    asking = rotation.courier.read(server, question, question.call.target, attempt.lease)
    task = asyncio.create_task(asking)
    try:
        await _end_of(task, rotation.limits.suspect_after)
    except BaseException:
        rotation.leave(task, attempt, question.call)
        raise
    if task.done() and task.exception() is None:
        answer = task.result()
        if answer.verdict is Verdict.FINAL:
            attempt.count("success")
            rotation.servers.answered(server)
            return answer
    return await Read(rotation, question, candidates, (task, attempt)).answer()


async def _end_of(task: asyncio.Task[Answer], seconds: float) -> None:
    """Wait for a task, or for so long; less than ``asyncio.wait`` does for one task."""
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()

    def wake(_: object = None) -> None:
        if not waiter.done():
            waiter.set_result(None)

    timer = loop.call_later(seconds, wake)
    task.add_done_callback(wake)
    try:
        await waiter
    finally:
        timer.cancel()
        task.remove_done_callback(wake)
