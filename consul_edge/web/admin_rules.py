"""
The rules in force as a document for operators: the rules in the shape in which they are written,
so that what is shown can be put where they are read, and beside them all that is wrong.
"""

from typing import Any

from msgspec.structs import asdict

from consul_edge.enrich.rules import Rule, Rules
from consul_edge.enrich.source_status import SourceStatus


def rules_document(rules: Rules, status: SourceStatus) -> dict[str, Any]:
    """Describe *rules*, which stand as *status* says."""
    return {
        "success": True,
        "source": status.source,
        "where": status.where,
        "loaded_at": status.loaded_at,
        "age_seconds": status.age_seconds,
        "is_live": status.is_live,
        "error": status.error,
        "problems": [{**asdict(problem), "text": str(problem)} for problem in rules.problems],
        "version": rules.version,
        "last_updated": rules.last_updated,
        "total_rules": len(rules.rules),
        "default_category": rules.default_category,
        "rules": [_written(rule) for rule in rules.rules],
        "categories": rules.categories,
    }


def _written(rule: Rule) -> dict[str, Any]:
    fields = asdict(rule)
    names = ("job_name_pattern", "metrics_path", "module_pattern")
    conditions = {name: fields.pop(name) for name in names}
    held = {name: text for name, text in conditions.items() if text is not None}
    return {**fields, "conditions": held}
