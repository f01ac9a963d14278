"""Defects 1 to 4: what fails is told as a failure, and costs what failed and nothing else."""

from collections import Counter
from collections.abc import Callable
from typing import Final

import pytest
from structlog.testing import capture_logs

from consul_edge.demo.faults import Fault, Faults
from consul_edge.demo.standin import StandIn
from tests.house import edge_over
from tests.original.ground import (
    ALONE,
    BEARER,
    COUNTS,
    NODES,
    PLACES,
    SERVICES,
    SITES_KEY,
    Ground,
    asked,
    cluster,
    comes_true,
    ground,
    sites_document,
    told,
)

QUICK: Final = "500ms"
"""Long enough for a server that is well on a busy machine."""

PATH: Final = f"/v1/health/service/{ALONE}"
SITES_PATH: Final = f"/v1/kv/{SITES_KEY}"

Arm = Callable[[Faults, str], Fault]

FAULTS: Final = [
    pytest.param(lambda faults, path: faults.hang(path=path), "timeout", "answer", id="hangs"),
    pytest.param(
        lambda faults, path: faults.answer(500, "it broke", path=path),
        "http_error",
        "500 it broke",
        id="answers-500",
    ),
    pytest.param(
        lambda faults, path: faults.answer(404, path=path), "http_error", "404", id="answers-404"
    ),
]
"""What goes wrong, as the metric calls it, and a word of the reason."""


class TestNodeThatCannotBeRead:
    """Defect 1: the original said ``ok`` and 0 services whatever happened, and counted nothing."""

    @pytest.mark.parametrize(("arm", "kind", "word"), FAULTS)
    async def test_services_of_a_node_cannot_be_read_it_alone_is_in_error(
        self, arm: Arm, kind: str, word: str
    ) -> None:
        """Its status is ``error`` with the reason, the log names it, and the metric counts it."""
        async with ground(CONSUL__TIMEOUT=QUICK) as one:
            arm(one.standins[0].faults, PATH)
            counted = {"node_name": "n2", "error_type": kind}
            name = "consul_node_enrich_failures_total"
            before = await one.sample(name, **counted)
            with capture_logs() as logs:
                rows = await one.nodes()
            assert told(rows, "services_status") == {"n1": "ok", "n2": "error", "n3": "ok"}
            assert PATH in rows["n2"]["services_error"]
            assert word in rows["n2"]["services_error"]
            assert told(rows, "services_count") == COUNTS | {"n2": 1}
            assert told(rows, "site_name") == PLACES
            warned = [line for line in logs if line["event"] == "services of a node not known"]
            assert [(line["node"], line["ip"], line["log_level"]) for line in warned] == [
                ("n2", "10.0.0.2", "warning")
            ]
            assert warned[0]["reason"] == rows["n2"]["services_error"]
            assert await one.sample(name, **counted) > before

    async def test_services_of_a_node_hang_nothing_is_tried_on_and_on(self) -> None:
        """The first answer waits for one attempt, not for three with pauses between them."""
        async with ground(CONSUL__TIMEOUT=QUICK) as one:
            one.standins[0].faults.hang(path=PATH)
            await one.nodes()
            assert len(asked(one.standins[0], PATH)) == 1

    async def test_services_can_be_read_again_the_error_goes_by_itself(self) -> None:
        """Nobody has to flush anything, and nobody waits for a TTL."""
        async with ground() as one:
            fault = one.standins[0].faults.answer(500, "it broke", path=PATH)
            assert (await one.nodes())["n2"]["services_status"] == "error"
            fault.lift()
            found = await one.other(
                NODES, lambda found: {row["services_status"] for row in found["data"]} == {"ok"}
            )
            assert {row["node"]: row["services_count"] for row in found["data"]} == COUNTS

    async def test_services_cannot_be_read_any_more_the_count_of_before_stays(self) -> None:
        """Where something was known it is shown, and said to be in doubt: never a 0."""
        async with ground() as one:
            assert told(await one.nodes(), "services_status") == dict.fromkeys(COUNTS, "ok")
            one.standins[0].faults.answer(500, "it broke", path=PATH)
            await one.json("/api/v1/admin/cache/nodes/flush", BEARER, method="POST")
            rows = await one.nodes()
            assert told(rows, "services_status") == {"n1": "ok", "n2": "error", "n3": "ok"}
            assert told(rows, "services_count") == COUNTS


