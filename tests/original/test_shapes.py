"""
Defects 14 and 15: the documents' shapes, and that what they say of failures is in them.

The shapes are those of SKILLS_EYE.md sections 1 to 4: what a client of the original reads is there
under the same name, with the same type; what is there beside it is nobody's harm.
"""

import re
from typing import Any, Final

import pytest

from tests.original.ground import (
    BEARER,
    DATA,
    NODES,
    SERVICES,
    SUMMARY,
    ground,
)
from tests.original.shape import wrong

INFO: Final = "/api/v1/admin/cache/nodes/info"
FLUSH: Final = "/api/v1/admin/cache/nodes/flush"

TEXT_OR_NONE: Final = (str, type(None))
NUMBER: Final = (int, float)

NODE: Final = {
    "node": str,
    "addr": str,
    "status": str,
    "type": str,
    "services_count": int,
    "site_name": str,
    "services_status": str,
}

AGENT_SERVICE: Final = {
    "ID": str,
    "Service": str,
    "Tags": list,
    "Meta": dict,
    "Port": int,
    "Address": str,
}

ROW: Final = AGENT_SERVICE | {
    "Node": str,
    "NodeAddress": str,
    "node_ip": str,
    "site_code": TEXT_OR_NONE,
    "site_name": TEXT_OR_NONE,
}

SOURCE: Final = {
    "source_node": str,
    "source_name": str,
    "is_master": bool,
    "attempts": int,
    "total_time_ms": NUMBER,
    "cache_status": str,
    "age_seconds": NUMBER,
    "staleness_ms": NUMBER,
}

SHAPES: Final[dict[str, Any]] = {
    NODES: {
        "success": bool,
        "data": [NODE],
        "total": int,
        "main_server": str,
        "active_server": str,
    },
    "/api/v1/nodes/n1/services": {
        "success": bool,
        "node": str,
        "services": {"node@n1": AGENT_SERVICE},
        "total": int,
        "active_server": str,
    },
    "/api/v1/nodes/n1/service-names": {
        "success": bool,
        "node": str,
        "node_name": str,
        "data": [str],
        "total": int,
        "active_server": str,
    },
    f"{DATA}?category=network-probes&company=Acme": {
        "success": bool,
        "category": str,
        "data": [ROW],
        "total": int,
        "available_fields": [{"name": str, "display_name": str, "field_type": str}],
        "filters_applied": {"company": str},
        "metadata": {"total_sites": int, "categorization_engine": str},
        "_metadata": SOURCE,
        "filterOptions": {"company": [str]},
        "_fieldStats": {"company": int},
    },
    f"{DATA}?category=network-probes&page=1&page_size=10": {
        "page": int,
        "pageSize": int,
        "totalPages": int,
    },
    f"{SUMMARY}?category=network-probes&company=Acme": {
        "success": bool,
        "category": str,
        "summary": {
            "total": int,
            "byCompany": {"Acme": int},
            "byEnv": {"prod": int},
            "bySite": {"N/A": int},
            "byNode": {"n1": int},
        },
        "filterOptions": dict,
        "filtersApplied": {"company": str},
    },
    "/api/v1/monitoring/categories": {
        "success": bool,
        "categories": [{"id": str, "display_name": str, "total_rules": int}],
        "total_categories": int,
    },
    INFO: {
        "nodes_cache_key": str,
        "sites_cache_key": str,
        "nodes_ttl_seconds": NUMBER,
        "sites_ttl_seconds": NUMBER,
    },
}


