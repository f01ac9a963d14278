"""
What is asked of rows, as values: all terms of a query hold, any test of a term does.

Texts in tests are in small letters; what tests mean is told in ``matching``.
"""

import re
from dataclasses import dataclass
from typing import Final

from consul_edge.enrich.columns import Column

NUMBER: Final = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
"""What is compared as a number, in a query and in a text."""


@dataclass(frozen=True, slots=True)
class Part:
    """The text is somewhere within."""

    text: str


@dataclass(frozen=True, slots=True)
class Whole:
    """The text is all of it; an empty one: there is none."""

    text: str


@dataclass(frozen=True, slots=True)
class Glob:
    """The parts follow each other with anything between them."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """It is a number, and compares so."""

    operator: str
    """One of ``= > >= < <=``."""

    number: float


@dataclass(frozen=True, slots=True)
class Pattern:
    """The regular expression is found in it."""

    pattern: str


Test = Part | Whole | Glob | Compare | Pattern


@dataclass(frozen=True, slots=True)
class Term:
    """One condition."""

    tests: tuple[Test, ...]
    """Any of them; their texts are in small letters."""

    column: Column | None = None
    """None: the row as a whole."""

    negated: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """All conditions."""

    terms: tuple[Term, ...] = ()


def searching(pattern: str) -> str:
    """Write a pattern that finds, for those who only match from the start."""
    return f"(?s:.*?)(?m:{pattern})"
