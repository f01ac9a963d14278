"""
The rules document: text or mapping to Rules, with everything that is wrong with it.

Its shape is the original's, so that what stands in Consul's KV works unchanged.
Rule 1: what is no rules document at all is refused as a whole, with one reason: whoever has other
rules keeps them.
Rule 2: a bad rule is disabled and reported, and the others work. What is not understood never
makes a rule match more than it says: an unknown condition disables it, too.
Rule 3: what is merely odd is a warning, and the rule works.
Where a document comes from at run time is not known here.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from consul_edge.enrich import patterns
from consul_edge.enrich.categories import (
    EXPECTED_CATEGORY,
    Category,
    is_category,
    made_up,
    read_categories,
)
from consul_edge.enrich.document import NoRules, read_document, shown
from consul_edge.enrich.fields import Fields, Problems, RuleProblem, Severity
from consul_edge.enrich.patterns import BadPattern

__all__ = ["Category", "NoRules", "Rule", "RuleProblem", "Rules", "Severity", "parse_rules"]

MAX_RULES: Final = 10_000
MAX_PATTERN: Final = 1_000
"""Characters of one pattern."""

DEFAULT_CATEGORY: Final = "custom-exporters"
DEFAULT_PRIORITY: Final = 50

_ID: Final = re.compile(r"[a-z0-9_]{1,100}")

_USUAL_PATHS: Final = ("/probe", "/metrics")

_TOP: Final = (
    "version",
    "last_updated",
    "total_rules",
    "default_category",
    "rules",
    "categories",
)
# form_schema: the original once kept the fields of a form there; nothing decides by it.
_RULE: Final = (
    "id",
    "priority",
    "category",
    "display_name",
    "exporter_type",
    "conditions",
    "observations",
    "form_schema",
)
_CONDITIONS: Final = ("job_name_pattern", "metrics_path", "module_pattern")


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: all the conditions that it has must hold."""

    id: str
    priority: int
    """1 to 100; the greater is asked first."""

    category: str
    display_name: str
    """Nothing: made up from the service's name."""

    exporter_type: str
    job_name_pattern: str | None
    metrics_path: str | None
    module_pattern: str | None
    observations: str | None


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules that work, and what was wrong with the document."""

    version: str
    last_updated: str
    default_category: str
    rules: tuple[Rule, ...]
    """In the order of asking: by priority, equal ones as in the document."""

    categories: tuple[Category, ...]
    """Every one that a rule or the default names, and those that none does."""

    problems: tuple[RuleProblem, ...]


def parse_rules(document: str | bytes | Mapping[Any, object]) -> Rules:
    """
    Read and check a whole document.

    It is work for a thread where documents may be large: ten thousand rules take half a second.

    Args:
        document: JSON, YAML, or what either of them was decoded to.

    Raises:
        NoRules: When it is no rules document at all.
    """
    content = document if isinstance(document, Mapping) else read_document(document)
    data = content.get("data")
    if "rules" not in content and isinstance(data, Mapping):
        content = data  # the original's KV keeps some documents beside a "meta" of theirs
    listed = content.get("rules")
    if not isinstance(listed, list):
        raise NoRules(f"expected a list called rules, not {shown(listed)}")
    if len(listed) > MAX_RULES:
        raise NoRules(f"expected at most {MAX_RULES:,} rules, not {len(listed):,}")

    problems: Problems = []
    top = Fields("", content, problems)
    top.know(_TOP)
    total = content.get("total_rules")
    if total is not None and total != len(listed):
        top.warn("total_rules", shown(total), f"expected {len(listed)}, for so many are listed")
    default = content.get("default_category", DEFAULT_CATEGORY)
    if not is_category(default):
        expected = f"{EXPECTED_CATEGORY}; {DEFAULT_CATEGORY} takes its place"
        top.warn("default_category", shown(default), expected)
        default = DEFAULT_CATEGORY

    rules = _read_rules(listed, problems)
    categories = read_categories(content.get("categories"), top)
    for by, name in [("", default), *((rule.id, rule.category) for rule in rules)]:
        if name not in categories:
            field = "category" if by else "default_category"
            expected = "expected one of categories; its label is made up"
            Fields(by, {}, problems).warn(field, shown(name), expected)
            categories[name] = made_up(name)
    return Rules(
        version=top.loose_text("version"),
        last_updated=top.loose_text("last_updated"),
        default_category=default,
        rules=rules,
        categories=tuple(categories.values()),
        problems=tuple(problems),
    )


def _read_rules(listed: list[object], problems: Problems) -> tuple[Rule, ...]:
    reader = _RuleReader(problems)
    found = [reader.read(number, value) for number, value in enumerate(listed)]
    ordered = sorted(filter(None, found), key=lambda rule: -rule.priority)
    return tuple(rule for rule in ordered if reader.has_room(rule))


class _RuleReader:
    """Reads the rules of one document, and keeps what they must not share."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._ids: set[str] = set()
        self._steps: dict[str, int] = {}
        self._taken: dict[str, set[str]] = {"job_name_pattern": set(), "module_pattern": set()}
        self._left = dict.fromkeys(self._taken, patterns.SET_STEPS)

    def read(self, number: int, value: object) -> Rule | None:
        """Read one rule; None if it is disabled."""
        name = f"rules[{number}]"
        if not isinstance(value, Mapping):
            Fields(name, {}, self._problems).error("rule", shown(value), "expected a mapping")
            return None
        rule_id = value.get("id")
        if isinstance(rule_id, str) and _ID.fullmatch(rule_id):
            name = rule_id
        fields = Fields(name, value, self._problems)
        fields.know(_RULE)
        if name != rule_id:
            fields.error("id", shown(rule_id), "expected 1 to 100 of a-z 0-9 _")
        elif rule_id in self._ids:
            fields.error("id", shown(rule_id), "expected each only once")
        self._ids.add(name)
        priority = value.get("priority", DEFAULT_PRIORITY)
        if type(priority) is not int or not 1 <= priority <= 100:
            fields.error("priority", shown(priority), "expected a whole number from 1 to 100")
        category = value.get("category")
        if not is_category(category):
            fields.error("category", shown(category), EXPECTED_CATEGORY)
        rule = {
            "id": name,
            "priority": priority,
            "category": category,
            "display_name": fields.text("display_name", longest=200),
            "exporter_type": fields.text("exporter_type", longest=100) or "custom",
            "observations": fields.text("observations", longest=10_000) or None,
            **self._read_conditions(fields, value.get("conditions")),
        }
        return msgspec.convert(rule, Rule) if fields.are_good else None

    def _read_conditions(self, rule: Fields, value: object) -> dict[str, str | None]:
        if not isinstance(value, Mapping):
            rule.error("conditions", shown(value), "expected a mapping of conditions")
            return {}
        fields = rule.below("conditions", value)
        fields.know(_CONDITIONS, Severity.ERROR)
        found: dict[str, str | None] = {}
        for field in _CONDITIONS:
            found[field] = fields.text(field, longest=MAX_PATTERN) or None
            if value.get(field) == "":
                # The original's form leaves such ones behind; its engine took them for any text.
                fields.warn(field, "''", "expected no such key where there is no condition")
        if not any(value.get(field) for field in _CONDITIONS):
            rule.error("conditions", "empty", f"expected one of {', '.join(_CONDITIONS)}")
        elif not value.get("job_name_pattern"):
            expected = "expected it, too: services without module and metrics_path all match"
            fields.warn("job_name_pattern", "nothing", expected)
        for field in self._taken:
            self._measure(fields, field, found[field])
        path = found["metrics_path"]
        if path is not None and not path.startswith("/"):
            fields.error("metrics_path", shown(path), "expected a path that begins with /")
        elif path is not None and path not in _USUAL_PATHS:
            # The original's form refuses others, its engine does not: /snmp is a real one.
            fields.warn("metrics_path", shown(path), f"usually {' or '.join(_USUAL_PATHS)}")
        return found

    def _measure(self, fields: Fields, field: str, pattern: str | None) -> None:
        if pattern is None or pattern in self._steps:
            return
        try:
            self._steps[pattern] = patterns.measure(pattern)
        except BadPattern as error:
            expected = f"expected a pattern of RE2 (no lookaround, no backreferences): {error}"
            fields.error(field, shown(pattern), expected)

    def has_room(self, rule: Rule) -> bool:
        """Tell whether there is room for the patterns of a rule, and take it."""
        for field, taken in self._taken.items():
            pattern = getattr(rule, field)
            if pattern is None or pattern in taken:
                continue
            if self._steps[pattern] > self._left[field]:
                expected = f"expected at most {patterns.SET_STEPS:,} steps in all such patterns"
                fields = Fields(rule.id, {}, self._problems).below("conditions", {})
                fields.error(field, shown(pattern), expected)
                return False
            self._left[field] -= self._steps[pattern]
            taken.add(pattern)
        return True
