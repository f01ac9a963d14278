"""
The dashboard, by the checks of Grafana's own linter (which is no package) and some of ours.

Each check is a function from a dashboard to its violations, so that it can be shown to find one.
"""

import copy
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.exposition import FAMILIES
from tests.peers import require
from tests.promql import ALERTS, ASKED, DEPLOY, unknown

Json = dict[str, Any]

DASHBOARD: Final[Json] = json.loads((DEPLOY / "grafana" / "consul-edge.json").read_text())

DATASOURCE: Final = "${datasource}"

UNITS: Final = frozenset(
    {"none", "short", "percentunit", "s", "bytes", "reqps", "ops", "bool", "dateTimeFromNow"}
)
"""Of Grafana's ids, those that the edge has a use for."""

COUNTED: Final = ("rate", "irate", "increase")
"""What makes something of a counter that can be looked at."""

CHANGED: Final = ("changes",)
"""What may look at all the time that is shown."""


def panels(dashboard: Json) -> Iterator[Json]:
    """Give the panels, rows apart."""
    return (panel for panel in dashboard["panels"] if panel["type"] != "row")


def targets(dashboard: Json) -> Iterator[tuple[str, str]]:
    """Give every query with the title of its panel."""
    for panel in panels(dashboard):
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def variables(dashboard: Json) -> dict[str, Json]:
    """Give the template variables by name."""
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def template_datasource(dashboard: Json) -> list[str]:
    """One data source, chosen above: named ``datasource``, of Prometheus, labelled so."""
    sources = [v for v in dashboard["templating"]["list"] if v["type"] == "datasource"]
    expected = {"name": "datasource", "query": "prometheus", "label": "Data Source"}
    return [] if len(sources) == 1 and expected.items() <= sources[0].items() else ["datasource"]


def template_labels(dashboard: Json) -> list[str]:
    """``job`` and ``instance`` can be chosen, several at once, all by a pattern."""
    found = []
    for name in ("job", "instance"):
        variable = variables(dashboard).get(name, {})
        expected = {
            "type": "query",
            "label": name.title(),
            "multi": True,
            "includeAll": True,
            "allValue": ".+",
        }
        if not expected.items() <= variable.items():
            found.append(name)
        elif variable["datasource"]["uid"] != DATASOURCE:
            found.append(f"{name}: datasource")
        elif unknown(re.sub(r"\$\w+", ".+", _of_label_values(variable["query"]["query"]))):
            found.append(f"{name}: query")
    return found


def _of_label_values(query: str) -> str:
    """Give the selector of ``label_values(SELECTOR, label)``."""
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    return found[1] if found else "no_label_values_of_anything:here"


def template_reload(dashboard: Json) -> list[str]:
    """What can be chosen follows the time that is looked at."""
    return [
        name
        for name, variable in variables(dashboard).items()
        if variable["type"] == "query" and variable["refresh"] != 2
    ]


def panel_datasource(dashboard: Json) -> list[str]:
    """Every panel and every query uses the data source that is chosen above."""
    return [
        panel["title"]
        for panel in panels(dashboard)
        for user in (panel, *panel.get("targets", ()))
        if user.get("datasource") != {"type": "prometheus", "uid": DATASOURCE}
    ]


def panel_title_description(dashboard: Json) -> list[str]:
    """Every panel says what it shows and what that means, in a sentence."""
    return [
        panel["title"] or f"panel {panel['id']}"
        for panel in panels(dashboard)
        if not panel["title"] or not panel.get("description", "").endswith(".")
    ]


def panel_units(dashboard: Json) -> list[str]:
    """Every panel has a unit that Grafana knows."""
    return [
        panel["title"]
        for panel in panels(dashboard)
        if panel["fieldConfig"]["defaults"].get("unit") not in UNITS
    ]


def panel_thresholds(dashboard: Json) -> list[str]:
    """Every panel has thresholds, if only the one that all is well."""
    return [
        panel["title"]
        for panel in panels(dashboard)
        if not panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps")
    ]


def panel_targets(dashboard: Json) -> list[str]:
    """Every panel asks for something, and has an id and a place of its own."""
    ids = [panel["id"] for panel in dashboard["panels"]]
    found = [panel["title"] for panel in panels(dashboard) if not panel.get("targets")]
    return found + ["ids"] * (len(set(ids)) != len(ids)) + _overlaps(dashboard)


