"""How many reads may be asked twice although nothing is known to be wrong."""

SHARE = 0.1
"""Of all reads: a slow endpoint must not double the load that makes it slow."""

SAVED = 10.0
"""Most that is saved up, so that a few slow reads after a quiet time are all helped."""


class RetryBudget:
    """
    A share of the reads, saved up to a bound.

    >>> budget = RetryBudget(share=0.5, most=1.0)
    >>> budget.spend(), budget.spend()
    (True, False)
    >>> budget.earn(); budget.earn(); budget.spend()
    True
    """

    def __init__(self, *, share: float = SHARE, most: float = SAVED) -> None:
        """Begin with all that can be saved."""
        self._share = share
        self._most = most
        self._saved = most

    def earn(self) -> None:
        """Count one read."""
        if self._saved < self._most:
            self._saved = min(self._saved + self._share, self._most)

    def spend(self) -> bool:
        """Take one second asking, if there is any left."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True
