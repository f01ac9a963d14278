"""The way back to Consul: what its page asks of Prometheus exists, parses, and fires in time."""

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client import REGISTRY

from consul_edge import cli
from tests.exposition import OF_PROMETHEUS, SERIES
from tests.peers import require

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = (ROOT / "deploy" / "ROLLBACK.md").read_text()


def blocks(language: str) -> list[str]:
    """Give the fenced blocks of *language*."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


(RULES,) = blocks("yaml")
ALERTS: Final[dict[str, dict[str, Any]]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES)["groups"] for rule in group["rules"]
}
QUERIES: Final = [*(rule["expr"] for rule in ALERTS.values()), *map(str.strip, blocks("promql"))]

ASKED: Final = re.compile(r"\b(consul_\w+)(?:\{([^}]*)\})?")
MATCHER: Final = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


@pytest.mark.parametrize("query", QUERIES)
def test_query_asks_for_series_and_labels_that_exist(query: str) -> None:
    """By the names of the exposition, with their suffix; one that does not exist never fires."""
    found = ASKED.findall(query)
    assert found
    for name, matchers in found:
        assert name in SERIES
        assert {label for label, _, _ in MATCHER.findall(matchers)} <= SERIES[name][1]


@pytest.mark.parametrize("query", QUERIES)
def test_query_groups_by_labels_that_exist(query: str) -> None:
    """A sum by a label that nothing has is a sum of everything."""
    known = OF_PROMETHEUS.union(*(SERIES[name][1] for name, _ in ASKED.findall(query)))

    for labels in re.findall(r"\bby \(([^)]*)\)", query):
        assert {label.strip() for label in labels.split(",")} <= known


@pytest.mark.parametrize("query", QUERIES)
def test_query_asks_for_values_that_are_told_of(query: str) -> None:
    """Every word that a label is compared with stands in what the metric says of itself."""
    for name, matchers in ASKED.findall(query):
        for _, _, value in MATCHER.findall(matchers):
            words = [word for word in value.split("|") if re.fullmatch(r"[a-z_]+", word)]
            said = set(re.findall(r"[a-z_]+", SERIES[name][0].text))
            assert set(words) <= said


def test_declared_series_are_those_of_the_exposition() -> None:
    """What the tests above go by is what is exposed."""
    exposed = {
        sample.name
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name.startswith("consul_")
    }

    assert exposed - SERIES.keys() == set()


def promtool(*words: str, folder: Path) -> None:
    """Have Prometheus's own tool judge files of *folder*."""
    command = [str(require("promtool")), *words]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.real
def test_rule_file_is_one(tmp_path: Path) -> None:
    """The block can be given to Prometheus as it stands."""
    (tmp_path / "rules.yaml").write_text(RULES)

    promtool("check", "rules", "--lint=all", "--lint-fatal", "rules.yaml", folder=tmp_path)


@pytest.mark.real
@pytest.mark.parametrize("query", QUERIES)
def test_query_can_be_asked(query: str, tmp_path: Path) -> None:
    """Prometheus itself parses it."""
    rules = {"groups": [{"name": "asked", "rules": [{"record": "asked", "expr": query}]}]}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))

    promtool("check", "rules", "rules.yaml", folder=tmp_path)


Values = dict[str, str]
"""Series with how they go on, minute by minute, as promtool writes it."""


def each_minute(name: str, **increases: int) -> Values:
    """Let a counter grow: by label values joined with ``__``, as ``status__timeout=6``."""
    found = {}
    for matcher, increase in increases.items():
        label, _, value = matcher.partition("__")
        found[f'{name}{{instance="edge",{label}="{value}"}}'] = f"0+{increase}x40"
    return found


def gauges(**values: int) -> Values:
    """Let gauges stay as they are."""
    return {f'{name}{{instance="edge"}}': f"{value}x40" for name, value in values.items()}


def took(treatment: str, below_5: int, of: int = 100) -> Values:
    """Let *of* reads a minute come, so many of them in less than 5 seconds."""
    name = "consul_edge_http_request_duration_seconds_bucket"
    counts = {"2.0": below_5, "5.0": below_5, "20.0": of, "+Inf": of}
    return {
        f'{name}{{instance="edge",treatment="{treatment}",le="{bound}"}}': f"0+{count}x40"
        for bound, count in counts.items()
    }


FALLBACK: Final = "consul_server_fallback_total"
REQUESTS: Final = "consul_edge_http_requests_total"
FAILURES: Final = "consul_node_enrich_failures_total"
LIMITS: Final = "consul_edge_limits_reached_total"

