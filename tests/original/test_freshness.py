"""Defects 5 to 7 and 11: what changes shows by itself, and what does not change costs nothing."""

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from consul_edge.web.keys import ARCHIVE
from tests.original.ground import (
    BEARER,
    COUNTS,
    DATA,
    NODES,
    RULES_KEY,
    SERVICES,
    TOLD_WITHIN,
    Ground,
    asked,
    comes_true,
    enter,
    ground,
    leave,
    put,
    rules_document,
    told,
)
from tests.waiting import eventually
from tests.warp import skip, warped

INFO: Final = "/api/v1/admin/cache/{}/info"
FLUSH: Final = "/api/v1/admin/cache/nodes/flush"

READERS: Final = 20

WATCHED: Final = 3 + 3 + 2
"""Tables, names, and the documents of sites and rules."""


def names(found: Any) -> list[str]:
    """Give the names of a document's nodes, in their order."""
    return [row["node"] for row in found["data"]]


class TestMembership:
    """Defect 5: the check ran on misses only, so it shortened nothing, and compared counts."""

    async def test_one_node_comes_for_another_who_waits_is_told(self) -> None:
        """Three before and three after, and yet others; within a second (test_gathering)."""
        async with ground() as one:
            await one.until_state(NODES, "live")
            leave(one.state, "n3")
            enter(one.state, "n4", "10.0.0.4")
            found = await one.other(NODES, lambda found: names(found) == ["n1", "n2", "n4"])
            assert found["total"] == 3
            assert found["data"][-1]["status"] == "alive"

    async def test_one_instance_comes_for_another_who_waits_is_told(self) -> None:
        """The same of services, of which the original compared nothing at all."""
        async with ground() as one:
            await one.until_state(SERVICES, "live")
            before = await one.ids(f"{SERVICES}?Service=node_exporter")
            one.state.catalog.deregister("n1", "node@n1")
            put(one.state, "n1", "another@n1", "node_exporter")
            target = f"{SERVICES}?Service=node_exporter"
            found = await one.other(target, lambda found: found["data"][0]["ID"] != before[0])
            assert [row["ID"] for row in found["data"]] == ["another@n1"]


