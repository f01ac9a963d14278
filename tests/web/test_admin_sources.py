"""The admin calls about sites and rules: what is shown of them, and what a flush does."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
import pytest
from structlog.testing import capture_logs

from consul_edge.demo.standin import StandIn
from consul_edge.enrich.packaged import packaged_rules
from consul_edge.web.keys import RULES, SITES
from tests.house import House, edge_over
from tests.scrape import sample
from tests.waiting import eventually

TOKEN: Final = "0000adm1-5ec2-e75e-c25e-c2e75ec2e75e"
BEARER: Final = [("Authorization", f"Bearer {TOKEN}")]

SITES_KEY: Final = "skills/eye/metadata/sites"
RULES_KEY: Final = "skills/eye/monitoring-types/categorization/rules"

RULES_PATH: Final = "/api/v1/admin/rules"

RULE: Final = {
    "id": "app",
    "priority": 90,
    "category": "apps",
    "display_name": "App",
    "exporter_type": "app",
    "conditions": {"job_name_pattern": "^app", "metrics_path": "/metrics"},
    "observations": None,
}
BAD: Final = {"id": "bad", "category": "apps", "conditions": {"job_name_pattern": "("}}
DOCUMENT: Final = {
    "version": "2.0.0",
    "last_updated": "2026-01-02",
    "default_category": "rest",
    "rules": [RULE, BAD],
    "categories": [{"id": "apps", "display_name": "Apps"}, {"id": "rest"}],
}


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a running stand-in that has one site, one rule and one that is bad."""
    one = StandIn(nodes=2, services=3)
    site = {"code": "rio", "name": "Rio", "prometheus_instance": "10.0.0.1"}
    one.state.keys.put(SITES_KEY, json.dumps([site]).encode())
    one.state.keys.put(RULES_KEY, json.dumps(DOCUMENT).encode())
    async with one.running():
        yield one


@pytest.fixture
async def house(standin: StandIn) -> AsyncIterator[House]:
    """Give an edge with an admin token."""
    settings = {"ADMIN__TOKEN": TOKEN, "CONSUL__TIMEOUT": "200ms"}
    async with edge_over(standin.base_url, **settings) as edge:
        yield edge


async def told(house: House, path: str, method: str = "GET") -> Any:
    """Make a call that is served."""
    answer = await house.ask(method, path, BEARER)
    assert answer.status == 200, answer.body
    return answer.json()


async def text(house: House, path: str) -> str:
    """Make one as a person does."""
    answer = await house.ask("GET", path, [*BEARER, ("Accept", "text/plain")])
    assert answer.status == 200, answer.body
    return answer.body.decode()


