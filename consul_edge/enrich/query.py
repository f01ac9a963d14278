r"""
The search grammar: the text of ``q`` to a value, or to an error that says where it is wrong.

::

    query  := term*                      all of them hold, blanks between them
    term   := ["-"] atom                 "-" turns it round
    atom   := field ":" value ("," value)*   any of the values holds for any text of the field
            | "/" regex "/"              found anywhere in the row
            | text                       part of any text of the row
    value  := [">" | ">=" | "<" | "<=" | "="] text  |  "/" regex "/"
    text   := word | '"' any '"'         \" and \\ within quotes

Rule 1: case never matters.  A plain value is a part of a text field, the whole of a choice (site,
status, tag, ...), a number of a number field.  ``=`` makes it the whole anywhere; ``*`` in a value
without quotes is anything, so ``meta.os:*`` is "has one"; ``""`` is "has none".
Rule 2: what stands before a colon is a field only if it is known; it is an error if it could be
one.  ``10.0.0.1:9100``, ``localhost:9100`` and ``http://x`` are words.
Rule 3: a regex that RE2 refuses is an error, not a text: it would answer another question.
Rule 4: an error has a code and a position, counted in characters (code points), which the page's
twin of this module gives as well; tests/enrich/query_vectors.json is what both must agree on.
"""

import difflib
import re
from typing import Final, NoReturn

from consul_edge.core.errors import BadRequest
from consul_edge.enrich.columns import Column, Kind, Schema
from consul_edge.enrich.patterns import BadPattern, is_pattern, measure
from consul_edge.enrich.terms import (
    NUMBER,
    Compare,
    Glob,
    Part,
    Pattern,
    Query,
    Term,
    Test,
    Whole,
    searching,
)

MAX_LENGTH: Final = 2_000
MAX_VALUES: Final = 100
"""Of all terms together: each is held against each distinct text."""

MAX_PATTERNS: Final = 8
"""Of them: a pattern takes far longer than a text, to read as well as to find."""

MAX_STEPS: Final = 10_000
"""Of all patterns together; who reads a query holds everybody else up."""

_BLANKS: Final = " \t\r\n\v\f\u00a0"
_FIELD: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]{0,140}):")
_COULD_BE_FIELD: Final = re.compile(r"[A-Za-z_]+")
_META: Final = re.compile(r"meta\.[A-Za-z0-9_-]{1,128}", re.IGNORECASE)
_OPERATOR: Final = re.compile(r">=|<=|>|<|=")
_PORT: Final = re.compile(r"[0-9]+")


class QueryError(BadRequest):
    """Raised when the text of a query is none."""

    def __init__(self, code: str, position: int, reason: str) -> None:
        """Say what is wrong at *position*, which is within the text or just behind it."""
        super().__init__(f"q: at character {position + 1}: {reason}")
        self.code = code
        self.position = position
        self.reason = reason


def parse_query(text: str, schema: Schema) -> Query:
    """
    Read a query about rows of a *schema*.

    Raises:
        QueryError: With code and position.
    """
    if len(text) > MAX_LENGTH:
        raise QueryError("too-long", MAX_LENGTH, f"expected at most {MAX_LENGTH:,} characters")
    return Query(tuple(_Reader(text, schema).terms()))


