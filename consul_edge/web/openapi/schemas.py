"""
Shapes of answers, made of the structs that are rendered.

Rule 1: an answer has all fields of its struct: defaults are the code's business.
Rule 2: what a field means is said once, where it is declared: the text under it there.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from consul_edge.cache.cache import Flush
from consul_edge.cache.inventory import Inventory, Policy, Row
from consul_edge.enrich import monitoring, source_status
from consul_edge.enrich.categories import Category
from consul_edge.enrich.categorize import Decision, Explanation, Miss
from consul_edge.enrich.fields import RuleProblem
from consul_edge.enrich.places import SiteRow
from consul_edge.enrich.rows import Checks, NodeRow, ServiceRow
from consul_edge.enrich.standing import State
from consul_edge.web.page_summary import ServerState

NAMES: Final[dict[type, str]] = {
    NodeRow: "NodeRow",
    Checks: "Checks",
    ServiceRow: "ServiceRow",
    SiteRow: "SiteRow",
    Category: "Category",
    Explanation: "Explanation",
    Decision: "Decision",
    Miss: "Miss",
    monitoring.MonitoringRow: "MonitoringRow",
    monitoring.Source: "MonitoringSource",
    source_status.SourceStatus: "SourceStatus",
    source_status.Source: "SourceKind",
    RuleProblem: "RuleProblem",
    State: "State",
    ServerState: "ServerState",
    Inventory: "Inventory",
    Row: "KeptAnswer",
    Policy: "Keeping",
    Flush: "Flush",
}
"""What is described, by the names of the components."""

_PLACE: Final = "#/components/schemas/"


def components() -> dict[str, Any]:
    """Make all of them."""
    _, found = msgspec.json.schema_components(NAMES, ref_template=f"{_PLACE}{{name}}")
    # msgspec spells out a name that two types have.
    ours = {_spelled(kind, found): name for kind, name in NAMES.items()}
    made = {ours.get(theirs, theirs): _renamed(schema, ours) for theirs, schema in found.items()}
    for kind, name in NAMES.items():
        _tidy(made[name], kind)
    return made


def _spelled(kind: type, found: Iterable[str]) -> str:
    full = f"{kind.__module__}.{kind.__qualname__}"
    return full if full in found else kind.__name__


def _renamed(schema: Any, ours: dict[str, str]) -> Any:
    if isinstance(schema, list):
        return [_renamed(one, ours) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _renamed(value, ours) for key, value in schema.items() if key != "default"}
    reference = made.get("$ref")
    if isinstance(reference, str):
        name = reference.removeprefix(_PLACE)
        made["$ref"] = _PLACE + ours.get(name, name)
    return made


def _tidy(schema: dict[str, Any], kind: type) -> None:
    """Say what each field means, and that all are there."""
    schema.pop("title", None)
    fields = schema.get("properties")
    if fields is None:
        return
    schema["required"] = [*fields]
    texts = _field_texts(kind)
    for attribute, name in _wire_names(kind):
        text = texts.get(attribute)
        if text:
            fields[name]["description"] = text


def _wire_names(kind: type) -> Iterable[tuple[str, str]]:
    if issubclass(kind, msgspec.Struct):
        return [(one.name, one.encode_name) for one in msgspec.structs.fields(kind)]
    return [(name, name) for name in inspect.get_annotations(kind)]


def _field_texts(kind: type) -> dict[str, str]:
    """Read the text under each field where it is declared; Python does not keep it."""
    (declared,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(declared, ast.ClassDef), "a class was read"  # noqa: S101 - for the type checker
    texts = {}
    for field, text in zip(declared.body, declared.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match text:
                case ast.Expr(value=ast.Constant(value=str(said))):
                    texts[field.target.id] = " ".join(inspect.cleandoc(said).split())
    return texts