class TestFirstServerThatHangs:
    """Defect 2: 20 s, and no site for anybody, since KV was read through the main server only."""

    async def test_main_server_hangs_the_cold_answer_is_whole(self) -> None:
        """Counts, sites and members come from the next one; each question cost one attempt."""
        async with ground(servers=2, CONSUL__TIMEOUT="1s") as one:
            hung, other = one.standins
            hung.faults.hang()
            found = await one.json(NODES)
            rows = {row["node"]: row for row in found["data"]}
            assert told(rows, "services_count") == COUNTS
            assert told(rows, "services_status") == dict.fromkeys(COUNTS, "ok")
            assert told(rows, "site_name") == PLACES
            assert told(rows, "status") == dict.fromkeys(COUNTS, "alive")
            assert found["problems"] == []
            assert (found["main_server"], found["active_server"]) == (
                "127.0.0.1",
                other.base_url.removeprefix("http://"),
            )
            # What bounds the time: those that were asked before it was known, once each.
            assert max(Counter(asked(hung)).values()) == 1
            assert not asked(hung, "/v1/health/service/")

    @pytest.mark.parametrize("broken", ["refuses", "has-no-leader"])
    async def test_first_server_is_down_the_cold_answer_is_whole(self, broken: str) -> None:
        """Refused or without a leader: the next one is asked."""
        state = cluster()
        async with ground(servers=2, state=state) as one:
            if broken == "refuses":
                await one.standins[0].refuse()
            else:
                one.standins[0].faults.answer(500, "No cluster leader")
            rows = await one.nodes()
            assert told(rows, "services_count") == COUNTS
            assert told(rows, "site_name") == PLACES

    @pytest.mark.parametrize(("broken", "status"), [("breaks", "failure"), ("hangs", "timeout")])
    async def test_first_server_fails_it_is_counted_as_what_it_did(
        self, broken: str, status: str
    ) -> None:
        """A broken connection is a failure; the original called it a time-out."""
        async with ground(servers=2, CONSUL__TIMEOUT="1s") as one:
            first = one.standins[0]
            label = first.base_url.removeprefix("http://")
            arm = first.faults.reset if broken == "breaks" else first.faults.hang
            arm(path="/v1/catalog/")
            await one.nodes()
            name = "consul_server_fallback_total"
            counted = {
                each: await one.sample(name, server=label, status=each)
                for each in ("failure", "timeout")
            }
            assert counted[status] > 0
            assert sum(counted.values()) == counted[status]

    async def test_only_the_sites_hang_at_the_main_server_they_are_read_elsewhere(self) -> None:
        """An empty map of sites is never what a failing KV leaves behind."""
        async with ground(servers=2, CONSUL__TIMEOUT="1s") as one:
            one.standins[0].faults.hang(path="/v1/kv/")
            assert told(await one.nodes(), "site_name") == PLACES

    async def test_sites_fail_everywhere_at_first_they_come_when_they_can_be_read(self) -> None:
        """That there were none is kept for nobody: the TTL of five minutes has no part in it."""
        async with ground() as one:
            fault = one.standins[0].faults.answer(500, "it broke", path="/v1/kv/")
            rows = await one.nodes()
            assert set(told(rows, "site_name").values()) == {"Nao mapeado"}
            assert told(rows, "services_count") == COUNTS
            fault.lift()
            await one.other(NODES, lambda found: found["data"][0]["site_name"] == "Palmas")