class _Reader:
    """A text, and how far it has been read; each step reads on or ends."""

    def __init__(self, text: str, schema: Schema) -> None:
        self._text = text
        self._schema = schema
        self._at = 0
        self._values = 0
        self._patterns = 0
        self._steps = 0

    def terms(self) -> list[Term]:
        terms = []
        self._skip_blanks()
        while self._at < len(self._text):
            terms.append(self._term())
            self._skip_blanks()
        return terms

    def _term(self) -> Term:
        negated = self._peek() == "-" and not self._ends(self._at + 1)
        self._at += negated
        column = self._column()
        if column is not None:
            return Term(tuple(self._tests(column)), column, negated)
        self._count()
        pattern = self._pattern("")
        if pattern is not None:
            return Term((pattern,), None, negated)
        if self._peek() == '"':
            return Term((Part(self._quoted("").lower()),), None, negated)
        return Term((Part(self._word("").lower()),), None, negated)

    def _column(self) -> Column | None:
        match = _FIELD.match(self._text, self._at)
        if match is None:
            return None
        name = match[1]
        column = None
        if not name.lower().startswith("meta.") or _META.fullmatch(name):
            column = self._schema.find(name)
        if column is not None:
            self._at = match.end()
            return column
        rest = self._rest(match.end())
        if rest.startswith("//") or _PORT.fullmatch(rest) or not _COULD_BE_FIELD.fullmatch(name):
            return None
        near = difflib.get_close_matches(name.lower(), self._schema.columns, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        reason = f"no field is called {name}; {hint}in quotes it is a text"
        raise QueryError("unknown-field", self._at, reason)

    def _tests(self, column: Column) -> list[Test]:
        start = self._at
        tests: list[Test] = []
        while True:
            while self._peek() == ",":
                self._at += 1
            if self._ends(self._at):
                break
            self._count()
            tests.append(self._test(column))
            if self._peek() != ",":
                break
        if not tests:
            self._fail("no-value", start, f"expected a value of {column.name}")
        if not self._ends(self._at):
            self._fail("no-blank", self._at, "expected a blank or a comma here")
        return tests

    def _test(self, column: Column) -> Test:
        start = self._at
        if column.kind is not Kind.NUMBER:
            pattern = self._pattern(",")
            if pattern is not None:
                return pattern
        match = _OPERATOR.match(self._text, self._at)
        operator = match[0] if match else ""
        self._at += len(operator)
        quoted = self._peek() == '"'
        value_at = self._at
        value = (self._quoted(",") if quoted else self._word(",")).lower()
        if operator and not value and not quoted:
            self._fail("no-value", value_at, f"expected a value behind {operator}")
        if column.kind is Kind.NUMBER:
            return Compare(operator or "=", self._number(value, value_at, column))
        if operator not in {"", "="}:
            if column.kind is not Kind.META:
                self._fail("no-comparison", start, f"{column.name} is no number")
            return Compare(operator, self._number(value, value_at, column))
        if operator or not value:
            return Whole(value)
        if "*" in value and not quoted:
            return Glob(tuple(value.split("*")))
        return Whole(value) if column.kind is Kind.CHOICE else Part(value)

    def _number(self, text: str, at: int, column: Column) -> float:
        if not NUMBER.fullmatch(text):
            self._fail("no-number", at, f"expected a number for {column.name}")
        return float(text)

    def _pattern(self, also: str) -> Pattern | None:
        """Read ``/regex/`` if what begins here ends like one."""
        if self._peek() != "/":
            return None
        end = self._at + 1
        while end < len(self._text):
            if self._text[end] == "\\":
                end += 1
            elif self._text[end] == "/" and self._ends(end + 1, also):
                break
            end += 1
        pattern = self._text[self._at + 1 : end]
        if end >= len(self._text) or not pattern:
            return None
        pattern = pattern.replace("\\/", "/")
        self._count_pattern(pattern)
        self._at = end + 1
        return Pattern(pattern)

    def _count_pattern(self, pattern: str) -> None:
        self._patterns += 1
        if self._patterns > MAX_PATTERNS:
            self._fail("too-many", self._at, f"expected at most {MAX_PATTERNS} patterns in all")
        # As it is searched for, an open \Q would swallow what comes behind; as it is written, a
        # parenthesis too many has no partner.
        searched = searching(pattern) if is_pattern(pattern) else pattern
        try:
            self._steps += measure(searched, MAX_STEPS - self._steps)
        except BadPattern as error:
            self._fail("bad-pattern", self._at, f"no regular expression of RE2's: {error}")

    def _quoted(self, also: str) -> str:
        start = self._at
        self._at += 1
        found = []
        while self._peek() != '"':
            if self._peek() == "\\" and self._text[self._at + 1 : self._at + 2] in {'"', "\\"}:
                self._at += 1
            if self._at >= len(self._text):
                self._fail("unclosed-quote", start, "expected a closing quote")
            found.append(self._text[self._at])
            self._at += 1
        self._at += 1
        if not self._ends(self._at, also):
            self._fail("no-blank", self._at, "expected a blank behind the quote")
        return "".join(found)

    def _word(self, also: str) -> str:
        word = self._rest(self._at, also)
        self._at += len(word)
        return word

    def _rest(self, start: int, also: str = "") -> str:
        end = start
        while not self._ends(end, also):
            end += 1
        return self._text[start:end]

    def _ends(self, at: int, also: str = "") -> bool:
        return at >= len(self._text) or self._text[at] in _BLANKS or self._text[at] in (also or ())

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip_blanks(self) -> None:
        while self._at < len(self._text) and self._ends(self._at):
            self._at += 1

    def _count(self) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            self._fail("too-many", self._at, f"expected at most {MAX_VALUES} values in all")

    def _fail(self, code: str, at: int, reason: str) -> NoReturn:
        raise QueryError(code, at, reason)
