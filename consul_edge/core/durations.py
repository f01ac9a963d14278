"""
Durations as Go writes them, which is how Consul's users know them: ``10s``, ``1m30s``, ``500ms``.

Inside the edge a duration is a ``float`` of seconds; text exists only at the border.
"""

import re
from typing import Final

_NANOSECONDS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, the micro sign
    "μs": 1_000,  # U+03BC, the Greek letter: Go takes both
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_LONGEST: Final = 2**63 - 1
"""Nanoseconds in the longest duration that Go can hold: about 292 years."""

_DIGITS: Final = 19
"""Digits of ``_LONGEST``: more than these overflow (before the point) or vanish (after it)."""

_TERM: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?(" + "|".join(_NANOSECONDS) + ")")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")


def parse_duration(text: str) -> float:
    """
    Read a duration as Go's ``time.ParseDuration`` does.

    Args:
        text: A sign, then numbers each followed by its unit; only ``0`` may lack one.

    Returns:
        Seconds, negative if the text says so.

    Raises:
        ValueError: When Go would refuse the text, which the error then names.

    See Also:
        https://pkg.go.dev/time#ParseDuration

    >>> [parse_duration(text) for text in ("1m30s", "500ms", "1.5h", "-1s", "0")]
    [90.0, 0.5, 5400.0, -1.0, 0.0]
    """
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in {"-", "+"} else text
    if rest == "0":
        return 0.0
    nanoseconds = position = 0
    while rest and position < len(rest):
        term = _TERM.match(rest, position)
        if term is None or not (term[1] or term[2]):
            raise _no_duration(text)
        whole, fraction = term[1].lstrip("0"), (term[2] or "")[:_DIGITS]
        if len(whole) > _DIGITS:
            raise _no_duration(text)
        unit = _NANOSECONDS[term[3]]
        nanoseconds += int(whole or "0") * unit
        nanoseconds += int(fraction or "0") * unit // 10 ** len(fraction)
        position = term.end()
    # Go's range is that of a signed integer: one more below zero than above.
    if not rest or nanoseconds > _LONGEST + (sign < 0):
        raise _no_duration(text)
    return sign * nanoseconds / 1e9


def _no_duration(text: str) -> ValueError:
    return ValueError(f"expected a duration such as 2s, 1m30s or 500ms, not {text!r}")


def parse_seconds(value: str | float) -> float:
    """
    Read a duration of the configuration, where a bare number means seconds.

    Args:
        value: What YAML or the environment holds: a number, its digits, or a duration.

    Raises:
        ValueError: When it is neither, or is not finite, or is longer than Go could hold.

    >>> [parse_seconds(value) for value in (2, "2.0", "2s", 0.5)]
    [2.0, 2.0, 2.0, 0.5]
    """
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return parse_duration(value)
        value = float(value)
    # Also False for a NaN.  A bool is a number to Python and an accident here.
    if isinstance(value, bool) or not abs(value) <= _LONGEST / 1e9:
        raise _no_duration(str(value))
    return float(value)


def render_duration(seconds: float) -> str:
    """
    Write a duration so that ``parse_duration`` reads the same, to the nanosecond.

    Unlike Go's ``String`` it leaves out the units that are zero: ``1h``, not ``1h0m0s``.

    >>> [render_duration(seconds) for seconds in (2, 90, 0.5, 3600, 1.5, 0, -0.00025)]
    ['2s', '1m30s', '500ms', '1h', '1.5s', '0s', '-250µs']
    """
    nanoseconds = round(abs(seconds) * 1e9)
    sign = "-" if seconds < 0 and nanoseconds else ""
    if nanoseconds < _NANOSECONDS["s"]:
        for unit in ("ms", "µs", "ns"):
            if nanoseconds >= _NANOSECONDS[unit]:
                return f"{sign}{_decimal(nanoseconds, unit)}"
        return "0s"
    hours, nanoseconds = divmod(nanoseconds, _NANOSECONDS["h"])
    minutes, nanoseconds = divmod(nanoseconds, _NANOSECONDS["m"])
    return "".join(
        (
            sign,
            f"{hours}h" if hours else "",
            f"{minutes}m" if minutes else "",
            _decimal(nanoseconds, "s") if nanoseconds else "",
        )
    )


def _decimal(nanoseconds: int, unit: str) -> str:
    whole, rest = divmod(nanoseconds, _NANOSECONDS[unit])
    digits = f"{rest:0{len(str(_NANOSECONDS[unit])) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{digits}{unit}" if digits else f"{whole}{unit}"
