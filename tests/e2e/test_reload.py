"""Reloads of a real process, by SIGHUP: under load, of broken files, and of what it logs."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest

from consul_edge.demo.standin import StandIn
from tests.edge import EdgeProcess
from tests.packages.ear import Ear
from tests.scrape import sample
from tests.waiting import eventually

RELOADS = 20
REQUESTS = 10_000
CLIENTS = 16

SUCCESS = "consul_edge_config_last_reload_successful"


@pytest.fixture
async def edge() -> AsyncIterator[EdgeProcess]:
    """Give an edge over a stand-in in this loop."""
    standin = StandIn(nodes=3, services=5)
    async with standin.running() as url, EdgeProcess([url]) as edge:
        yield edge


async def reload(edge: EdgeProcess) -> str:
    """Send SIGHUP, and wait for what comes of it: the first word of the log's line."""
    before = len(edge.log_lines())
    edge.write_config()
    await hup(edge)

    def outcome() -> str | None:
        lines = edge.log_lines()[before:]
        found = [word for line in lines for word in ("refused", "read again") if word in line]
        return found[0] if found else None

    return await eventually(outcome, "the reload is told") or ""


async def hup(edge: EdgeProcess) -> None:
    """Send SIGHUP."""
    os.kill(edge.pid, signal.SIGHUP)


async def test_ten_thousand_requests_across_twenty_reloads_none_fails(edge: EdgeProcess) -> None:
    """Good ones, which change half of everything, and broken ones, of which nothing is taken."""
    seen: Counter[int] = Counter()
    is_over = asyncio.Event()
    parked = asyncio.Event()

    async def ask(session: aiohttp.ClientSession, number: int) -> None:
        targets = (
            "/v1/catalog/nodes",
            "/v1/health/service/web?passing",
            "/v1/kv/none",
            "/v1/agent/self",
        )
        while sum(seen.values()) < REQUESTS or not is_over.is_set():
            async with session.get(edge.http + targets[number % len(targets)]) as response:
                await response.read()
                seen[response.status] += 1
            number += 1

    async def poll(session: aiohttp.ClientSession) -> int:
        async with session.get(f"{edge.http}/v1/catalog/nodes") as response:
            index = response.headers["X-Consul-Index"]
        url = f"{edge.http}/v1/catalog/nodes?index={index}&wait=120s"
        parked.set()
        async with session.get(url) as response:
            return response.status

    async with aiohttp.ClientSession() as session:
        polling = asyncio.create_task(poll(session))
        await parked.wait()
        asking = [asyncio.create_task(ask(session, number)) for number in range(CLIENTS)]
        outcomes: Counter[str] = Counter()
        good = json.loads(json.dumps(edge.settings))
        for number in range(RELOADS):
            edge.settings = json.loads(json.dumps(good))
            is_broken = number % 4 == 3
            edge.settings["cache"] = {
                "ttl": f"{number + 1}s",
                "max_entries": 2 if number % 2 else 1000,
                "endpoints": {"catalog_nodes": "pass"} if number % 5 == 4 else {},
            }
            edge.settings["consul"]["timeout"] = f"{2 + number % 3}s"
            edge.settings["consul"]["pool"] = {"keepalive_connections": 5 + number}
            edge.settings["watch"] = {"wait": f"{10 + number}s"}
            edge.settings["log"] = {"format": "json" if number % 2 else "logfmt"}
            extra = [good["listen"], f"{edge.address}:8511"]
            edge.settings["listen"] = extra if number % 2 else good["listen"]
            if is_broken:
                edge.settings["rules"] = {"kv_key": "//"}
            outcomes[await reload(edge)] += 1
        is_over.set()
        await asyncio.gather(*asking)
        assert not polling.done()
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
    assert outcomes == {"read again": RELOADS - RELOADS // 4, "refused": RELOADS // 4}
    assert sum(seen.values()) >= REQUESTS
    # There is no such key; everything else is there.
    assert seen.keys() == {200, 404}
    assert not [line for line in edge.log_lines() if "Traceback" in line or "exception" in line]


async def test_broken_file_keeps_the_former_configuration_and_says_so(edge: EdgeProcess) -> None:
    """The metric is 0 and the log has each problem, until the file is mended."""
    edge.config.write_text("cache: {ttl: soon}\nconsul: {tmeout: 2s}\n")
    await hup(edge)
    await eventually(lambda: any("tmeout" in line for line in edge.log_lines()), "refused")
    refused = [line for line in edge.log_lines() if "configuration refused" in line]
    assert len(refused) == 2
    assert await asyncio.to_thread(sample, edge.http, SUCCESS) == 0
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{edge.http}/v1/agent/self") as answer,
    ):
        assert answer.status == 200
    assert await reload(edge) == "read again"
    assert await asyncio.to_thread(sample, edge.http, SUCCESS) == 1


async def test_level_and_format_of_the_log_are_those_of_the_last_reload(edge: EdgeProcess) -> None:
    """From the reload on, its own lines included: they are what somebody looks for."""
    edge.settings["log"] = {"format": "json", "access": True}
    await reload(edge)
    async with aiohttp.ClientSession() as session, session.get(f"{edge.http}/v1/kv/a") as answer:
        assert answer.status == 404

    def logged() -> list[str]:
        lines = [line for line in edge.log_lines() if line.startswith("{")]
        return [json.loads(line)["event"] for line in lines]

    await eventually(lambda: "request" in logged(), "the access log, in JSON")
    assert "configuration read again" in logged()
    edge.settings["log"] = {"level": "error", "format": "json"}
    edge.write_config()
    await hup(edge)
    await eventually(lambda: _is_quiet(edge), "the access log is off again")


def _is_quiet(edge: EdgeProcess) -> bool:
    """Tell whether a request is not logged any more."""
    before = len(edge.log_lines())
    sample(edge.http, SUCCESS)
    return len(edge.log_lines()) == before


async def test_signal_before_it_serves_does_not_end_it() -> None:
    """A supervisor that is early gets an edge, and a reload."""
    async with EdgeProcess(["127.0.0.1:9"]) as edge:
        for _ in range(3):
            await hup(edge)
        await eventually(
            lambda: any("read again" in line for line in edge.log_lines()), "reloaded"
        )
        assert edge.returncode is None


async def test_manager_hears_of_each_reload_that_it_begins_and_that_it_is_over() -> None:
    """Whatever came of it: a manager that is not told READY again ends the process."""
    standin, ear = StandIn(nodes=1, services=1), Ear()
    async with standin.running() as url:
        async with EdgeProcess([url], env={"NOTIFY_SOCKET": ear.address}) as edge:
            await eventually(lambda: ear.count("READY=1") == 1, "READY")
            assert await reload(edge) == "read again"
            await eventually(lambda: ear.count("READY=1") == 2, "READY again")
            edge.settings["rules"] = {"kv_key": "//"}
            assert await reload(edge) == "refused"
            await eventually(lambda: ear.count("READY=1") == 3, "READY again")
    words = [word for word in ear.words if word in ("RELOADING=1", "READY=1")]
    assert words == ["READY=1", *("RELOADING=1", "READY=1") * 2]
    ear.close()