class TestContract:
    """Defect 14: all twelve tests that the original has of this fail."""

    @pytest.mark.parametrize("target", SHAPES)
    async def test_document_is_asked_for_it_has_the_original_shape(self, target: str) -> None:
        """Every name that a client reads, with its type."""
        async with ground() as one:
            found = await one.json(target, BEARER)
            assert list(wrong(found, SHAPES[target])) == []

    async def test_nodes_are_asked_for_both_spellings_are_there(self) -> None:
        """Their paper promised ``name``, their code gave ``node``, and clients broke on it."""
        async with ground() as one:
            found = await one.json(NODES)
            assert found["success"] is True
            assert found["total"] == len(found["data"]) == 3
            assert [row["name"] for row in found["data"]] == ["n1", "n2", "n3"]
            assert all(row["name"] == row["node"] for row in found["data"])
            assert (await one.json(f"{NODES}/"))["data"] == found["data"]

    async def test_nodes_are_asked_for_values_are_those_that_were_documented(self) -> None:
        """Words, not numbers; the site as a name; the main server without a port."""
        async with ground() as one:
            found = await one.json(NODES)
            told = [(row["status"], row["type"], row["site_name"]) for row in found["data"]]
            assert told == [
                ("alive", "server", "Palmas"),
                ("alive", "server", "Rio"),
                ("alive", "client", "Nao mapeado"),
            ]
            assert found["main_server"] == "127.0.0.1"
            assert found["active_server"] == one.standins[0].base_url.removeprefix("http://")

    async def test_node_is_named_by_its_address_it_is_the_same_document(self) -> None:
        """Their clients ask by address; names are single and sorted, without Consul's own."""
        async with ground() as one:
            by_name = await one.json("/api/v1/nodes/n1/service-names")
            by_address = await one.json("/api/v1/nodes/10.0.0.1/service-names")
            assert by_name["data"] == by_address["data"] == ["blackbox_exporter", "node_exporter"]
            assert (by_address["node"], by_address["node_name"]) == ("10.0.0.1", "n1")
            services = (await one.json("/api/v1/nodes/10.0.0.1/services"))["services"]
            assert set(services) == {"icmp/Acme/core/router@n1", "node@n1"}

    async def test_monitoring_rows_are_asked_for_they_do_not_carry_a_category(self) -> None:
        """Their rows did not, and columns of a client are the keys of the first row."""
        async with ground() as one:
            rows = (await one.json(f"{DATA}?category=network-probes"))["data"]
            assert {frozenset(row) for row in rows} == {frozenset(ROW)}

    async def test_monitoring_has_no_page_all_rows_are_given(self) -> None:
        """And no fields of a page; with one, they are there, and options are of all pages."""
        async with ground() as one:
            whole = await one.json(f"{DATA}?category=network-probes")
            assert (len(whole["data"]), "page" in whole) == (3, False)
            target = f"{DATA}?category=network-probes&page=2&page_size=2"
            page = await one.json(target)
            assert (len(page["data"]), page["page"], page["totalPages"]) == (1, 2, 2)
            assert page["filterOptions"] == whole["filterOptions"]

    async def test_summary_is_asked_for_what_is_missing_is_counted(self) -> None:
        """Under the word that they had for it."""
        async with ground() as one:
            summary = (await one.json(f"{SUMMARY}?category=all"))["summary"]
            assert summary["total"] == 5
            assert summary["byCompany"] == {"Acme": 2, "Beta": 1, "N/A": 2}

    async def test_nodes_are_flushed_the_answer_has_the_original_shape(self) -> None:
        """How many keys, when, and that other instances keep theirs."""
        async with ground() as one:
            await one.nodes()
            done = await one.json(FLUSH, BEARER, method="POST")
            shape = {
                "success": bool,
                "message": str,
                "keys_flushed": int,
                "flushed_at": str,
                "warning": str,
            }
            assert list(wrong(done, shape)) == []
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", done["flushed_at"])
            assert done["keys_flushed"] > 0

    async def test_nothing_is_kept_a_flush_is_a_success_all_the_same(self) -> None:
        """Nothing to forget is not a failure."""
        async with ground() as one:
            done = await one.json(FLUSH, BEARER, method="POST")
            assert (done["success"], done["keys_flushed"]) == (True, 0)

    async def test_ttls_are_asked_for_the_defaults_are_those_of_the_original(self) -> None:
        """A minute for nodes, five for sites."""
        async with ground() as one:
            told = await one.json(INFO, BEARER)
            assert (told["nodes_ttl_seconds"], told["sites_ttl_seconds"]) == (60, 300)

    async def test_no_server_answers_it_is_a_500_with_a_detail(self) -> None:
        """As their clients expect it, with what each server did."""
        async with ground() as one:
            await one.standins[0].refuse()
            answer = await one.get(NODES)
            assert answer.status == 500
            assert "refused" in answer.json()["detail"]


class TestWhatIsShown:
    """Defect 15: nobody was shown a failure, and a hit was never told, for it was spelled HIT."""

    @pytest.mark.parametrize(
        "target", [NODES, SERVICES, "/api/v1/sites", "/api/v1/categories", SUMMARY]
    )
    async def test_document_is_given_who_answered_and_how_sure_it_is_stand_in_it(
        self, target: str
    ) -> None:
        """So that a page need not guess it from headers, which it may not be able to read."""
        async with ground() as one:
            found = await one.json(target)
            server = one.standins[0].base_url.removeprefix("http://")
            assert (found["active_server"], found["main_server"]) == (server, "127.0.0.1")
            assert found["cache"]["state"] in ("live", "fresh", "stale")
            assert found["cache"]["age_seconds"] >= 0
            answer = await one.get(target)
            assert answer.header("X-Consul-Edge-Server") == server

    async def test_node_fails_its_own_documents_say_so_too(self) -> None:
        """Who looks at one node sees the doubt that the list has."""
        async with ground() as one:
            one.standins[0].faults.answer(500, "it broke", path="/v1/health/service/only_on_n2")
            for what in ("services", "service-names"):
                found = await one.json(f"/api/v1/nodes/n2/{what}")
                assert found["services_status"] == "error"
                assert "500 it broke" in found["services_error"]
                assert (await one.json(f"/api/v1/nodes/n1/{what}"))["services_status"] == "ok"
            assert "500 it broke" in str((await one.json(SERVICES))["problems"])

    async def test_servers_go_away_the_answer_says_it_is_stale(self) -> None:
        """In the words of a header and of the document."""
        async with ground() as one:
            await one.nodes()
            await one.standins[0].refuse()
            found = await one.until_state(NODES, "stale")
            assert [row["node"] for row in found["data"]] == ["n1", "n2", "n3"]

    async def test_proxied_answer_is_a_hit_the_header_is_in_capitals(self) -> None:
        """As Consul's own is: ``HIT`` or ``MISS``; documents have words of their own."""
        async with ground() as one:
            target = "/v1/catalog/datacenters?cached"
            shown = {(await one.get(target)).header("X-Cache") for _ in range(3)}
            assert shown <= {"HIT", "MISS"}
            target = "/v1/catalog/nodes"
            first, second = [(await one.get(target)).header("X-Cache") for _ in range(2)]
            assert (first, second) == ("MISS", "HIT")
            found = await one.json(f"{DATA}?category=all")
            assert found["_metadata"]["cache_status"] == found["cache"]["state"]
            assert found["cache"]["state"].islower()