def _overlaps(dashboard: Json) -> list[str]:
    taken: dict[tuple[int, int], str] = {}
    found = []
    for panel in dashboard["panels"]:
        grid = panel["gridPos"]
        if grid["x"] + grid["w"] > 24:
            found.append(panel["title"])
        for x in range(grid["x"], grid["x"] + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                if (x, y) in taken:
                    found.append(f"{panel['title']} over {taken[x, y]}")
                taken[x, y] = panel["title"]
    return found


def target_rate_interval(dashboard: Json) -> list[str]:
    """Ranges are Grafana's, which knows how often is scraped."""
    return [
        f"{title}: {function}[{span}]"
        for title, expr in targets(dashboard)
        for function, span in re.findall(r"(\w+)\([^()]*\[([^\]]*)\]", expr)
        if span != ("$__range" if function in CHANGED else "$__rate_interval")
    ]


def target_labels(dashboard: Json) -> list[str]:
    """Every series that is asked for is that of the jobs and instances that were chosen."""
    return [
        f"{title}: {name}"
        for title, expr in targets(dashboard)
        for name, matchers in ASKED.findall(expr)
        if not {'job=~"$job"', 'instance=~"$instance"'} <= set(re.split(r",\s*", matchers))
    ]


def target_counters(dashboard: Json) -> list[str]:
    """A counter is looked at by how it grows, and nothing else is."""
    found = []
    for title, expr in targets(dashboard):
        inside = set(re.findall(rf"\b(?:{'|'.join(COUNTED)})\((\w+)", expr))
        for name, _ in ASKED.findall(expr):
            is_counter = name.endswith(("_total", "_bucket", "_sum", "_count"))
            if is_counter != (name in inside):
                found.append(f"{title}: {name}")
    return found


def target_names(dashboard: Json) -> list[str]:
    """Every series, label and value that is asked for exists."""
    return [f"{title}: {one}" for title, expr in targets(dashboard) for one in unknown(expr)]


def uneditable(dashboard: Json) -> list[str]:
    """What is provisioned is not edited by hand; an id, tags, and nothing of one Grafana's."""
    found = ["editable"] * (dashboard.get("editable") is not False)
    found += ["uid"] * (dashboard.get("uid") != "consul-edge") + ["tags"] * (not dashboard["tags"])
    return found + [key for key in ("id", "__inputs", "__requires") if key in dashboard]


def runbooks(dashboard: Json) -> list[str]:
    """Runbooks that panels speak of are there, and every alert has a panel that speaks of it."""
    text = " ".join(panel["description"] for panel in panels(dashboard))
    named = set(re.findall(r"\bConsulEdge\w+", text))
    unseen = {
        "ConsulEdgeSnapshotFailed",
        "ConsulEdgeAdminTokenGuessed",
        "ConsulEdgeUpstreamDown",
    }
    return sorted(named - ALERTS.keys()) + sorted(ALERTS.keys() - named - unseen)


def everything_shown(dashboard: Json) -> list[str]:
    """Every metric of the edge is on some panel, but those that are for looking closer."""
    text = " ".join(expr for _, expr in targets(dashboard))
    closer = {
        "consul_edge_admin_requests_total",
        "consul_edge_cache_confirmations_total",
        "consul_edge_cache_snapshots_total",
        "consul_edge_upstream_heartbeats_total",
        "consul_edge_upstream_hedges_total",
        "consul_edge_upstream_inflight",
        "consul_edge_upstream_queue_wait_seconds",
        "consul_node_enrich_duration_seconds",
    }
    if "consul_edge_config_last_reload_success_timestamp_seconds" in FAMILIES:
        closer.add("consul_edge_config_last_reload_success_timestamp_seconds")
    return sorted(name for name in FAMILIES.keys() - closer if name not in text)


Check = Callable[[Json], list[str]]

CHECKS: Final[list[Check]] = [
    template_datasource,
    template_labels,
    template_reload,
    panel_datasource,
    panel_title_description,
    panel_units,
    panel_thresholds,
    panel_targets,
    target_rate_interval,
    target_labels,
    target_counters,
    target_names,
    uneditable,
    runbooks,
    everything_shown,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_dashboard_passes_the_check(check: Check) -> None:
    """What is imported works at once, with any number of edges, and shows what exists."""
    assert check(DASHBOARD) == []


def _first(dashboard: Json) -> Json:
    return next(panels(dashboard))


def _query(dashboard: Json, expr: str) -> None:
    _first(dashboard)["targets"][0]["expr"] = expr


SELECTED: Final = 'job=~"$job", instance=~"$instance"'

BROKEN: Final[list[tuple[Check, Callable[[Json], object]]]] = [
    (template_datasource, lambda d: variables(d)["datasource"].update(label="Source")),
    (template_labels, lambda d: variables(d)["job"].update(allValue=".*")),
    (template_labels, lambda d: variables(d)["instance"]["query"].update(query="label_values(x)")),
    (template_reload, lambda d: variables(d)["job"].update(refresh=1)),
    (panel_datasource, lambda d: _first(d).update(datasource={"uid": "mine"})),
    (panel_title_description, lambda d: _first(d).update(description="")),
    (panel_units, lambda d: _first(d)["fieldConfig"]["defaults"].pop("unit")),
    (panel_thresholds, lambda d: _first(d)["fieldConfig"]["defaults"].pop("thresholds")),
    (panel_targets, lambda d: _first(d).update(targets=[])),
    (panel_targets, lambda d: _first(d)["gridPos"].update(w=24)),
    (target_rate_interval, lambda d: _query(d, f"rate(up{{{SELECTED}}}[5m])")),
    (target_labels, lambda d: _query(d, 'up{job=~"$job"}')),
    (target_labels, lambda d: _query(d, "up")),
    (target_counters, lambda d: _query(d, f"consul_server_fallback_total{{{SELECTED}}}")),
    (target_counters, lambda d: _query(d, f"rate(consul_edge_nodes{{{SELECTED}}}[1m])")),
    (target_names, lambda d: _query(d, "consul_edge_nothing")),
    (target_names, lambda d: _query(d, 'consul_edge_nodes{colour="red"}')),
    (target_names, lambda d: _query(d, "sum by (colour) (consul_edge_nodes)")),
    (target_names, lambda d: _query(d, 'consul_edge_cache_requests_total{result="lucky"}')),
    (uneditable, lambda d: d.update(editable=True)),
    (uneditable, lambda d: d.update(id=7)),
    (runbooks, lambda d: _first(d).update(description="See ConsulEdgeNothing.")),
    (everything_shown, lambda d: d.update(panels=d["panels"][:4])),
]


@pytest.mark.parametrize(("check", "spoil"), BROKEN, ids=lambda one: one.__name__)
def test_check_finds_what_it_is_for(check: Check, spoil: Callable[[Json], object]) -> None:
    """A check that finds nothing in what is broken is none."""
    dashboard = copy.deepcopy(DASHBOARD)
    spoil(dashboard)

    assert check(dashboard)


def test_every_check_was_seen_to_find_something() -> None:
    """None is there that nobody tried."""
    assert {check for check, _ in BROKEN} == set(CHECKS)


@pytest.mark.real
def test_queries_are_promql(tmp_path: Path) -> None:
    """Prometheus itself parses each, with what Grafana puts in."""
    asked = [
        expr.replace("$__rate_interval", "5m").replace("$__range", "1d")
        for _, expr in targets(DASHBOARD)
    ]
    rules = [{"record": f"asked:{number}", "expr": expr} for number, expr in enumerate(asked)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))

    command = [str(require("promtool")), "check", "rules", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_first_row_answers_the_questions_of_the_night() -> None:
    """Is it serving, is it fresh, who is failing: without scrolling."""
    (first, *_), below = DASHBOARD["panels"], 18
    text = " ".join(
        target["expr"]
        for panel in panels(DASHBOARD)
        if panel["gridPos"]["y"] < below
        for target in panel["targets"]
    )

    assert first["type"] == "row"
    for name in (
        "up{",
        "consul_edge_http_requests_total",
        'result="stale"',
        "consul_edge_cache_last_success_timestamp_seconds",
        "consul_edge_upstream_up",
        "consul_server_fallback_total",
    ):
        assert name in text
