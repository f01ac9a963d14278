"""
A write on its way: whom it overtakes, and what it may have made worthless.

Rule 1: what was written is not answered from what was kept before, however the write ended; that
is its generation, and costs a fetch.
Rule 2: to forget costs the stand-ins, too: that is for writes which were done, or may have been.
A stranger's is refused, and one in an outage never sent: were those to forget what all have,
anybody could have it forgotten.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from consul_edge.cache.lines import Lines
from consul_edge.core.effects import Effect
from consul_edge.core.errors import LimitReached, NoServer
from consul_edge.core.failover import changes_nothing
from consul_edge.upstream.answer import Answer


@contextmanager
def writing(
    lines: Lines, touched: Sequence[Effect], forget: Callable[[], object] | None
) -> Iterator[Callable[[Answer], None]]:
    """
    Last for as long as a write does; give what is to be told its answer.

    Args:
        forget: Called behind a write of which it is not certain that nothing was done.
    """
    was_done = True

    def answered(answer: Answer) -> None:
        nonlocal was_done
        was_done = not changes_nothing(answer.status, answer.verdict)

    with lines.writing(touched):
        try:
            yield answered
        except (NoServer, LimitReached):
            was_done = False
            raise
        finally:
            if was_done and forget is not None:
                forget()
