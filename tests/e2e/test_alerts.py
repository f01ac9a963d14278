"""
Every alert is made to fire for real: one Prometheus, the shipped rules, an edge for each fault.

The rules are those of ``deploy/prometheus`` with minutes made seconds, and nothing else changed.
"""

import asyncio
import re
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from consul_edge.demo.standin import StandIn
from tests.e2e import faults
from tests.e2e.faults import ADMIN_TOKEN, House
from tests.edge import EdgeProcess
from tests.prometheus import Prometheus
from tests.promql import ALERTS, DEPLOY
from tests.waiting import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to an edge, and which alerts that is."""

    strike: Callable[[House], Awaitable[object]]
    alerts: frozenset[str]
    settings: dict[str, Any] = field(default_factory=dict)


TICKS: Final = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "500ms"}
"""Seconds are minutes here; scraped more often, the edges would do little else."""

PATIENCE: Final = 150.0
"""Seconds until all run, and until all have fired; paid only when one never does."""

QUICK: Final = {"deadline": "1s", "max_retries": 0, "timeout": "500ms"}

FAULTS: Final = (
    Fault(faults.is_killed, frozenset({"ConsulEdgeDown"})),
    Fault(
        faults.loses_all_servers,
        frozenset(
            {
                "ConsulEdgeAllUpstreamsDown",
                "ConsulEdgeHighErrorRate",
                "ConsulEdgeServingStale",
                "ConsulEdgeUpstreamDown",
            }
        ),
        {"consul": QUICK},
    ),
    Fault(
        faults.has_a_flapping_server,
        frozenset({"ConsulEdgeUpstreamFlapping"}),
        {"consul": QUICK},
    ),
    Fault(
        faults.is_out_of_connections,
        frozenset({"ConsulEdgeConnectionsExhausted", "ConsulEdgeWatchesWanted"}),
        {"consul": {"connections_per_server": 12}, "watch": {"max_per_server": 11}},
    ),
    Fault(
        faults.has_a_queue,
        frozenset({"ConsulEdgeQueueWaits"}),
        {"consul": {"pool": {"max_connections": 1, "keepalive_connections": 1}}},
    ),
    Fault(
        faults.is_stopped_again_and_again,
        frozenset({"ConsulEdgeEventLoopBlocked"}),
    ),
    Fault(
        faults.is_busy_with_nothing_good,
        frozenset(
            {
                "ConsulEdgeAdminTokenGuessed",
                "ConsulEdgeConfigReloadFailed",
                "ConsulEdgeDocumentBroken",
                "ConsulEdgeEnrichFailures",
                "ConsulEdgeHitRatioLow",
                "ConsulEdgeLimitReached",
                "ConsulEdgeSnapshotFailed",
            }
        ),
        {"admin": {"token": ADMIN_TOKEN}, "limits": {"body_bytes": 4096}},
    ),
)


WELL: Final = {"consul": {"timeout": "30s"}}
"""Of the healthy edge: it takes a slow machine for no fault of its server."""

OF_THE_MACHINE: Final = frozenset({"ConsulEdgeDown", "ConsulEdgeEventLoopBlocked"})
"""What is true of every edge on a machine that has no time for it."""


def in_seconds(rules: str) -> str:
    """Make what takes minutes take seconds, and what has to last, last for one."""
    rules = re.sub(r"\[(\d+)m\]", r"[\1s]", rules)
    return re.sub(r"^( +for:) \w+$", r"\1 1s", rules, flags=re.MULTILINE)


def rules() -> str:
    """Give both files of rules as one."""
    recording, alerts = (
        in_seconds((DEPLOY / "prometheus" / f"{name}.yaml").read_text())
        for name in ("recording", "alerts")
    )
    return recording + alerts.partition("groups:\n")[2]


async def test_each_alert_fires_for_its_fault_and_none_for_a_healthy_edge() -> None:
    """What each alert is for happens, and Prometheus says so, naming the edge that it is."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        patience = aiohttp.ClientTimeout(total=10)
        client = await stack.enter_async_context(aiohttp.ClientSession(timeout=patience))
        well, *struck = await asyncio.gather(
            _house(stack, client, WELL),
            *(_house(stack, client, _with_snapshot(fault, folder)) for fault in FAULTS),
        )
        houses = list(zip(FAULTS, struck, strict=True))
        servers = [house.edge.server for house in (well, *struck)]
        scraped = {"job_name": "consul-edge", "static_configs": [{"targets": servers}]}
        prometheus = Prometheus({"global": TICKS, "scrape_configs": [scraped]}, rules())
        await stack.enter_async_context(prometheus)

        def are_scraped() -> bool | Awaitable[bool]:
            return asyncio.to_thread(_are_up, prometheus, len(servers))

        await eventually(are_scraped, "all are scraped")

        strikes = [(faults.is_well, well), *((fault.strike, house) for fault, house in houses)]
        striking = [asyncio.create_task(_run(strike, house)) for strike, house in strikes]
        fired = Fired(
            prometheus, {(a, h.edge.server) for fault, h in houses for a in fault.alerts}
        )
        try:
            await eventually(fired.all_have, "all alerts fire", PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}: {fired}") from None
        finally:
            for task in striking:
                task.cancel()
            ended = await asyncio.gather(*striking, return_exceptions=True)
        assert [one for one in ended if isinstance(one, Exception)] == []
        assert fired.of(well.edge.server) - OF_THE_MACHINE == set()


def test_every_alert_has_a_fault_that_is_tried() -> None:
    """No alert is shipped that was never seen to fire for what it is for."""
    assert {alert for fault in FAULTS for alert in fault.alerts} == ALERTS.keys()


def _with_snapshot(fault: Fault, folder: Path) -> dict[str, Any]:
    if "ConsulEdgeSnapshotFailed" not in fault.alerts:
        return fault.settings
    place = folder / "kept"
    place.mkdir()
    return fault.settings | {"cache": {"snapshot": str(place / "snapshot")}}


async def _house(
    stack: AsyncExitStack, client: aiohttp.ClientSession, settings: dict[str, Any]
) -> House:
    server = StandIn(nodes=3, services=6)
    url = await stack.enter_async_context(server.running())
    edge = EdgeProcess([url], settings)
    # They start all at once.
    edge.patience = PATIENCE
    await stack.enter_async_context(edge)
    return House(edge, client, server)


async def _run(strike: Callable[[House], Awaitable[object]], house: House) -> None:
    await strike(house)


def _are_up(prometheus: Prometheus, most: int) -> bool:
    return sum(value for _, value in prometheus.values("up")) == most


class Fired:
    """Which alerts have fired, and for which edge."""

    def __init__(self, prometheus: Prometheus, expected: set[tuple[str, str]]) -> None:
        """Have seen none."""
        self._prometheus = prometheus
        self._missing = expected
        self._seen: set[tuple[str, str]] = set()

    def all_have(self) -> bool | Awaitable[bool]:
        """Note what fires now, and tell whether all have that are expected to."""
        return asyncio.to_thread(self._look)

    def _look(self) -> bool:
        alerts = self._prometheus.ask("alerts")["alerts"]
        firing = [alert["labels"] for alert in alerts if alert["state"] == "firing"]
        self._seen |= {(labels["alertname"], labels["instance"]) for labels in firing}
        self._missing -= self._seen
        return not self._missing

    def of(self, instance: str) -> set[str]:
        """Give what has fired for an edge."""
        return {alert for alert, at in self._seen if at == instance}

    def __repr__(self) -> str:
        return f"those missing: {sorted(self._missing)}"
