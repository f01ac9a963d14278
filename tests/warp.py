"""A clock that a test moves: ten minutes of timers pass in a second."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class WarpLoop(asyncio.SelectorEventLoop):
    """An event loop whose time runs ahead of the world's when told to."""

    def __init__(self) -> None:
        """Begin at the world's time."""
        super().__init__()
        self._ahead = 0.0

    def time(self) -> float:
        """Return the world's monotonic time plus what was skipped."""
        return super().time() + self._ahead

    def skip(self, seconds: float) -> None:
        """Let *seconds* pass: every timer due by then fires in the next turn."""
        self._ahead += seconds


def warped(work: Coroutine[Any, Any, T]) -> T:
    """Run *work* in a loop of its own whose clock can be moved."""
    with asyncio.Runner(loop_factory=WarpLoop) as runner:
        return runner.run(work)


def skip(seconds: float) -> None:
    """Let *seconds* pass in the running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, WarpLoop)
    loop.skip(seconds)