class TestRules:
    async def test_rules_are_shown_as_they_are_written(self, house: House) -> None:
        """What is shown can be put where it is read; beside it stands how fresh it is."""
        shown = await told(house, RULES_PATH)
        assert {name: shown[name] for name in ("success", "source", "where", "error")} == {
            "success": True,
            "source": "kv",
            "where": RULES_KEY,
            "error": None,
        }
        assert shown["loaded_at"].endswith("Z")
        assert shown["age_seconds"] >= 0
        assert (shown["total_rules"], shown["default_category"]) == (1, "rest")
        assert (shown["version"], shown["last_updated"]) == ("2.0.0", "2026-01-02")
        assert shown["rules"] == [RULE]
        assert [one["id"] for one in shown["categories"]] == ["apps", "rest"]

    async def test_rule_is_bad_its_problem_is_shown(self, house: House) -> None:
        """Which rule, which field, what it was, and what becomes of the rule."""
        (problem,) = (await told(house, RULES_PATH))["problems"]
        assert (problem["rule"], problem["field"]) == ("bad", "conditions.job_name_pattern")
        assert (problem["value"], problem["severity"]) == ("'('", "error")
        assert problem["text"].startswith("rule bad: conditions.job_name_pattern: '(': expected")

    async def test_document_is_broken_the_rules_in_force_and_the_reason_are_shown(
        self, house: House, standin: StandIn
    ) -> None:
        """The last good ones decide."""
        await told(house, RULES_PATH)
        standin.state.keys.put(RULES_KEY, b"rules: 3")
        await eventually(lambda: house.app[RULES].status.error, "told")
        shown = await told(house, RULES_PATH)
        assert (shown["rules"], shown["source"]) == ([RULE], "kv")
        assert shown["error"] == f"{RULES_KEY}: expected a list called rules, not 3"

    async def test_there_are_none_those_of_the_package_are_shown(
        self, house: House, standin: StandIn
    ) -> None:
        """They are from nowhere else."""
        standin.state.keys.delete(RULES_KEY)
        shown = await told(house, RULES_PATH)
        assert (shown["source"], shown["where"]) == ("defaults", None)
        assert shown["total_rules"] == len(packaged_rules().rules) == len(shown["rules"])

    @pytest.mark.parametrize(
        ("method", "headers", "query", "status"),
        [
            ("GET", [], "", 401),
            ("GET", [("Authorization", "Bearer x")], "", 403),
            ("POST", BEARER, "", 405),
            ("GET", BEARER, "?key=/v1/kv/a", 400),
            ("GET", [*BEARER, ("Sec-Fetch-Site", "cross-site")], "", 403),
            ("HEAD", BEARER, "", 200),
        ],
    )
    async def test_call_is_let_in_or_refused_as_any_admin_call_is(
        self,
        method: str,
        headers: list[tuple[str, str]],
        query: str,
        status: int,
        house: House,
    ) -> None:
        """By the same token, from the same sites, by its own methods; each is recorded."""
        with capture_logs() as logged:
            answer = await house.ask(method, f"{RULES_PATH}{query}", headers)
        assert (answer.status, answer.header("Cache-Control")) == (status, "no-store")
        (line,) = [line for line in logged if line["event"] == "admin call"]
        assert (line["action"], line["status"]) == ("rules", status)

    async def test_call_is_served_it_is_counted(self, house: House) -> None:
        """By its own name."""
        before = await count(house)
        await told(house, RULES_PATH)
        assert await count(house) == before + 1

    async def test_service_is_categorized_first_of_all_the_rules_of_kv_decide(
        self, house: House
    ) -> None:
        """Whoever asks first waits for them, whatever he asks."""
        answer = await house.ask("GET", "/api/v1/categorize?service=app1")
        assert answer.json()["decision"]["matched_rule"] == "app"


class TestFlush:
    @pytest.mark.parametrize("name", ["sites", "rules"])
    async def test_document_is_flushed_it_is_loaded_anew(
        self, name: str, house: House, standin: StandIn
    ) -> None:
        """The original's fields are there; what is good stays meanwhile."""
        source = house.app[SITES] if name == "sites" else house.app[RULES]
        await source.read()
        before = source.value
        target = source.document.target
        asked = len(standin.seen.of("GET", target))
        answer = await told(house, f"/api/v1/admin/cache/{name}/flush", "POST")
        assert (answer["success"], answer["keys_flushed"]) == (True, 1)
        assert answer["namespaces"] == [name]
        assert {"message", "flushed_at", "warning"} <= answer.keys()
        assert len([one for one in standin.seen.of("GET", target)[asked:] if not polls(one)]) == 1
        assert source.value is before

    async def test_kv_fails_a_flush_takes_nothing_away(
        self, house: House, standin: StandIn
    ) -> None:
        """It ends all the same, and what was good is in force."""
        good = await house.app[SITES].read()
        standin.faults.hang(path="/v1/kv/")
        await told(house, "/api/v1/admin/cache/sites/flush", "POST")
        assert house.app[SITES].value is good

    async def test_nobody_reads_nothing_is_flushed(self, house: House, standin: StandIn) -> None:
        """What was never read is not asked for, either."""
        answer = await told(house, "/api/v1/admin/cache/all/flush", "POST")
        assert answer["keys_flushed"] == 0
        assert standin.seen.of("GET", "/v1/kv/") == []

    @pytest.mark.parametrize(
        ("query", "flushed"),
        [
            (f"?key=/v1/kv/{SITES_KEY}", 1),
            (f"?key=/v1/kv/{SITES_KEY}?raw", 1),
            ("?prefix=/v1/kv/skills/", 1),
            ("?key=/v1/kv/other", 0),
            ("?prefix=/v1/catalog/", 0),
        ],
    )
    async def test_key_is_named_only_that_document_is_meant(
        self, query: str, flushed: int, house: House
    ) -> None:
        """By the target that reads it, with or without its parameter."""
        await house.app[SITES].read()
        answer = await told(house, f"/api/v1/admin/cache/sites/flush{query}", "POST")
        assert answer["flushed"] == flushed

    async def test_client_leaves_during_a_flush_the_call_is_recorded(
        self, house: House, standin: StandIn
    ) -> None:
        """No call passes unrecorded, and what was begun goes on."""
        await house.app[SITES].read()
        fault = standin.faults.hang(path="/v1/kv/")
        url = f"{house.base}/api/v1/admin/cache/sites/flush"
        timeout = aiohttp.ClientTimeout(total=0.1)
        with capture_logs() as logged:
            with contextlib.suppress(TimeoutError):
                await house.client.post(url, headers=dict(BEARER), timeout=timeout)
            await eventually(lambda: calls(logged), "recorded")
        assert [line["outcome"] for line in calls(logged)] == ["done"]
        assert fault.hits


