"""Sizes in bytes: ``64KiB``, ``256MiB``.  Only units of 1024, so that none can be misread."""

import re
from typing import Final

_UNITS: Final = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_SIZE: Final = re.compile(r"([0-9]{1,18})(" + "|".join(_UNITS) + ")?")


def parse_size(value: str | int) -> int:
    """
    Read a size of the configuration, where a bare number means bytes.

    Raises:
        ValueError: When it is negative or no size.  ``64KB`` is none: half of its readers take
            it for 64,000 bytes.

    >>> [parse_size(value) for value in ("64KiB", "256MiB", "512B", "10", 7)]
    [65536, 268435456, 512, 10, 7]
    """
    found = None if isinstance(value, bool) else _SIZE.fullmatch(str(value))
    if found is None:
        raise ValueError(f"expected a size such as 64KiB, 256MiB or 1GiB, not {value!r}")
    return int(found[1]) * _UNITS[found[2] or "B"]


def render_size(count: int) -> str:
    """
    Write a number of bytes in the largest unit that needs no fraction.

    >>> [render_size(count) for count in (65536, 268435456, 1536, 1, 0)]
    ['64KiB', '256MiB', '1536B', '1B', '0B']
    """
    for unit, size in reversed(_UNITS.items()):
        if count >= size and count % size == 0:
            return f"{count // size}{unit}"
    return f"{count}B"
