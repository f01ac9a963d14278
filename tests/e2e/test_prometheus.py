"""Debian's Prometheus, over a running edge."""

import pytest

from tests.edge import EdgeProcess
from tests.prometheus import Prometheus
from tests.test_rollback import ALERTS, RULES
from tests.waiting import wait_until

pytestmark = pytest.mark.real


def test_metrics_are_scraped_and_the_triggers_evaluated(edge: EdgeProcess) -> None:
    """What the edge exposes is taken, and every rule of ROLLBACK.md is asked without an error."""
    scraped = [{"job_name": "edge", "static_configs": [{"targets": [edge.server]}]}]

    with Prometheus({"scrape_configs": scraped}, RULES) as prometheus:
        wait_until(
            lambda: prometheus.targets("edge") == {f"{edge.http}/metrics": "up"}, "it is scraped"
        )
        wait_until(lambda: prometheus.values("consul_edge_build_info"), "its metrics are kept")

        def judged() -> dict[str, str]:
            (group,) = prometheus.ask("rules")["groups"]
            return {rule["name"]: rule["health"] for rule in group["rules"]}

        wait_until(lambda: set(judged().values()) == {"ok"}, "all rules are evaluated")
        assert judged().keys() == ALERTS.keys()