class TestInfo:
    async def test_sites_are_asked_for_their_standing_is_told(self, house: House) -> None:
        """The original's fields, and what it never told."""
        await house.app[SITES].read()
        found = await told(house, "/api/v1/admin/cache/sites/info")
        assert found["sites_cache_key"] == f"/v1/kv/{SITES_KEY}?raw"
        assert found["sites_ttl_seconds"] == 300
        assert (found["entries"], found["matched"], found["count"]) == (1, 1, 1)
        assert (found["source"], found["where"]) == ("kv", SITES_KEY)
        assert (found["error"], found["problems"]) == (None, [])

    async def test_all_are_asked_for_the_documents_are_among_them(self, house: House) -> None:
        """Each by its name."""
        await house.app[RULES].read()
        found = (await told(house, "/api/v1/admin/cache/all/info"))["namespaces"]
        assert found["rules"]["rules_cache_key"] == f"/v1/kv/{RULES_KEY}?raw"
        assert (found["rules"]["entries"], found["sites"]["entries"]) == (1, 0)

    async def test_text_is_asked_for_it_is_a_page_for_people(
        self, house: House, standin: StandIn
    ) -> None:
        """Where from, how fresh, what is wrong."""
        await house.app[RULES].read()
        standin.state.keys.put(RULES_KEY, b"rules: 3")
        await eventually(lambda: house.app[RULES].status.error, "told")
        page = await text(house, "/api/v1/admin/cache/rules/info")
        assert f"source      kv {RULES_KEY}: 1 in force, loaded 20" in page
        assert f"key         /v1/kv/{RULES_KEY}?raw, " in page
        assert f"error       {RULES_KEY}: expected a list called rules, not 3" in page
        assert "problem     rule bad: conditions.job_name_pattern" in page
        both = await text(house, "/api/v1/admin/cache/all/info")
        assert [line.split()[1] for line in both.splitlines() if line.startswith("cache ")][
            :1
        ] == ["proxy"]
        assert "source      none: 0 in force" in both


def calls(logged: Any) -> list[Any]:
    """Give the records of admin calls."""
    return [line for line in logged if line["event"] == "admin call"]


def polls(seen: Any) -> bool:
    """Tell whether a question waited for a change."""
    return "index=" in seen.target


async def count(house: House) -> float:
    """Read the count of calls that showed the rules."""
    name = "consul_edge_admin_requests_total"
    labels = {"action": "rules", "outcome": "done"}
    return await asyncio.to_thread(lambda: sample(house.base, name, **labels))
