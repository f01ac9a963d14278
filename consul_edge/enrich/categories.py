"""The categories of a rules document: how people see what rules sort into."""

import re
from collections.abc import Mapping
from typing import Final, TypeGuard

import msgspec

from consul_edge.enrich.document import shown
from consul_edge.enrich.fields import Fields, Severity

MAX_CATEGORIES: Final = 1_000

EXPECTED_CATEGORY: Final = "expected 1 to 100 of A-Z a-z 0-9 . _ -"

# It stands in queries as one of several, separated by commas.
_CATEGORY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_COLOR: Final = re.compile(r"[a-z]{1,20}|#[0-9A-Fa-f]{3,8}")


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """What rules sort into, as people see it."""

    id: str
    display_name: str
    color: str | None
    """A name or ``#rrggbb``."""


def is_category(name: object) -> TypeGuard[str]:
    """Tell whether something can be a category's id."""
    return isinstance(name, str) and _CATEGORY.fullmatch(name) is not None


def made_up(name: str) -> Category:
    """Make a category of an id that the document does not explain."""
    return Category(id=name, display_name=titled(name), color=None)


def titled(name: str) -> str:
    """
    Make up a label.

    >>> titled("node_exporter-rio")
    'Node Exporter Rio'
    """
    return name.replace("-", " ").replace("_", " ").title()


def read_categories(listed: object, top: Fields) -> dict[str, Category]:
    """Read the document's list; what is odd there is a warning, for no rule depends on it."""
    found: dict[str, Category] = {}
    if not isinstance(listed, list) or len(listed) > MAX_CATEGORIES:
        if listed is not None:
            expected = f"expected a list of at most {MAX_CATEGORIES:,} mappings"
            top.warn("categories", shown(listed), expected)
        return found
    for number, value in enumerate(listed):
        if not isinstance(value, Mapping):
            top.warn(f"categories[{number}]", shown(value), "expected a mapping; it is ignored")
            continue
        fields = top.below(f"categories[{number}]", value, Severity.WARNING)
        fields.know(("id", "display_name", "color"))
        name = value.get("id")
        if not is_category(name):
            fields.warn("id", shown(name), f"{EXPECTED_CATEGORY}; it is ignored")
            continue
        if name in found:
            fields.warn("id", shown(name), "expected each only once; the first counts")
            continue
        label = fields.text("display_name", longest=200) or titled(name)
        color = fields.text("color", longest=100) or None
        if color is not None and not _COLOR.fullmatch(color):
            fields.warn("color", shown(color), "expected a name such as purple, or #rrggbb")
            color = None
        found[name] = Category(id=name, display_name=label, color=color)
    return found