FIRES: Final[list[tuple[str, Values, dict[str, str]]]] = [
    ("ConsulEdgeGone", gauges(consul_edge_nodes=3), {}),
    (
        "ConsulEdgeTimeouts",
        each_minute(FALLBACK, status__timeout=6, status__success=94),
        {"instance": "edge"},
    ),
    (
        "ConsulEdgeServerErrors",
        each_minute(REQUESTS, code__500=1, code__503=1, code__200=98),
        {"instance": "edge"},
    ),
    (
        "ConsulEdgeAllNodesInError",
        gauges(consul_edge_nodes=3, consul_edge_nodes_in_error=3),
        {"instance": "edge"},
    ),
    ("ConsulEdgeSlow", took("watch", 98), {"instance": "edge"}),
    ("ConsulEdgeSlow", took("ttl", 98), {"instance": "edge"}),
    ("ConsulEdgeSlow", took("api", 98), {"instance": "edge"}),
    (
        "ConsulEdgeNodesFail",
        each_minute(FAILURES, node_name__a=6, node_name__b=5),
        {"instance": "edge"},
    ),
    ("ConsulEdgeRefuses", each_minute(LIMITS, limit__x=120), {"instance": "edge", "limit": "x"}),
]

SILENT: Final[list[tuple[str, Values]]] = [
    ("ConsulEdgeGone", gauges(consul_edge_build_info=1)),
    ("ConsulEdgeTimeouts", each_minute(FALLBACK, status__timeout=4, status__success=96)),
    ("ConsulEdgeTimeouts", each_minute(FALLBACK, status__failure=50, status__success=50)),
    ("ConsulEdgeTimeouts", each_minute(FALLBACK, status__timeout=0, status__success=0)),
    ("ConsulEdgeServerErrors", each_minute(REQUESTS, code__500=1, code__200=199)),
    ("ConsulEdgeServerErrors", each_minute(REQUESTS, code__404=50, code__200=50)),
    ("ConsulEdgeAllNodesInError", gauges(consul_edge_nodes=3, consul_edge_nodes_in_error=2)),
    ("ConsulEdgeAllNodesInError", gauges(consul_edge_nodes=0, consul_edge_nodes_in_error=0)),
    ("ConsulEdgeSlow", took("watch", 100)),
    ("ConsulEdgeSlow", took("pass", 0)),
    ("ConsulEdgeNodesFail", each_minute(FAILURES, node_name__a=5, node_name__b=4)),
    ("ConsulEdgeRefuses", each_minute(LIMITS, limit__x=30)),
]


def named(value: object) -> str:
    """Name a case by its alert alone."""
    return value if isinstance(value, str) else "-"


def judge(folder: Path, alert: str, values: Values, expected: list[dict[str, Any]]) -> None:
    """Have promtool play the series and tell whether the alert does as *expected*."""
    played = {
        "interval": "1m",
        "input_series": [{"series": name, "values": text} for name, text in values.items()],
        "alert_rule_test": [{"eval_time": "30m", "alertname": alert, "exp_alerts": expected}],
    }
    (folder / "rules.yaml").write_text(RULES)
    (folder / "test.yaml").write_text(
        yaml.safe_dump(
            {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [played]}
        )
    )
    promtool("test", "rules", "test.yaml", folder=folder)


@pytest.mark.real
@pytest.mark.parametrize(("alert", "values", "labels"), FIRES, ids=named)
def test_alert_fires_beyond_its_bound(
    alert: str, values: Values, labels: dict[str, str], tmp_path: Path
) -> None:
    """Over half an hour that is as bad as it says, it tells which edge it is."""
    rule = ALERTS[alert]
    expected = {"exp_labels": rule["labels"] | labels, "exp_annotations": rule["annotations"]}

    judge(tmp_path, alert, values, [expected])


@pytest.mark.real
@pytest.mark.parametrize(("alert", "values"), SILENT, ids=named)
def test_alert_is_silent_within_its_bound(alert: str, values: Values, tmp_path: Path) -> None:
    """What looks bad and is not, and what has no traffic at all, wakes nobody."""
    judge(tmp_path, alert, values, [])


def test_every_alert_is_seen_to_fire_and_to_be_silent() -> None:
    """No alert is on the page that nobody tried."""
    assert ALERTS.keys() == {alert for alert, *_ in FIRES} == {alert for alert, _ in SILENT}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"CONSUL_EDGE_\w+=\w+", PAGE))))
def test_variable_of_the_page_is_taken(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is to be set in a hurry is spelled as the edge reads it."""
    variable, _, value = name.partition("=")
    monkeypatch.setattr("os.environ", {variable: value})

    assert cli.run(["check-config"]) == 0
    assert capsys.readouterr().err == ""


def test_setting_of_the_page_exists() -> None:
    """Every dotted name of the edge's own sections is one of ``config/consul-edge.yaml``."""
    settings = yaml.safe_load((ROOT / "config" / "consul-edge.yaml").read_text())
    named = {tuple(name.split(".")) for name in re.findall(r"`([a-z_]+\.[a-z_]+)`", PAGE)}
    ours = {(section, key) for section, key in named if section in settings}

    assert ours
    assert {(section, key) for section, key in ours if key not in settings[section]} == set()


def test_page_names_no_machine() -> None:
    """It knows nothing of where it was written."""
    assert not re.search(r"/(?:work|root|home)/", PAGE)
