"""Whether a contender answers as it should: one question by hand, apart from any load."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import urlsplit

PATIENCE: Final = 30.0
"""Seconds for an answer."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What an answer must be; 200 it must always be."""

    body_bytes: int | None = None
    """None: they differ."""

    header: str = ""
    """Which shows that the answer comes from memory; without it no matter where from."""

    shows: str = ""
    """A pattern that is in it then."""


LIVE: Final = ("Cache-Status", "hit; detail=live")
"""The edge's word for an answer from memory that is proven fresh."""


def trouble_of(base: str, target: str, headers: Mapping[str, str], expected: Expected) -> str:
    """Ask once, and say what is wrong with the answer; nothing if all is well."""
    connection = HTTPConnection(urlsplit(base).netloc, timeout=PATIENCE)
    try:
        connection.request("GET", target, headers=dict(headers))
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, HTTPException) as error:
        return f"no answer: {error!r}"
    finally:
        connection.close()
    if answer.status != 200:
        return f"{answer.status} {body[:100].decode(errors='replace').strip()}"
    if expected.body_bytes is not None and len(body) != expected.body_bytes:
        return f"{len(body):,} bytes of body instead of {expected.body_bytes:,}"
    said = answer.headers.get(expected.header, "") if expected.header else ""
    if re.search(expected.shows, said) is None:
        return f"not from memory: {expected.header}: {said or 'none'}"
    return ""
