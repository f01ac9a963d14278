"""The manifests: as kustomize puts them together, judged by the schemas of Kubernetes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from consul_edge import __version__
from consul_edge.config import load
from tests.packages.unit import ROOT
from tests.peers import require

FOLDER = ROOT / "deploy" / "kubernetes"

KINDS = ("sidecar", "daemonset")

VERSIONS = ("1.29", "1.37")
"""The oldest with native sidecars, and the newest whose schemas there are."""

Manifest = dict[str, Any]

pytestmark = pytest.mark.real


@pytest.fixture(scope="module", params=KINDS)
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give what kustomize makes of a folder."""
    command: list[str | Path] = [require("kubectl"), "kustomize", FOLDER / request.param]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    path = tmp_path_factory.mktemp("rendered") / f"{request.param}.yaml"
    path.write_text(done.stdout)
    return path


@pytest.fixture
def manifests(rendered: Path) -> dict[str, Manifest]:
    """Give the manifests by their kind."""
    return {one["kind"]: one for one in yaml.safe_load_all(rendered.read_text())}


def pod_of(manifests: dict[str, Manifest]) -> Manifest:
    """Give the pod that is described."""
    kind = "Deployment" if "Deployment" in manifests else "DaemonSet"
    template: Manifest = manifests[kind]["spec"]["template"]
    return template


def containers(pod: Manifest) -> Iterator[Manifest]:
    """Give all containers of a pod."""
    yield from pod["spec"].get("initContainers", ())
    yield from pod["spec"]["containers"]


def edge_of(manifests: dict[str, Manifest]) -> Manifest:
    """Give the edge's container."""
    (edge,) = (one for one in containers(pod_of(manifests)) if one["name"] == "consul-edge")
    return edge


@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_keep_the_schemas_of_kubernetes(rendered: Path, version: str) -> None:
    """Strictly: a field that nobody knows is a mistake. A PodMonitor has no schema there."""
    tool = Path(sys.executable).with_name("kubernetes-validate")
    command: list[str | Path] = [tool, "--strict", "--no-warn", "-k", version, rendered]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert told.count("passed for resource") == 2


def test_configuration_in_the_map_is_valid(manifests: dict[str, Manifest], tmp_path: Path) -> None:
    """It is what the container is told to read; only its files are elsewhere here."""
    text: str = manifests["ConfigMap"]["data"]["consul-edge.yaml"]
    for place in ("/run/secrets/consul-edge", "/var/lib/consul-edge"):
        assert place in [mount["mountPath"] for mount in edge_of(manifests)["volumeMounts"]]
        text = text.replace(place, str(tmp_path))
    (tmp_path / "token").write_text("word")
    file = tmp_path / "consul-edge.yaml"
    file.write_text(text)
    settings = load(file=file, env={}, flags={}).settings
    assert settings.listen[0].port == edge_of(manifests)["ports"][0]["containerPort"]
    config = edge_of(manifests)["args"][-1]
    assert Path(config).name == "consul-edge.yaml"


def test_probes_ask_what_they_are_for(manifests: dict[str, Manifest]) -> None:
    """Ready may know of Consul, alive may not; and the port is one that is there."""
    edge = edge_of(manifests)
    assert edge["readinessProbe"]["httpGet"]["path"] == "/-/ready"
    assert edge["livenessProbe"]["httpGet"]["path"] == "/-/healthy"
    ports = {port["name"] for port in edge["ports"]}
    probes = [edge[name]["httpGet"]["port"] for name in edge if name.endswith("Probe")]
    assert set(probes) <= ports


def test_containers_have_no_rights(manifests: dict[str, Manifest]) -> None:
    """As the restricted standard of Kubernetes wants every pod."""
    pod = pod_of(manifests)
    assert pod["spec"]["automountServiceAccountToken"] is False
    for container in containers(pod):
        rights = container["securityContext"]
        assert rights["runAsNonRoot"] is True
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
    assert edge_of(manifests)["securityContext"]["readOnlyRootFilesystem"] is True


def test_mounts_have_their_volumes(manifests: dict[str, Manifest]) -> None:
    """And the map's name is the one that kustomize gave it."""
    pod = pod_of(manifests)
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert {mount["name"] for mount in edge_of(manifests)["volumeMounts"]} == set(volumes)
    (config,) = (one["configMap"]["name"] for one in volumes.values() if "configMap" in one)
    assert config == manifests["ConfigMap"]["metadata"]["name"]


def test_monitor_finds_the_pods_and_their_port(manifests: dict[str, Manifest]) -> None:
    """The job is the one that rules and dashboard know."""
    monitor, pod = manifests["PodMonitor"]["spec"], pod_of(manifests)
    labels = pod["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    assert labels[monitor["jobLabel"]] == "consul-edge"
    (endpoint,) = monitor["podMetricsEndpoints"]
    assert endpoint["port"] in {port["name"] for port in edge_of(manifests)["ports"]}


def test_image_is_this_version(manifests: dict[str, Manifest]) -> None:
    """What is described is what is here."""
    assert edge_of(manifests)["image"] == f"consul-edge:{__version__}"


def test_native_sidecar_is_up_before_the_application() -> None:
    """It is an init container that stays, and starts only what can ask it."""
    (deployment,) = yaml.safe_load_all((FOLDER / "sidecar" / "deployment.yaml").read_text())
    (edge,) = deployment["spec"]["template"]["spec"]["initContainers"]
    assert edge["restartPolicy"] == "Always"
    assert edge["startupProbe"]["httpGet"]["path"] == "/-/ready"
    (application,) = deployment["spec"]["template"]["spec"]["containers"]
    (variable,) = application["env"]
    port = edge["ports"][0]["containerPort"]
    assert variable == {"name": "CONSUL_HTTP_ADDR", "value": f"127.0.0.1:{port}"}
