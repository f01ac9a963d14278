"""
What the page shows of a row: its columns, in order, and the text of each cell.

Rule 1: a column's name is the API's, so that the same name sorts and filters here and there.
Rule 2: a browser's modules show the same cells; ``static/columns.js`` is this file's twin.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from consul_edge.enrich.columns import NODES, SERVICES, Schema
from consul_edge.enrich.rows import NodeRow, ServiceRow
from consul_edge.enrich.table import Key


class Shown(Struct, frozen=True, kw_only=True):
    """One column of the page."""

    name: str
    kind: str = "text"
    """``status``, ``text``, ``mono``, ``number`` or ``faint``: how it looks."""

    read: Callable[[Any], str]
    is_usual: bool = False
    """Whether it is there before anybody chooses columns."""


class Layout(Struct, frozen=True, kw_only=True):
    """One of the two tables."""

    view: str
    """``services`` or ``nodes``."""

    path: str
    schema: Schema
    columns: tuple[Shown, ...]
    keys: tuple[Key, ...]
    """The order that nobody chose: failing things first."""

    facets: tuple[str, ...]
    health: tuple[tuple[str, str], ...]
    """Each status that counts as a health, worst first, with the shape that stands for it."""

    group: str
    """The column by which the summary counts."""

    def column(self, name: str) -> Shown | None:
        """Find a column by its name."""
        return next((column for column in self.columns if column.name == name), None)


def _meta(key: str) -> Callable[[ServiceRow | NodeRow], str]:
    return lambda row: row.meta.get(key, "")


def _reached(row: ServiceRow) -> str:
    host = row.address or row.node_address
    if not row.port:
        return host
    return f"[{host}]:{row.port}" if ":" in host else f"{host}:{row.port}"


def _number(read: Callable[[NodeRow], int]) -> Callable[[NodeRow], str]:
    return lambda row: str(read(row) or "")


def _service(name: str, read: Callable[[ServiceRow], str], kind: str = "text") -> Shown:
    usual = {"status", "service", "id", "node", "addr", "category", "site", "company"}
    return Shown(name=name, kind=kind, read=read, is_usual=name in usual)


def _node(name: str, read: Callable[[NodeRow], str], kind: str = "text") -> Shown:
    unusual = {"tags", "services_error"}
    return Shown(name=name, kind=kind, read=read, is_usual=name not in unusual)


SERVICES_LAYOUT: Final = Layout(
    view="services",
    path="/",
    schema=SERVICES,
    columns=(
        _service("status", lambda row: row.status, "status"),
        _service("service", lambda row: row.service),
        _service("id", lambda row: row.id, "mono"),
        _service("node", lambda row: row.node),
        _service("addr", _reached, "mono"),
        _service("category", lambda row: row.category),
        _service("site", lambda row: row.site_name),
        _service("company", _meta("company")),
        _service("name", _meta("name")),
        _service("module", _meta("module"), "mono"),
        _service("env", _meta("env")),
        _service("tags", lambda row: ", ".join(row.tags)),
        _service("display_name", lambda row: row.display_name),
        _service("exporter_type", lambda row: row.exporter_type),
        _service("matched_rule", lambda row: row.matched_rule or "", "mono"),
        _service("dc", lambda row: row.dc),
    ),
    keys=(Key(SERVICES.columns["status"]),),
    facets=("status", "category", "site", "node", "dc", "company"),
    health=(("critical", "critical"), ("warning", "warning"), ("passing", "passing")),
    group="category",
)

NODES_LAYOUT: Final = Layout(
    view="nodes",
    path="/nodes",
    schema=NODES,
    columns=(
        _node("status", lambda row: row.status, "status"),
        _node("name", lambda row: row.name),
        _node("addr", lambda row: row.addr, "mono"),
        _node("type", lambda row: row.type),
        _node(
            "services_count",
            lambda row: "?" if row.services_status != "ok" else str(row.services_count),
            "number",
        ),
        _node("critical", _number(lambda row: row.checks.critical), "number"),
        _node("warning", _number(lambda row: row.checks.warning), "number"),
        _node("passing", _number(lambda row: row.checks.passing), "number"),
        _node("site", lambda row: row.site_name),
        _node("dc", lambda row: row.dc),
        _node("tags", lambda row: ", ".join(f"{key}={row.tags[key]}" for key in row.tags)),
        _node("services_error", lambda row: row.services_error or ""),
    ),
    keys=(Key(NODES.columns["status"]), Key(NODES.columns["critical"], descending=True)),
    facets=("status", "type", "site", "dc"),
    health=(("dead", "critical"), ("unknown", "unknown"), ("alive", "passing")),
    group="site",
)

LAYOUTS: Final[Mapping[str, Layout]] = {
    layout.view: layout for layout in (SERVICES_LAYOUT, NODES_LAYOUT)
}
