"""The image: its Dockerfile judged by hadolint, and carried out step by step without Docker."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consul_edge import __version__
from consul_edge.demo.standin import StandIn
from tests.packages import dockerfile
from tests.packages.dockerfile import FILE, Image
from tests.packages.unit import ROOT
from tests.processes import Process, fresh_address
from tests.waiting import eventually
from tests.wire import exchange

PORT = 8510

REVISION = "0123456789abcdef0123456789abcdef01234567"


pytestmark = pytest.mark.timeout(600)
"""Everything that the edge needs is installed once: on a machine with much to do that is long."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Give the image, made once."""
    return dockerfile.build(tmp_path_factory.mktemp("image"), REVISION=REVISION)


@pytest.fixture
async def consul() -> AsyncIterator[str]:
    """Give the URL of a stand-in."""
    async with StandIn(nodes=1, services=1).running() as url:
        yield url


def test_dockerfile_has_nothing_to_complain_of() -> None:
    """By hadolint, with its rules as they are."""
    command = [Path(sys.executable).with_name("hadolint"), FILE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_context_holds_what_is_copied_and_nothing_else() -> None:
    """No test, no history and no secret that lies about goes to the engine."""
    code = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "consul_edge").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    others = {"README.md", "setup.cfg", "pyproject.toml", "deploy/constraints.txt"}
    assert set(dockerfile.context()) == code | others


def test_image_runs_as_nobody_and_hears_signals() -> None:
    """A number for a user, and exec forms: no shell stands between the engine and the edge."""
    steps = dockerfile.read()
    final = {step.name: step for step in steps}
    user, group = final["USER"].text.split(":")
    assert user.isdecimal()
    assert group.isdecimal()
    assert int(user) > 0
    assert final["STOPSIGNAL"].text == "SIGTERM"
    words = [final["ENTRYPOINT"].form(), final["CMD"].form()]
    assert words == [["consul-edge"], ["serve"]]
    assert [step.name for step in steps].count("FROM") == 2


@pytest.mark.real
async def test_image_as_made_serves_and_says_that_it_is_healthy(
    image: Image, consul: str, tmp_path: Path
) -> None:
    """Its entry point starts, its health check says so, and SIGTERM ends it."""
    address = fresh_address()
    assert image.labels["org.opencontainers.image.version"] == __version__
    env = image.env | {"CONSUL_SERVERS": consul, "TMPDIR": str(tmp_path)}
    # On all interfaces in a container; in a test on loopback alone.
    assert env["CONSUL_EDGE_LISTEN"] == f":{PORT}"
    env["CONSUL_EDGE_LISTEN"] = f"{address}:{PORT}"
    program = image.path("/opt/consul-edge/bin/consul-edge")
    assert image.last["ENTRYPOINT"].form() == [program.name]
    words = [str(program), *image.last["CMD"].form()]
    process = Process("image", words, tmp_path / "log", env)
    try:
        check = image.last["HEALTHCHECK"].text.partition(" CMD ")[2]
        assert check == '["consul-edge", "healthcheck"]'

        def is_healthy() -> bool:
            done = subprocess.run(
                [program, "healthcheck"], env=env, capture_output=True, text=True, check=False
            )
            return (done.returncode, done.stdout) == (0, "consul-edge is ready\n")

        await eventually(is_healthy, "the health check")
        for target in ("/-/healthy", "/static/page.js", "/api/v1/openapi.json", "/metrics"):
            assert exchange((address, PORT), "GET", target).status == 200
        labels = f'revision="{REVISION}",version="{__version__}"'
        metrics = exchange((address, PORT), "GET", "/metrics").body.decode()
        assert [line for line in metrics.splitlines() if "build_info{" in line and labels in line]
        process.terminate()
        assert process.returncode == 0
    finally:
        process.kill()


@pytest.mark.real
def test_image_holds_only_what_it_runs(image: Image) -> None:
    """Neither pip nor what tests need is in it; what is in it comes from the pinned list."""
    site = next(image.path("/opt/consul-edge").glob("lib/python3*/site-packages"))
    found = {path.name.split("-")[0].lower() for path in site.glob("*.dist-info")}
    assert {"aiohttp", "uvloop", "shtab", "consul_edge"} <= found
    assert found & {"pip", "pytest", "mypy", "hypothesis"} == set()
    pinned = {
        line.split("==")[0].lower().replace("-", "_")
        for line in (ROOT / "deploy" / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    assert {name.replace("-", "_") for name in found} - pinned <= {"consul_edge", "setuptools"}
