"""``consul-edge bench nodes`` against a running edge."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from consul_edge import __version__
from tests.edge import PORT
from tests.processes import Process, clean_environment, fresh_address
from tests.waiting import wait_until
from tests.wire import exchange


def bench(mode: str, url: str, output: Path) -> dict[str, Any]:
    """Run the command; whether the machine was fast enough is not judged here."""
    words = ["bench", "nodes", "--mode", mode, "--url", url, "--iterations", "5", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "consul_edge", *words, "--output", str(output)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["passed"] is (done.returncode == 0)
    return found


def test_running_edge_is_measured_and_compared(tmp_path: Path) -> None:
    """Every hit and every miss is answered, each flush drops something, and nothing is doubted."""
    address = fresh_address()
    words = ("demo", "--nodes", "3", "--services", "30", "--churn", "0", "--seed", "1")
    command = (sys.executable, "-m", "consul_edge", *words, "--listen", f"{address}:{PORT}")
    demo = Process("demo", command, tmp_path / "log")
    try:
        wait_until(
            lambda: exchange((address, PORT), "GET", "/api/v1/nodes").status == 200, "the demo"
        )
        url = f"http://{address}:{PORT}"
        baseline = bench("baseline", url, tmp_path)
        compared = bench("compare", url, tmp_path)
        report = bench("report", url, tmp_path)
    finally:
        demo.terminate()

    for found in (baseline, compared):
        assert (found["nodes"], found["edge_version"]) == (3, __version__)
        assert found["connections"] == 1
        for series in (found["hits"], found["misses"]):
            assert (len(series["raw_times_ms"]), series["errors"]) == (5, {})
        assert found["warnings"] == []
    assert report["comparison"] == compared["comparison"]
