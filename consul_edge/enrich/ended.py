"""
What was given up for something else, and is still to come to its end.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Ended:
    """Sees such ends through."""

    def __init__(self) -> None:
        """Begin with none."""
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, ending: Coroutine[Any, Any, None]) -> None:
        """See one through."""
        task = asyncio.create_task(ending, name="end of what was followed")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def wait(self) -> None:
        """Wait until there is none left."""
        await asyncio.gather(*self._tasks)
