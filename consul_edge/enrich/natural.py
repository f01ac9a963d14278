"""
The order that people expect of names: ``web2`` before ``web10``, whatever the case.

A text becomes a key that is compared as plain text: small letters, and before each run of digits,
freed of its leading zeros, its length; behind it, after a zero character, the text itself, which
tells equal ones apart. It is a key and no comparison because a key is made once for each text,
and a page can make the same one.
"""

import re
from typing import Final

_DIGITS: Final = re.compile(r"0*([0-9]+)")

_LENGTHS: Final = [f"{length:05}" for length in range(100)]


def natural_key(text: str) -> str:
    r"""
    Make the key of a text.

    >>> natural_key("Web02")
    'web000012\x00Web02'
    >>> sorted(["web10", "Web2", "web02", "web", "web1.9", "web1.10"], key=natural_key)
    ['web', 'web1.9', 'web1.10', 'Web2', 'web02', 'web10']
    """
    parts = _DIGITS.split(text.lower())
    for place in range(1, len(parts), 2):
        length = len(parts[place])
        parts[place - 1] += _LENGTHS[length] if length < len(_LENGTHS) else f"{length:05}"
    parts.append("\0")
    parts.append(text)
    return "".join(parts)
