"""
How often something may be done: a token bucket, as Consul's own advice for blocking queries has it
("a token bucket with burst"; CONSUL.md A.1).
"""


class Pace:
    """Lets *burst* things happen at once, and then one each *interval*."""

    __slots__ = ("_burst", "_spent_until", "interval")

    def __init__(self, *, burst: int, interval: float) -> None:
        """Begin with a full bucket; an *interval* of 0 s never delays."""
        self._burst = burst
        self.interval = interval
        """May be changed at any time."""
        self._spent_until = float("-inf")
        """When the bucket will be full again."""

    def delay(self, now: float) -> float:
        """
        Take one, and say how many seconds to wait before doing it.

        >>> pace = Pace(burst=2, interval=1.0)
        >>> [pace.delay(now) for now in (10.0, 10.0, 10.0, 20.0)]
        [0.0, 0.0, 1.0, 0.0]
        """
        full_at = max(self._spent_until, now)
        self._spent_until = full_at + self.interval
        return max(full_at - now - (self._burst - 1) * self.interval, 0.0)
