"""
How many watches the enrichment may have: half of all, so that clients keep the other half.
"""

from collections.abc import Callable


class Allowance:
    """A number of watches, shared by the pictures of all identities."""

    def __init__(self, limit: Callable[[], int]) -> None:
        """
        Begin with none taken.

        Args:
            limit: Gives how many watches there may be at all servers together, now.
        """
        self._limit = limit
        self._taken = 0

    def resize(self, before: int, after: int) -> bool:
        """
        Take *after* in place of the *before* that the caller has; tell whether that was granted.

        What was granted before may not be any more: servers went away.  None always is.
        """
        rest = self._taken - before
        if after and rest + after > self._limit() // 2:
            return False
        self._taken = rest + after
        return True
