"""
Where sites or rules come from, how young they are, and what is wrong with them.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import structlog
from msgspec import Struct

log = structlog.get_logger()

LOGGED: Final = 20
"""Problems of one document that are named in the log."""


class Source(StrEnum):
    """Where a value is from."""

    KV = "kv"
    FILE = "file"
    DEFAULTS = "defaults"
    NONE = "none"


class SourceStatus(Struct, frozen=True, kw_only=True):
    """How a source stands now."""

    source: Source

    where: str | None
    """The key or the path; None: nowhere, or the package."""

    loaded_at: datetime | None
    """When what is in force was read first (UTC); None: nothing was."""

    age_seconds: float | None
    """Since it was last proven to be what its place holds; None: it never was."""

    is_live: bool
    """Whether an edit would be noticed now."""

    error: str | None
    """Why what is there now is not in force, or cannot be read."""

    problems: Sequence[str]
    """What is wrong with parts of what is in force."""

    count: int
    """Sites or rules in force."""

    @property
    def is_read(self) -> bool:
        """Whether what is in force was read somewhere."""
        return self.source in (Source.KV, Source.FILE)


class Listeners:
    """Who is told of a change."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._listeners: list[Callable[[], None]] = []

    def add(self, changed: Callable[[], None]) -> None:
        """Tell *changed* of each; it must not wait."""
        self._listeners.append(changed)

    def tell(self) -> None:
        """Tell everybody."""
        for changed in self._listeners:
            try:
                changed()
            except Exception:
                # A defect of one must not keep the change from the others.
                log.exception("change was not heard")


def log_problems(what: str, where: str, problems: Sequence[str]) -> None:
    """Log what is wrong with parts of a document, once when it comes into force."""
    for problem in problems[:LOGGED]:
        log.warning("problem in document", what=what, where=where, problem=problem)
    if len(problems) > LOGGED:
        log.warning("problem in document", what=what, where=where, left_out=len(problems) - LOGGED)
