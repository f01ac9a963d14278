"""A real Prometheus for tests, which scrapes what it is told to, and judges by rules."""

import json
import shutil
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import yaml

from tests.peers import require
from tests.processes import Launched, Process, fresh_address

PORT: Final = 9090

TICK: Final = "200ms"
"""How often it scrapes and judges, unless a configuration says otherwise."""


class Prometheus(Launched):
    """
    One server on a loopback address of its own, with its data in a folder that goes with it.

    >>> # with Prometheus({"scrape_configs": [...]}) as it: it.values('up{job="edge"}')
    """

    def __init__(self, config: Mapping[str, Any], rules: str = "") -> None:
        """
        Prepare, but start nothing.

        Args:
            config: As in ``prometheus.yml``.

            rules: A rule file.
        """
        self.address = fresh_address()
        self.http = f"http://{self.address}:{PORT}"
        self.folder = Path(tempfile.mkdtemp(prefix="prometheus-"))
        self.process: Process | None = None
        self._rules = rules
        ticks = {"scrape_interval": TICK, "scrape_timeout": TICK, "evaluation_interval": TICK}
        self._config = {"global": ticks, "rule_files": ["rules.yaml"]} | dict(config)

    def launch(self) -> None:
        """Start the process without waiting for it."""
        (self.folder / "rules.yaml").write_text(self._rules or "groups: []\n")
        config = self.folder / "prometheus.yaml"
        config.write_text(yaml.safe_dump(self._config))
        command = (
            require("prometheus"),
            f"--config.file={config}",
            f"--web.listen-address={self.address}:{PORT}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            "--storage.tsdb.retention.time=1h",
        )
        self.process = Process("prometheus", command, self.folder / "log")

    def is_ready(self) -> bool:
        """Whether it answers."""
        assert self.process is not None
        if not self.process.alive:
            raise AssertionError(f"{self!r} ended:\n{self.process.tail()}")
        with urllib.request.urlopen(f"{self.http}/-/ready", timeout=5) as response:
            return bool(response.status == 200)

    def stop(self) -> None:
        """End it and remove all that it wrote."""
        if self.process is not None:
            self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, target: str) -> Any:
        """Give the ``data`` of an answer of its API."""
        with urllib.request.urlopen(f"{self.http}/api/v1/{target}", timeout=10) as response:
            return json.load(response)["data"]

    def values(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Evaluate *query* now: labels and value of each series."""
        found = self.ask(f"query?query={quote(query)}")["result"]
        return [(series["metric"], float(series["value"][1])) for series in found]

    def targets(self, job: str) -> dict[str, str]:
        """Give the active targets of *job*: URL and health, ``up``, ``down`` or ``unknown``."""
        active = self.ask("targets?state=active")["activeTargets"]
        return {
            target["scrapeUrl"]: target["health"]
            for target in active
            if target["scrapePool"] == job
        }

    def __repr__(self) -> str:
        return f"<prometheus at {self.http}>"
