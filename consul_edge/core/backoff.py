"""Waiting longer after each failure."""


def backoff(failures: int, *, first: float, most: float, jitter: float = 1.0) -> float:
    """
    Choose the seconds to wait after the *failures*-th failure in a row.

    Args:
        failures: 1 for the first.

        first: Seconds after the first failure; doubled with each further one.

        most: Seconds never exceeded.

        jitter: A random number in [0, 1), drawn by the caller, that takes away up to half, so
            that many instances do not come back at the same moment.  1 takes nothing.

    >>> [backoff(n, first=0.5, most=5.0) for n in (1, 2, 5, 2000)]
    [0.5, 1.0, 5.0, 5.0]
    """
    return min(first * 2.0 ** min(failures - 1, 64), most) * (0.5 + jitter / 2)