class TestMisses:
    """Defect 6: the dead server first each time, the members twice, and each miss on its own."""

    async def test_server_that_answered_stays_the_first_to_be_asked(self) -> None:
        """What is asked anew, or first asked later, is not tried at the broken one again."""
        async with ground(servers=2) as one:
            broken, other = one.standins
            broken.faults.depose()
            await one.nodes()
            before = asked(broken)
            await one.json(FLUSH, BEARER, method="POST")
            assert told(await one.nodes(), "services_count") == COUNTS
            put(one.state, "n3", "new@n3", "another_name")
            await one.other(NODES, lambda found: found["data"][-1]["services_count"] == 2)
            assert asked(broken) == before
            assert len(asked(other, "/v1/health/service/node_exporter")) == 2

    async def test_many_ask_at_once_each_question_goes_to_consul_once(self) -> None:
        """Members too; and all of them get the same whole answer."""
        async with ground() as one:
            paths = (NODES, SERVICES, f"{DATA}?category=all", "/api/v1/sites")
            totals = await asyncio.gather(*(total(one, path) for path in paths * (READERS // 4)))
            assert totals == [3, 5, 5, 2] * (READERS // 4)
            counts = Counter(asked(one.standins[0]))
            assert counts["/v1/agent/members"] == 1
            assert {target: count for target, count in counts.items() if count > 1} == {}

    async def test_nothing_happens_nothing_is_asked(self) -> None:
        """Warm, readers cost Consul nothing."""
        async with ground() as one:
            await one.nodes()
            await eventually(lambda: one.standins[0].parked == WATCHED, "all of it watched")
            before = asked(one.standins[0])
            for _ in range(READERS):
                await one.nodes()
            more = asked(one.standins[0])[len(before) :]
            assert [target for target in more if target != "/v1/agent/members"] == []


async def total(one: Ground, path: str) -> int:
    """Read how many rows a document has, without a thread that waits meanwhile."""
    plain = {"Accept-Encoding": "identity"}
    async with one.house.client.get(f"{one.house.base}{path}", headers=plain) as response:
        found = await response.json()
        assert response.status == 200, found
        return int(found["total"])


class TestTtls:
    """Defect 7: one cache for nodes and sites, whose TTL was that of whoever came first."""

    async def test_nodes_and_sites_have_ttls_of_their_own_they_are_told(self) -> None:
        """Set apart, told apart."""
        async with ground(NODES__TTL="70s", SITES__TTL="700s") as one:
            await one.nodes()
            nodes = await one.json(INFO.format("nodes"), BEARER)
            sites = await one.json(INFO.format("sites"), BEARER)
            assert nodes["nodes_ttl_seconds"] == 70
            assert sites["sites_ttl_seconds"] == 700

    @pytest.mark.parametrize(
        ("ttls", "renewed"), [(("10s", "1h"), "nodes"), (("1h", "10s"), "sites")]
    )
    def test_ttl_of_one_is_over_the_other_is_still_kept(
        self, ttls: tuple[str, str], renewed: str
    ) -> None:
        """Whichever is the shorter, and whichever was made first."""

        async def scene() -> None:
            async with ground(NODES__TTL=ttls[0], SITES__TTL=ttls[1]) as one:
                await read_both(one)
                skip(20)
                await read_both(one)
                archive = one.house.app[ARCHIVE]
                made = {name: archive.stock(name).misses for name in ("nodes", "sites")}
                assert made == {"nodes": 1, "sites": 1} | {renewed: 2}

        warped(scene())


async def read_both(one: Ground) -> None:
    """Read both documents."""
    await one.json(NODES)
    await one.json("/api/v1/sites")


class TestRules:
    """Defect 11: the engine that decided never heard of an edit; only a restart showed one."""

    @pytest.mark.parametrize("target", [SERVICES, f"{DATA}?category=mine"])
    async def test_rule_is_edited_in_kv_rows_show_it(self, target: str) -> None:
        """Without a restart, a flush or a call to reload (and within a second: test_views)."""
        async with ground() as one:
            await one.until_state(target, "live")
            one.state.keys.put(RULES_KEY, rules_document("mine"))

            def is_decided(found: object) -> bool:
                return "node@n1" in str(found) and ("data?" in target or "'mine'" in str(found))

            await one.other(target, is_decided)
            rows = (await one.json(f"{SERVICES}?category=mine"))["data"]
            assert [(row["ID"], row["matched_rule"]) for row in rows] == [("node@n1", "mine")]
            explained = await one.json("/api/v1/categorize?service=node_exporter")
            assert explained["decision"]["category"] == "mine"

    async def test_rule_is_written_through_the_edge_rows_show_it(self) -> None:
        """As the original's own editor does, whose Consul is the edge."""
        async with ground() as one:
            await one.until_state(SERVICES, "live")
            path = f"/v1/kv/{RULES_KEY}"
            answer = await one.house.ask("PUT", path, body=rules_document("mine"))
            assert answer.status == 200
            target = f"{SERVICES}?category=mine"
            found = await one.other(target, lambda found: found["total"])
            assert [row["ID"] for row in found["data"]] == ["node@n1"]

    async def test_rules_are_deleted_those_of_the_package_decide_again(self) -> None:
        """Nothing of the old ones lingers."""
        async with ground() as one:
            one.state.keys.put(RULES_KEY, rules_document("mine"))
            assert await one.ids(f"{SERVICES}?category=mine") == ["node@n1"]
            await one.until_state(SERVICES, "live")
            one.state.keys.delete(RULES_KEY)
            target = f"{SERVICES}?category=system-exporters"
            await one.other(target, lambda found: found["total"])
            assert await one.ids(f"{SERVICES}?category=mine") == []

    async def test_rule_is_edited_in_the_file_rows_show_it(self, tmp_path: Path) -> None:
        """Also without a restart."""
        file = tmp_path / "rules.json"
        file.write_bytes(rules_document("mine"))
        async with ground(RULES__FILE=str(file)) as one:
            assert await one.ids(f"{SERVICES}?category=mine") == ["node@n1"]
            await one.until_state(SERVICES, "live")
            file.write_bytes(rules_document("other"))
            os.utime(file, (1e9, 1e9))
            target = f"{SERVICES}?category=other"

            async def shows() -> bool:
                return await one.ids(target) == ["node@n1"]

            await comes_true(shows, "the edit in the rows", TOLD_WITHIN)
