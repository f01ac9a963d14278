"""Alerts, recording rules and runbooks: whole, tried out, and about what exists."""

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.exposition import FAMILIES, OF_THE_CLIENT, SERIES
from tests.peers import require
from tests.promql import ALERTS, ASKED, DEPLOY, RECORDED, unknown

RULES: Final = DEPLOY / "prometheus"
RUNBOOKS: Final = DEPLOY / "runbooks"
SECTIONS: Final = ["Meaning", "Impact", "How to check", "How to mend", "How to silence"]
TESTS: Final[list[dict[str, Any]]] = yaml.safe_load((RULES / "alerts_test.yaml").read_text())[
    "tests"
]


def promtool(*words: str) -> str:
    """Have Prometheus's own tool judge files of the rules' folder; gives what it says."""
    command = [str(require("promtool")), *words]
    done = subprocess.run(
        command, cwd=RULES, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.real
def test_rule_files_are_such_without_a_complaint() -> None:
    """They can be given to Prometheus as they stand."""
    promtool("check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml", "recording.yaml")


@pytest.mark.real
def test_alerts_fire_and_are_silent_as_their_tests_say() -> None:
    """Each says what it is to say, about what it is for, and nothing about what is well."""
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yaml")


@pytest.mark.parametrize("name", ALERTS)
def test_alert_was_seen_to_fire_and_to_be_silent(name: str) -> None:
    """No alert is there that nobody tried, either way."""
    tried = [
        bool(expected["exp_alerts"])
        for test in TESTS
        for expected in test["alert_rule_test"]
        if expected["alertname"] == name
    ]

    assert {True, False} == set(tried)


@pytest.mark.parametrize("name", ALERTS)
def test_alert_says_how_bad_it_is_and_what_to_do(name: str) -> None:
    """By the conventions of mixins: one prefix, three severities, a sentence, and a runbook."""
    rule = ALERTS[name]
    said = rule["annotations"]

    assert re.fullmatch(r"ConsulEdge(?:[A-Z][a-z]+)+", name)
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert said["summary"].endswith(".")
    assert "{{" not in said["summary"]
    assert said["description"].endswith(".")
    assert "{{ $labels.instance }}" in said["description"]
    assert (DEPLOY / said["runbook_url"]).is_file()
    assert said["dashboard_url"].startswith("/d/consul-edge")


@pytest.mark.parametrize("name", ALERTS)
def test_alert_asks_for_what_exists(name: str) -> None:
    """An alert about a name that is not there never fires."""
    assert ASKED.findall(ALERTS[name]["expr"])
    assert unknown(ALERTS[name]["expr"]) == []


@pytest.mark.parametrize("name", RECORDED)
def test_recording_is_named_for_its_labels_and_asks_for_what_exists(name: str) -> None:
    """``level:metric:operations``: the level names the labels that are left."""
    expr = RECORDED[name]["expr"]
    level, metric, operations = name.split(":")

    assert unknown(expr) == []
    labels = set(re.findall(r"\w+", re.findall(r"\bby \(([^)]*)\)", expr)[0])) - {"job", "le"}
    assert set(level.split("_")) == labels
    assert any(asked.startswith(metric.rpartition("_")[0]) for asked, _ in ASKED.findall(expr))
    assert operations


def test_runbooks_are_those_of_the_alerts() -> None:
    """None is missing, and none is left over."""
    assert {file.stem for file in RUNBOOKS.glob("*.md")} == ALERTS.keys()


@pytest.mark.parametrize("name", ALERTS)
def test_runbook_has_every_section_and_silences_its_own_alert(name: str) -> None:
    """Whoever is woken finds the same places in each."""
    text = (RUNBOOKS / f"{name}.md").read_text()

    assert re.findall(r"^# (.+)$", text, re.MULTILINE)[0] == name
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert re.findall(r"alertname=(\w+)", text) == [name]
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [link for link in links if not (RUNBOOKS / link).is_file()] == []


PAGES: Final = [*RUNBOOKS.glob("*.md"), DEPLOY / "METRICS.md", DEPLOY.parent / "README.md"]
METRIC: Final = re.compile(r"\b(?:consul(?:_edge|_server|_sites|_node)|process|python)_[a-z_]+")
PATTERN: Final = re.compile(r"grep (?:-E )?'\^([^']+)'")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_names_metrics_that_exist(page: Path) -> None:
    """Each is one of the exposition; what is grepped for is the beginning of one."""
    text = page.read_text()
    series = {*SERIES, *FAMILIES, *OF_THE_CLIENT}

    for pattern in PATTERN.findall(text):
        for name in alternatives(pattern):
            assert any(one.startswith(name) for one in series), name
    for name in METRIC.findall(PATTERN.sub("", text)):
        assert name in series or name == "consul_edge_", name


def alternatives(pattern: str) -> list[str]:
    """
    Spell out a pattern of one group at most.

    >>> alternatives("consul_edge_(watches|blocking)")
    ['consul_edge_watches', 'consul_edge_blocking']
    """
    before, _, rest = pattern.partition("(")
    inner, _, after = rest.partition(")")
    return [before + one + after for one in inner.split("|")]


SETTING: Final = re.compile(r"`((?:consul|cache|watch|limits|admin|sites|log)\.[a-z_.]+)[`:]")


@pytest.mark.parametrize("name", ALERTS)
def test_runbook_names_settings_that_exist(name: str) -> None:
    """What is to be changed at night is spelled as the edge reads it."""
    settings = yaml.safe_load((DEPLOY.parent / "config" / "consul-edge.yaml").read_text())

    for setting in SETTING.findall((RUNBOOKS / f"{name}.md").read_text()):
        if setting == "consul.raft.commitTime":
            continue  # a metric of Consul's own
        at = settings
        for part in setting.split("."):
            assert part in at, setting
            at = at[part]


def test_pages_for_operators_name_no_machine() -> None:
    """They know nothing of where they were written."""
    for file in (*RUNBOOKS.iterdir(), *RULES.iterdir(), *(DEPLOY / "grafana").iterdir()):
        assert not re.search(r"/(?:work|root|home)/", file.read_text()), file
