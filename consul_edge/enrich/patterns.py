r"""
The patterns of rules: many against one text in one pass, in linear time; the only user of RE2.

Rules are written by whoever may write a key of Consul's, and ``re`` needs seconds for ``^(a+)+$``.
Rule 1: a pattern must match at the text's start, not up to its end, whatever the case.
Rule 2: ``$`` is the end of the text alone, where ``re`` also takes a newline before it; ``\d``,
``\w`` and ``\b`` know ASCII only, case-folding knows Unicode.
Rule 3: what is accepted here always works. A ``Set`` whose automaton has no room says "no match"
and no more, so each pattern and all together are measured before one is made.
"""

from collections.abc import Iterable
from typing import Final

import re2

from consul_edge.core.errors import EdgeError

SET_BYTES: Final = 64 << 20
"""Room for a set: its program, and the states of its automaton as texts need them."""

SET_STEPS: Final = 400_000
"""Steps that a set's patterns may have: a state is 4 bytes a step, RE2 demands room for 20."""

PATTERN_STEPS: Final = 20_000
"""Steps of one pattern: a thousand letters are a thousand; ``\\pL{20}`` has 24,000."""

_STEP_BYTES: Final = 52
"""Of what RE2 may take for a pattern, what it wants for each step: beyond it gives up early."""

_ROOM_BYTES: Final = 4 << 10
"""What it wants besides."""


class BadPattern(EdgeError):
    """Raised with the reason why a pattern cannot be used."""


class PatternSet:
    """Patterns that are asked all at once; may be asked by several threads."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """Compile *patterns*, each measured before, none of them twice."""
        self._set = re2.Set.MatchSet(_options(SET_BYTES))
        self._is_empty = True
        for pattern in patterns:
            self._set.Add(_encode(pattern))
            self._is_empty = False
        if not self._is_empty:
            self._set.Compile()

    def matches(self, text: str) -> list[int]:
        """Tell the places of those patterns that *text* begins with, in no order."""
        if self._is_empty:
            return []
        # A lone surrogate is a character to RE2, as it is to Python; JSON may hold one.
        return self._set.Match(text.encode("utf-8", "surrogatepass")) or []


def measure(pattern: str, most: int = PATTERN_STEPS) -> int:
    """
    Count the steps of a pattern, in a time that *most* bounds.

    Raises:
        BadPattern: When RE2 refuses it, or it has more than *most* steps.
    """
    try:
        options = _options(_ROOM_BYTES + most * _STEP_BYTES)
        steps: int = re2.compile(_encode(pattern), options).programsize
    except UnicodeEncodeError:
        raise BadPattern("it is no Unicode text") from None
    except re2.error as error:
        reason = error.args[0]
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise BadPattern(text) from None
    finally:
        re2.purge()  # it keeps the last 128
    if steps > most:
        raise BadPattern(f"pattern too large: {steps:,} steps, at most {most:,}")
    return steps


def is_pattern(pattern: str) -> bool:
    """
    Tell whether RE2 can read a pattern, without the price of compiling it.

    >>> is_pattern("(a)(b)"), is_pattern("a)(b")
    (True, False)
    """
    try:
        re2.Set.MatchSet(_options(SET_BYTES)).Add(_encode(pattern))
    except (UnicodeEncodeError, re2.error):
        return False
    return True


def _encode(pattern: str) -> bytes:
    return pattern.encode()


def _options(max_bytes: int) -> re2.Options:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False  # to stderr, that is, in a form of its own
    options.never_capture = True
    options.max_mem = max_bytes
    return options
