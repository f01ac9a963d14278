"""Debian's Prometheus, scraping the edge and what the edge tells it to scrape."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import pytest

from tests.consul import ConsulAgent
from tests.edge import EdgeProcess
from tests.prometheus import Prometheus
from tests.test_rollback import ALERTS, RULES
from tests.waiting import wait_until

pytestmark = pytest.mark.real


class _Exporter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(f'exported{{path="{self.path}"}} 1\n'.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def exporter(address: str) -> Iterator[int]:
    """Run something to scrape; gives its port."""
    with ThreadingHTTPServer((address, 0), _Exporter) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_metrics_are_scraped_and_the_triggers_evaluated(edge: EdgeProcess) -> None:
    """What the edge exposes is taken, and every rule of ROLLBACK.md is asked without an error."""
    scraped = [{"job_name": "edge", "static_configs": [{"targets": [edge.server]}]}]

    with Prometheus({"scrape_configs": scraped}, RULES) as prometheus:
        wait_until(
            lambda: prometheus.targets("edge") == {f"{edge.http}/metrics": "up"}, "it is scraped"
        )
        wait_until(lambda: prometheus.values("consul_edge_build_info"), "its metrics are kept")

        kept = datetime.now(UTC)

        def evaluated() -> dict[str, str]:
            """Give the health of each rule that was evaluated over what is kept."""
            (group,) = prometheus.ask("rules")["groups"]
            return {
                rule["name"]: rule["health"]
                for rule in group["rules"]
                if datetime.fromisoformat(rule["lastEvaluation"]) > kept
            }

        wait_until(lambda: evaluated().keys() == ALERTS.keys(), "all rules are evaluated")
        assert set(evaluated().values()) == {"ok"}


def register(consul: ConsulAgent, name: str, port: int, **meta: str) -> str:
    """Register an instance that is scraped at the agent's own address; gives its id."""
    made = f"mod/Acme/{name}/a b@{port}"
    service: dict[str, Any] = {"Name": name, "ID": made, "Port": port, "Address": consul.address}
    consul.put("/v1/agent/service/register", service | {"Meta": meta, "Tags": ["one", "two"]})
    return made


def test_targets_from_the_edge_are_scraped_as_they_come_and_go() -> None:
    """By http_sd of one category: with their labels, soon after they are registered or gone."""
    with (
        ConsulAgent() as consul,
        EdgeProcess([consul.server]) as edge,
        exporter(consul.address) as first,
        exporter(consul.address) as second,
        exporter(consul.address) as foreign,
    ):
        made = register(consul, "node_exporter", first, company="Acme Ltda., São Paulo")
        register(consul, "mysql_exporter", foreign)
        found = f"{edge.http}/api/v1/sd?category=system-exporters"
        job = {
            "job_name": "found",
            "http_sd_configs": [{"url": found, "refresh_interval": "1s"}],
            "relabel_configs": [
                {"source_labels": [f"__meta_consul_{source}"], "target_label": label}
                for source, label in (
                    ("service", "service"),
                    ("service_id", "id"),
                    ("tags", "tags"),
                    ("service_metadata_company", "company"),
                    ("edge_category", "category"),
                )
            ],
        }
        with Prometheus({"scrape_configs": [job]}) as prometheus:

            def up() -> set[str]:
                return {
                    url for url, health in prometheus.targets("found").items() if health == "up"
                }

            def at(port: int) -> str:
                return f"http://{consul.address}:{port}/metrics"

            wait_until(lambda: up() == {at(first)}, "the first is scraped")
            wait_until(lambda: prometheus.values("exported"), "what it exports is kept")
            (labels, value), *others = prometheus.values("exported")
            assert (value, others) == (1.0, [])
            assert labels == labels | {
                "service": "node_exporter",
                "id": made,
                "tags": ",one,two,",
                "company": "Acme Ltda., São Paulo",
                "category": "system-exporters",
                "instance": f"{consul.address}:{first}",
            }

            register(consul, "windows_exporter", second)
            wait_until(lambda: up() == {at(first), at(second)}, "the second is scraped, too")
            consul.put(f"/v1/agent/service/deregister/{quote(made, safe='')}")
            wait_until(
                lambda: set(prometheus.targets("found")) == {at(second)}, "the first is gone"
            )
