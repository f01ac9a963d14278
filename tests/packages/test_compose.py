"""The compose file: its schema, what it mounts, and that its parts know each other's names."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from consul_edge.config import load
from consul_edge.web.hosts import Hosts
from tests.packages.unit import ROOT
from tests.peers import require

FOLDER = ROOT / "deploy" / "compose"
FILE = FOLDER / "compose.yaml"
RULES = (
    "relaxed, rules: {line-length: {max: 120}, indentation: {spaces: 2}, key-duplicates: enable}"
)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """Give the services."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())["services"]
    return found


def tool(name: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program that comes with the test dependencies."""
    command = [Path(sys.executable).with_name(name), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def mounts(services: dict[str, Any]) -> Iterator[tuple[str, Path, str]]:
    """Give what is mounted: by whom, from where, and to where."""
    for name, service in services.items():
        for volume in service.get("volumes", ()):
            source, target, mode = volume.split(":")
            assert mode == "ro"
            yield name, (FOLDER / source).resolve(), target


def test_compose_file_keeps_the_specification() -> None:
    """By the schema of the compose specification itself."""
    done = tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", FILE)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("folder", ["compose", "kubernetes"])
def test_yaml_of_a_folder_is_clean(folder: str) -> None:
    """No key twice, no line that nobody reads."""
    done = tool("yamllint", "--strict", "-d", RULES, ROOT / "deploy" / folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_mounted_exists(services: dict[str, Any]) -> None:
    """Docker would make an empty folder of what does not."""
    assert [source for _, source, _ in mounts(services) if not source.exists()] == []


def test_edge_is_built_from_here_and_its_settings_are_ours(services: dict[str, Any]) -> None:
    """Every variable means something, and the others' name for it is let in."""
    edge = services["consul-edge"]
    build = edge["build"]
    assert (FOLDER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    settings = load(file=None, env=edge["environment"], flags={}).settings
    assert settings.consul.servers[0].name == "consul:8500"
    Hosts(settings.allowed_hosts).check("consul-edge:8510")


def test_edge_of_the_compose_file_can_write_nothing_but_tmp(services: dict[str, Any]) -> None:
    """As little as it needs, and no more rights than nobody has."""
    edge = services["consul-edge"]
    assert (edge["read_only"], edge["cap_drop"]) == (True, ["ALL"])
    assert [one.partition(":")[0] for one in edge["tmpfs"]] == ["/tmp"]


def test_ports_are_open_to_this_machine_alone(services: dict[str, Any]) -> None:
    """A trial opens nothing to the network."""
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_nobody_waits_for_a_health_that_nobody_tells(services: dict[str, Any]) -> None:
    """Who is waited for until it is healthy says so: by the file, or by its image."""
    for service in services.values():
        waits = service.get("depends_on", {})
        for name in waits if isinstance(waits, dict) else ():
            assert "healthcheck" in services[name] or "build" in services[name]


@pytest.mark.real
def test_prometheus_understands_its_configuration(
    services: dict[str, Any], tmp_path: Path
) -> None:
    """Promtool's word, with the rules where they are mounted."""
    for name, source, target in mounts(services):
        if name == "prometheus":
            place = tmp_path / Path(target).relative_to("/etc/prometheus")
            place.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, place)
    command: list[str | Path] = [
        require("promtool"),
        "check",
        "config",
        tmp_path / "prometheus.yml",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 rule files found" in done.stdout


def test_prometheus_scrapes_the_edge_by_the_job_of_the_rules() -> None:
    """The alerts look for this name."""
    (job,) = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())["scrape_configs"]
    alerts = (ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text()
    assert f'job="{job["job_name"]}"' in alerts
    assert job["static_configs"][0]["targets"] == ["consul-edge:8510"]


def test_grafana_finds_the_dashboard_and_its_source(services: dict[str, Any]) -> None:
    """Where the provider looks is where the dashboard is mounted, and it is the first page."""
    found = {target: source for name, source, target in mounts(services) if name == "grafana"}
    provider = yaml.safe_load((FOLDER / "grafana" / "dashboards.yaml").read_text())["providers"][0]
    folder = found[provider["options"]["path"]]
    first = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    dashboard = json.loads((folder / Path(first).name).read_text())
    variables = {one["name"]: one for one in dashboard["templating"]["list"]}
    assert variables["datasource"]["query"] == "prometheus"
    (source,) = yaml.safe_load((FOLDER / "grafana" / "datasources.yaml").read_text())[
        "datasources"
    ]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    assert source["url"] == "http://prometheus:9090"