class TestDenial:
    """Defect 3: a 403 became ``success``, with the sites' nodes and no services, kept for 60 s."""

    @pytest.mark.parametrize("target", [NODES, SERVICES, "/api/v1/sites", "/api/v1/categories"])
    async def test_token_is_not_known_it_is_told_so_and_sees_no_list(self, target: str) -> None:
        """A bad or expired token gets Consul's own 403, wherever it looks."""
        standin = StandIn(state=cluster(), tokens={"good": None})
        async with standin.running() as url, edge_over(url) as house:
            one = Ground(house, (standin,))
            answer = await one.get(target, ("X-Consul-Token", "expired"))
            assert (answer.status, answer.json()["success"]) == (403, False)
            assert "ACL not found" in answer.json()["detail"]
            assert "data" not in answer.json()

    async def test_token_becomes_known_the_denial_was_not_kept(self) -> None:
        """The very next answer is the real one."""
        tokens: dict[str, None] = {"": None}
        standin = StandIn(state=cluster(), tokens=tokens)
        mine = ("X-Consul-Token", "new")
        async with standin.running() as url, edge_over(url) as house:
            one = Ground(house, (standin,))
            assert (await one.get(NODES, mine)).status == 403
            tokens["new"] = None
            found = await one.json(NODES, mine)
            assert {row["node"]: row["services_count"] for row in found["data"]} == COUNTS

    async def test_members_alone_are_denied_it_is_told_and_the_rest_is_there(self) -> None:
        """The catalog knows the nodes, and the leader's check who is alive."""
        async with ground() as one:
            one.standins[0].faults.answer(403, "Permission denied", path="/v1/agent/members")
            found = await one.json(NODES)
            rows = {row["node"]: row for row in found["data"]}
            assert told(rows, "services_count") == COUNTS
            assert told(rows, "status") == dict.fromkeys(COUNTS, "alive")
            assert found["problems"] == ["/v1/agent/members: 403 Permission denied"]


class TestSitesThatFail:
    """Defect 4: a failing KV was counted as a miss, and an empty map took the old one's place."""

    @pytest.mark.parametrize(
        "arm",
        [
            pytest.param(lambda faults: faults.answer(500, "it broke", path="/v1/kv/"), id="500"),
            pytest.param(lambda faults: faults.answer(403, "denied", path="/v1/kv/"), id="403"),
            pytest.param(lambda faults: faults.hang(path="/v1/kv/"), id="hangs"),
            pytest.param(
                lambda faults: faults.answer(200, "{", {"X-Consul-Index": "9"}, path="/v1/kv/"),
                id="broken",
            ),
        ],
    )
    async def test_sites_fail_the_last_good_ones_stay_and_the_error_is_counted(
        self, arm: Callable[[Faults], Fault]
    ) -> None:
        """Nobody loses the site of a node because KV has a bad moment."""
        async with ground(CONSUL__TIMEOUT=QUICK, SITES__TTL="50ms") as one:
            assert told(await one.nodes(), "site_name") == PLACES
            name = "consul_sites_cache_status_total"
            before = await one.sample(name, status="error")
            arm(one.standins[0].faults)
            # The watch, if one waits, hears of the fault by what it is answered next.
            one.standins[0].disconnect()

            async def has_failed() -> bool:
                return await one.sample(name, status="error") > before

            await comes_true(has_failed, "the error counted")
            assert told(await one.nodes(), "site_name") == PLACES

    async def test_sites_are_read_each_status_is_counted(self) -> None:
        """First a miss and a refresh, then hits; the original never told a refresh."""
        async with ground() as one:
            name = "consul_sites_cache_status_total"
            statuses = ("hit", "miss", "refresh", "error")
            before = {each: await one.sample(name, status=each) for each in statuses}
            await one.nodes()
            await one.nodes()
            one.state.keys.put(SITES_KEY, sites_document(Dtc="10.0.0.3"))
            await one.other(NODES, lambda found: found["data"][0]["site_name"] == "Dtc")
            after = {each: await one.sample(name, status=each) for each in statuses}
            counted = {each: after[each] - before[each] for each in statuses}
            assert (counted["miss"], counted["refresh"], counted["error"]) == (1, 2, 0)
            assert counted["hit"] >= 2
