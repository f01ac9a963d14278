"""What PromQL asks for, by name: what does not exist never fires and shows nothing."""

import re
from pathlib import Path
from typing import Any, Final

import yaml

from tests.exposition import OF_PROMETHEUS, OF_THE_CLIENT, SERIES

DEPLOY: Final = Path(__file__).parent.parent / "deploy"

NAME: Final = re.compile(
    r"(?<![\w:\"$/.-])([a-z]\w*(?::\w+)+|(?:consul|process|python)_\w+|up)\b(?!\()"
)
"""Of a series: recorded, exposed, or Prometheus' own."""

ASKED: Final = re.compile(NAME.pattern + r"(?:\{([^}]*)\})?")
MATCHER: Final = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPED: Final = re.compile(r"\b(?:by|on|group_left|group_right) \(([^)]*)\)")


def rules_of(file: str) -> list[dict[str, Any]]:
    """Give the rules of a file of ``deploy/prometheus``."""
    groups = yaml.safe_load((DEPLOY / "prometheus" / file).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS: Final = {rule["alert"]: rule for rule in rules_of("alerts.yaml")}
RECORDED: Final = {rule["record"]: rule for rule in rules_of("recording.yaml")}


def labels_of(name: str) -> frozenset[str]:
    """
    Give the labels that a series has.

    Raises:
        KeyError: When there is none of that name.
    """
    if name == "up" or name in OF_THE_CLIENT:
        return OF_PROMETHEUS
    if name in RECORDED:
        (first, *_) = GROUPED.findall(RECORDED[name]["expr"])
        return frozenset(map(str.strip, first.split(",")))
    return SERIES[name][1] | OF_PROMETHEUS


def unknown(query: str) -> list[str]:
    """Name what *query* asks for and does not exist: series, labels, and values of labels."""
    found: list[str] = []
    known = set(OF_PROMETHEUS)
    for name, matchers in ASKED.findall(query):
        try:
            labels = labels_of(name)
        except KeyError:
            found.append(name)
            continue
        known |= labels
        for label, _, value in MATCHER.findall(matchers):
            if label not in labels:
                found.append(f"{name}{{{label}}}")
            elif name in SERIES and not is_told_of(SERIES[name][0].text, value):
                found.append(f"{name}{{{label}={value}}}")
    for labels in GROUPED.findall(query):
        found += [f"by {label}" for label in re.findall(r"\w+", labels) if label not in known]
    return found


def is_told_of(text: str, value: str) -> bool:
    """Tell whether every word of a matcher stands in what the metric says of itself."""
    words = [word for word in value.split("|") if re.fullmatch(r"[a-z_]+", word)]
    return set(words) <= set(re.findall(r"[a-z_]+", text))
