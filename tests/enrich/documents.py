"""Rules documents for tests, in few words."""

from collections.abc import Mapping
from typing import Any

from consul_edge.enrich.categorize import Categorizer
from consul_edge.enrich.rules import Rule, RuleProblem, Rules, Severity, parse_rules


def rule(
    id: object = "one",  # noqa: A002 - the field's name
    name: object = None,
    *,
    module: object = None,
    path: object = None,
    **fields: object,
) -> dict[str, object]:
    """Make a rule as it stands in a document; None leaves a condition out."""
    conditions = {"job_name_pattern": name, "module_pattern": module, "metrics_path": path}
    return {
        "id": id,
        "category": "some",
        "conditions": {key: value for key, value in conditions.items() if value is not None},
        **fields,
    }


def document(*rules: object, **fields: object) -> dict[str, Any]:
    """Make a document in which nothing else is wrong."""
    categories = [{"id": "some", "display_name": "Some"}, {"id": "other", "display_name": "Other"}]
    return {
        "default_category": "other",
        "rules": list(rules),
        "categories": categories,
        **fields,
    }


def rules_of(*rules: object, **fields: object) -> Rules:
    """Read such a document."""
    return parse_rules(document(*rules, **fields))


def categorizer(*rules: Mapping[str, object]) -> Categorizer:
    """Prepare rules of which none is bad."""
    read = rules_of(*rules)
    assert errors(read) == []
    return Categorizer(read)


def only(rules: Rules) -> Rule:
    """Take the one rule that works."""
    (found,) = rules.rules
    return found


def errors(rules: Rules) -> list[RuleProblem]:
    """Take what disables."""
    return [one for one in rules.problems if one.severity is Severity.ERROR]


def warnings(rules: Rules) -> list[RuleProblem]:
    """Take what does not."""
    return [one for one in rules.problems if one.severity is Severity.WARNING]
