"""
Reading one mapping of a rules document field by field, so that no problem hides another.

Rule 1: an error disables the rule whose mapping it is; a warning disables nothing.
Rule 2: a mapping's keys are counted before they are walked.
"""

import difflib
from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import Any, Final

import msgspec

from consul_edge.enrich.document import shown

_MAX_KEYS: Final = 100
_MAX_LOOSE: Final = 100


class Severity(StrEnum):
    """What a problem means for its rule."""

    ERROR = "error"
    """It does not take part."""

    WARNING = "warning"
    """It does."""


class RuleProblem(msgspec.Struct, frozen=True):
    """One thing wrong with a rules document."""

    rule: str
    """Its id, or ``rules[7]`` by its place if that is not known; nothing: of the whole."""

    field: str
    """Dotted path within the rule or document."""

    value: str
    """What was found, shortened."""

    expected: str

    severity: Severity

    def __str__(self) -> str:
        """
        Say it in a line.

        >>> str(RuleProblem("ping", "priority", "0", "expected a whole number", Severity.ERROR))
        'rule ping: priority: 0: expected a whole number; the rule is disabled'
        """
        of = f"rule {self.rule}: " if self.rule else ""
        end = "; the rule is disabled" if self.severity is Severity.ERROR else ""
        return f"{of}{self.field}: {self.value}: {self.expected}{end}"


Problems = list[RuleProblem]


class Fields:
    """The fields of one mapping, and whether they are good so far."""

    def __init__(
        self,
        rule: str,
        values: Mapping[Any, object],
        problems: Problems,
        *,
        prefix: str = "",
        worst: Severity = Severity.ERROR,
    ) -> None:
        """
        Begin with *values*.

        Args:
            rule: As problems name it.

            values: What was found.

            problems: Where those found go.

            prefix: Path of the mapping within its rule.

            worst: WARNING where there is no rule to disable.
        """
        self._rule = rule
        self._values = values
        self._problems = problems
        self._prefix = prefix
        self._worst = worst
        self._errors: list[str] = []

    def below(
        self, field: str, values: Mapping[Any, object], worst: Severity = Severity.ERROR
    ) -> "Fields":
        """Go on in the mapping that is one of the fields; what is bad there is bad here."""
        path = f"{self._prefix}{field}."
        inner = Fields(self._rule, values, self._problems, prefix=path, worst=worst)
        inner._errors = self._errors
        return inner

    @property
    def are_good(self) -> bool:
        """Whether no error was found, here or in a field's own mapping."""
        return not self._errors

    def error(self, field: str, value: str, expected: str) -> None:
        """Report what disables the rule."""
        self._report(field, value, expected, Severity.ERROR)

    def warn(self, field: str, value: str, expected: str) -> None:
        """Report what disables nothing."""
        self._report(field, value, expected, Severity.WARNING)

    def know(self, known: Iterable[str], severity: Severity = Severity.WARNING) -> None:
        """Report the keys that are not among the *known*."""
        if len(self._values) > _MAX_KEYS:
            found = f"{len(self._values):,} keys"
            self.error("keys", found, f"expected at most {_MAX_KEYS}")
            return
        names = tuple(known)
        for key, value in self._values.items():
            if key not in names:
                text = key[:_MAX_KEYS] if isinstance(key, str) else ""
                near = difflib.get_close_matches(text, names, n=1)
                expected = f"unknown; did you mean {near[0]}?" if near else "unknown"
                self._report(text or shown(key), shown(value), expected, severity)

    def text(self, field: str, longest: int) -> str:
        """Read a text; nothing if it is absent, null or bad."""
        value = self._values.get(field)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.error(field, shown(value), "expected a text")
            return ""
        if len(value) > longest:
            self.error(field, shown(value), f"expected at most {longest:,} characters")
            return ""
        return value

    def loose_text(self, field: str) -> str:
        """Read what is only shown: YAML takes 1.0 for a number and a date for a date."""
        value = self._values.get(field)
        if isinstance(value, date):
            return value.isoformat()
        if value is None or isinstance(value, list | Mapping):
            return ""
        return value[:_MAX_LOOSE] if isinstance(value, str) else shown(value)

    def _report(self, field: str, value: str, expected: str, severity: Severity) -> None:
        if self._worst is Severity.WARNING:
            severity = Severity.WARNING
        if severity is Severity.ERROR:
            self._errors.append(field)
        path = f"{self._prefix}{field}"
        self._problems.append(RuleProblem(self._rule, path, value, expected, severity))
