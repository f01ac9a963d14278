"""The documents of the enriched API as clients get them: rows, filters, errors, the moment."""

import csv
import io
import re
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from consul_edge.core.errors import BadRequest, LimitReached, NoServer, Refused
from consul_edge.enrich.snapshot import Failure, Kind
from consul_edge.enrich.standing import State
from consul_edge.web.routes import DOCUMENTS, NODE_DOCUMENTS
from tests.web.stage import Instance, Stage, stage

PING: Final = {"module": "icmp", "company": "Acme", "env": "prod"}

CLUSTER: Final = (
    Instance("icmp/Acme/core/router@r1", node="n1", meta=PING, tags=("core", "edge")),
    Instance("icmp/Beta/core/router@r2", node="n2", meta={**PING, "company": "Beta"}),
    Instance("https/Acme/site@w1", node="n2", meta={"module": "https", "company": "Acme"}),
    Instance("node@n3", "node_exporter", node="n3", port=9100, status="critical"),
    Instance("consul", "consul", node="n1", port=8300),
)

PATHS: Final = [
    *(path for path in DOCUMENTS if "data" not in path),
    "/api/v1/monitoring/data?category=all",
    *(path.replace("{node}", "n1") for path in NODE_DOCUMENTS),
]
"""Every document, by a target that has it."""


@pytest.fixture
async def api() -> AsyncIterator[Stage]:
    """Give the API over a small cluster."""
    async with stage() as one:
        one.views.show(*CLUSTER)
        yield one


class TestNodes:
    @pytest.mark.parametrize("path", ["/api/v1/nodes", "/api/v1/nodes/"])
    async def test_nodes_are_asked_for_they_have_the_original_shape(
        self, path: str, api: Stage
    ) -> None:
        """Clients of the original read it as they did, those of the promised one, too."""
        found = await api.json(path)
        assert (found["success"], found["total"]) == (True, 3)
        assert (found["main_server"], found["active_server"]) == ("10.0.0.1", "10.0.0.1:8500")
        first = found["data"][0]
        assert first["node"] == first["name"] == "n2"
        assert {
            "addr": "10.0.0.2",
            "status": "alive",
            "type": "client",
            "services_count": 2,
            "services_status": "ok",
            "site_name": "Rio",
        }.items() <= first.items()

    async def test_nodes_are_asked_for_those_of_the_sites_come_first(self, api: Stage) -> None:
        """The order is that of the sites document; Consul's own service counts nowhere."""
        rows = (await api.json("/api/v1/nodes"))["data"]
        told = [(row["node"], row["services_count"], row["site_name"]) for row in rows]
        assert told == [("n2", 2, "Rio"), ("n1", 1, "Palmas"), ("n3", 1, "Nao mapeado")]

    async def test_document_is_given_it_says_how_sure_it_is(self, api: Stage) -> None:
        """State, age and index are of the moment, also of a document that was kept."""
        first = await api.json("/api/v1/nodes")
        assert first["cache"] == {"state": "live", "age_seconds": 0.25}
        api.views.stand(State.STALE, 7.5, "10.0.0.9:8500")
        answer = await api.ask("/api/v1/nodes")
        assert answer.json()["cache"] == {"state": "stale", "age_seconds": 7.5}
        assert answer.json()["active_server"] == "10.0.0.9:8500"
        assert answer.json()["index"] == first["index"]
        assert answer.header("X-Consul-Edge-Server") == "10.0.0.9:8500"
        assert answer.header("X-Consul-Edge-Stale") == "7"


class TestNode:
    async def test_services_of_a_node_are_asked_for_they_are_given_by_id(self, api: Stage) -> None:
        """Each has the fields that an agent tells of it."""
        found = await api.json("/api/v1/nodes/n2/services")
        assert (found["node"], found["node_name"], found["total"]) == ("n2", "n2", 2)
        row = found["services"]["icmp/Beta/core/router@r2"]
        assert (row["Service"], row["Meta"]["company"], row["Port"]) == (
            "blackbox_exporter",
            "Beta",
            0,
        )

    async def test_names_of_a_node_are_asked_for_they_are_sorted_and_single(
        self, api: Stage
    ) -> None:
        """Consul's own is not among them."""
        api.views.show(
            *CLUSTER, Instance("z", "zeta", node="n1"), Instance("a", "alpha", node="n1")
        )
        found = await api.json("/api/v1/nodes/n1/service-names")
        assert found["data"] == ["alpha", "blackbox_exporter", "zeta"]
        assert (found["node_name"], found["total"]) == ("n1", 3)

    async def test_node_is_named_by_its_address_it_is_found(self, api: Stage) -> None:
        """The original took addresses."""
        found = await api.json("/api/v1/nodes/10.0.0.2/service-names")
        assert (found["node"], found["node_name"]) == ("10.0.0.2", "n2")

    async def test_two_nodes_have_the_address_the_first_of_the_document_is_meant(
        self, api: Stage
    ) -> None:
        """By their names both are found."""
        nodes = {"b": "10.0.0.7", "a": "10.0.0.7"}
        api.views.show(Instance("x", node="b"), Instance("y", node="a"), nodes=nodes)
        first = (await api.json("/api/v1/nodes?node=a,b"))["data"][0]["node"]
        for who, expected in (("10.0.0.7", first), ("a", "a"), ("b", "b")):
            found = await api.json(f"/api/v1/nodes/{who}/service-names")
            assert found["node_name"] == expected

    @pytest.mark.parametrize(
        "name", ["a/b", "a b", "a%b", "a%2Fb", "{a}", "a;b", "a+b", "é", "a@b", "a?b", "a#b", ".."]
    )
    async def test_name_has_any_character_it_is_found_encoded(self, name: str, api: Stage) -> None:
        """Whatever stands in a name, its encoded form means it and nothing else."""
        api.views.show(Instance("x", node=name), nodes={name: "10.0.0.7"})
        path = quote(name, safe="").replace(".", "%2E")
        found = await api.json(f"/api/v1/nodes/{path}/services")
        assert (found["node_name"], list(found["services"])) == (name, ["x"])
        lower = re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), path)
        assert (await api.json(f"/api/v1/nodes/{lower}/services"))["node_name"] == name

    @pytest.mark.parametrize("what", ["services", "service-names"])
    async def test_node_is_unknown_it_is_a_404_that_says_so(self, what: str, api: Stage) -> None:
        """An unknown node is no node without services."""
        answer = await api.ask(f"/api/v1/nodes/n9/{what}")
        assert (answer.status, answer.json()["success"]) == (404, False)
        assert "'n9'" in answer.json()["detail"]

    async def test_site_has_the_name_of_a_node_the_node_is_meant(self, api: Stage) -> None:
        """A site whose address no node has is listed among the nodes, and has no services."""
        nodes = {"Rio": "10.0.0.50"}
        api.views.show(Instance("x", node="Rio"), nodes=nodes)
        assert (await api.json("/api/v1/nodes/Rio/services"))["total"] == 1
        assert (await api.json("/api/v1/nodes/10.0.0.2/services"))["total"] == 0

    async def test_services_of_a_node_are_in_doubt_it_is_told(self, api: Stage) -> None:
        """An incomplete list does not look like a complete one."""
        failure = Failure("/v1/health/service/web", Kind.TIMEOUT, "no answer within 2 s")
        shown = api.views.show(*CLUSTER, missing={"web": failure})
        assert shown.snapshot.missing
        found = await api.json("/api/v1/services")
        assert "no answer within 2 s" in found["problems"][0]


class TestServices:
    async def test_services_are_asked_for_each_row_says_its_category_and_rule(
        self, api: Stage
    ) -> None:
        """Consul's own is left out."""
        found = await api.json("/api/v1/services")
        assert found["total"] == 4
        row = next(row for row in found["data"] if row["ID"] == "icmp/Acme/core/router@r1")
        assert (row["category"], row["matched_rule"], row["site_name"]) == (
            "network-probes",
            "blackbox_icmp",
            "Palmas",
        )

    @pytest.mark.parametrize(
        ("query", "ids"),
        [
            ("company=acme", ["icmp/Acme/core/router@r1", "https/Acme/site@w1"]),
            ("company=Acme,Beta&category=network-probes", ["...r1", "...r2"]),
            ("site=rio", ["...r2", "...w1"]),
            ("env=prod&node=n1", ["...r1"]),
            ("node=10.0.0.1", ["...r1"]),
            ("status=critical", ["node@n3"]),
            ("module=https", ["...w1"]),
            ("meta.module=https", ["...w1"]),
            ("company=all", ["...r1", "...r2", "...w1", "node@n3"]),
            ("q=tag:edge", ["...r1"]),
            ("q=edge", ["...r1"]),
            ("company=Nobody", []),
        ],
    )
    async def test_rows_are_filtered_only_those_are_given(
        self, query: str, ids: list[str], api: Stage
    ) -> None:
        """Several values are separated by commas; q looks at the tags, too."""
        found = await api.ids(f"/api/v1/services?{query}")
        assert sorted(one[-2:] for one in found) == sorted(one[-2:] for one in ids)

    async def test_filtered_rows_were_asked_for_the_unfiltered_are_whole(self, api: Stage) -> None:
        """What was rendered for a filter is given to nobody without it (defect 9)."""
        assert len(await api.ids("/api/v1/services?company=Acme")) == 2
        assert len(await api.ids("/api/v1/services")) == 4
        data = "/api/v1/monitoring/data?category=network-probes"
        assert len(await api.ids(f"{data}&company=Acme")) == 1
        assert len(await api.ids(data)) == 2

    async def test_rows_are_sorted_downwards_blanks_are_last(self, api: Stage) -> None:
        """The original had them first (defect 12)."""
        ups = await api.ids("/api/v1/services?sort=company&order=asc")
        downs = await api.ids("/api/v1/services?sort=company&order=desc")
        assert (ups[-1], downs[-1]) == ("node@n3", "node@n3")
        assert downs[0] == "icmp/Beta/core/router@r2"

    async def test_page_is_asked_for_it_says_how_many_there_are(self, api: Stage) -> None:
        """Rows of a page follow those of the one before."""
        pages = [
            await api.json(f"/api/v1/services?sort=ID&page={page}&page_size=3") for page in (1, 2)
        ]
        assert [len(page["data"]) for page in pages] == [3, 1]
        assert {(page["total"], page["totalPages"]) for page in pages} == {(4, 2)}
        ids = [row["ID"] for page in pages for row in page["data"]]
        assert ids == await api.ids("/api/v1/services?sort=ID")

    async def test_facets_are_asked_for_they_count_without_their_own_filter(
        self, api: Stage
    ) -> None:
        """What is chosen does not hide what might be chosen instead."""
        found = await api.json("/api/v1/services?company=Acme&facets=company,status")
        assert found["facets"]["company"] == {"": 1, "Acme": 2, "Beta": 1}
        assert found["facets"]["status"] == {"passing": 2}

    async def test_columns_are_asked_for_rows_are_columns(self, api: Stage) -> None:
        """It is the same document otherwise."""
        found = await api.json("/api/v1/services?format=columns&site=rio")
        assert (found["rows"], found["total"]) == (2, 2)
        assert found["columns"]["site_code"] == {"values": ["rio"], "codes": [0, 0]}
        assert found["index"]

    async def test_csv_is_asked_for_it_is_a_file_of_its_own(self, api: Stage) -> None:
        """No moment is written behind it."""
        answer = await api.ask("/api/v1/services?format=csv&sort=ID&company=Acme")
        rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
        assert [row["ID"] for row in rows] == ["https/Acme/site@w1", "icmp/Acme/core/router@r1"]
        assert (answer.header("Content-Type") or "").startswith("text/csv")
        assert answer.header("Content-Disposition") == 'attachment; filename="services.csv"'

    async def test_row_has_strange_texts_they_arrive_as_they_are(self, api: Stage) -> None:
        """Unicode, quotes and 64 KB of Meta are texts like others."""
        meta = {"nota": 'é"\\\n\u2028<script>', "long": "x" * 65_536}
        api.views.show(Instance("módulo/a b/c@d", meta=meta, tags=("é,",)))
        (row,) = (await api.json("/api/v1/services"))["data"]
        assert (row["ID"], row["Meta"], row["Tags"]) == ("módulo/a b/c@d", meta, ["é,"])


class TestOthers:
    async def test_sites_are_asked_for_each_says_what_is_there(self, api: Stage) -> None:
        """They are in their document's order."""
        found = await api.json("/api/v1/sites")
        told = [(row["code"], row["name"], row["nodes"], row["services"]) for row in found["data"]]
        assert told == [("rio", "Rio", 1, 2), ("palmas", "Palmas", 1, 1)]

    async def test_categories_are_asked_for_each_says_how_many_are_in_it(self, api: Stage) -> None:
        """Instances and rules are counted."""
        found = {row["id"]: row for row in (await api.json("/api/v1/categories"))["data"]}
        assert (found["network-probes"]["total"], found["web-probes"]["total"]) == (2, 1)
        assert found["system-exporters"]["total"] == 1

    async def test_service_is_to_be_categorized_it_is_explained(self, api: Stage) -> None:
        """The rule that decides is named, and why those before did not."""
        target = "/api/v1/categorize?service=blackbox_exporter&module=icmp&metrics_path=/probe"
        found = await api.json(target)
        assert found["decision"]["category"] == "network-probes"
        assert found["decision"]["job_name"] == "forgiven"
        assert found["decision"]["matched_rule"] == "blackbox_icmp"
        other = await api.json("/api/v1/categorize?service=nothing_known")
        assert other["decision"]["matched_rule"] is None
        assert other["misses"]

    async def test_categorization_is_asked_for_nobody_needs_rights(self, api: Stage) -> None:
        """Rules are public: they are explained also to whom Consul refuses everything."""
        api.views.fail(Refused(403, "Permission denied"))
        assert (await api.json("/api/v1/categorize?service=x"))["success"] is True

    async def test_targets_are_asked_for_prometheus_can_read_them(self, api: Stage) -> None:
        """A list of groups of exactly the type that it takes."""
        answer = await api.ask("/api/v1/sd?category=system-exporters")
        assert answer.header("Content-Type") == "application/json"
        (group,) = answer.json()
        assert group["targets"] == ["10.0.0.3:9100"]
        assert group["labels"]["__meta_consul_edge_category"] == "system-exporters"

    async def test_monitoring_data_is_asked_for_it_has_the_original_shape(
        self, api: Stage
    ) -> None:
        """Who answered is told where the original told it."""
        target = "/api/v1/monitoring/data?category=network-probes&page=1&page_size=10"
        found = await api.json(target)
        assert (found["success"], found["category"], found["total"]) == (True, "network-probes", 2)
        assert {"page", "pageSize", "totalPages", "filterOptions", "available_fields"} <= set(
            found
        )
        source = found["_metadata"]
        assert (source["source_node"], source["source_name"]) == ("10.0.0.1", "Palmas")
        assert (source["is_master"], source["cache_status"]) == (True, "live")

    @pytest.mark.parametrize("query", ["", "?category=", "?company=Acme"])
    async def test_monitoring_data_has_no_category_it_is_refused(
        self, query: str, api: Stage
    ) -> None:
        """The original demanded one, too."""
        answer = await api.ask(f"/api/v1/monitoring/data{query}")
        assert (answer.status, "category" in answer.json()["detail"]) == (400, True)

    async def test_monitoring_summary_is_asked_for_it_counts(self, api: Stage) -> None:
        """Rows without a value are counted as such."""
        found = await api.json("/api/v1/monitoring/summary?category=all")
        assert found["summary"]["total"] == 4
        assert found["summary"]["byCompany"] == {"Acme": 2, "Beta": 1, "N/A": 1}

    async def test_monitoring_categories_are_asked_for_their_rules_are_counted(
        self, api: Stage
    ) -> None:
        """It is the original's list."""
        found = await api.json("/api/v1/monitoring/categories")
        assert found["total_categories"] == len(found["categories"]) == 8
        assert {"id", "display_name", "total_rules"} == set(found["categories"][0])


class TestRefusals:
    @pytest.mark.parametrize(
        ("target", "words"),
        [
            ("/api/v1/services?status=dead", ["status", "'dead'", "critical, warning, passing"]),
            ("/api/v1/services?page=0", ["page", "'0'", "from 1"]),
            ("/api/v1/services?sort=nope", ["sort", "'nope'", "category"]),
            ("/api/v1/services?format=xml", ["format", "'xml'", "json, columns, csv"]),
            ("/api/v1/services?facets=nope", ["facets", "'nope'", "category"]),
            ("/api/v1/services?q=status:", ["q:", "at character", "status"]),
            ("/api/v1/nodes?adr=x", ["'adr'", "did you mean addr?"]),
            ("/api/v1/nodes?index=x", ["index", "'x'"]),
            ("/api/v1/nodes/n1/services?q=x", ["'q'", "index, wait"]),
            ("/api/v1/sites?wait=5", ["wait", "'5'"]),
            ("/api/v1/sites?index=1&index=2", ["index", "once"]),
            ("/api/v1/categories?x=1", ["'x'", "no such parameter"]),
            ("/api/v1/categorize", ["service"]),
            ("/api/v1/categorize?service=a&modul=b", ["'modul'", "did you mean module?"]),
            ("/api/v1/sd?format=csv", ["format", "'csv'", "json"]),
            ("/api/v1/events?q=x", ["'q'", "index"]),
            ("/api/v1/events?index=x", ["index", "'x'"]),
        ],
    )
    async def test_parameter_is_wrong_it_is_named_with_what_is_allowed(
        self, target: str, words: list[str], api: Stage
    ) -> None:
        """A slip of the pen is told, and never chooses rows."""
        answer = await api.ask(target)
        detail = answer.json()["detail"]
        assert (answer.status, answer.json()["success"]) == (400, False)
        assert [word for word in words if word not in detail] == [], detail

    @pytest.mark.parametrize("path", [*PATHS, "/api/v1/categorize?service=a", "/api/v1/events"])
    @pytest.mark.parametrize("name", ["token", "%74oken", "Token"])
    async def test_token_is_in_the_target_it_is_refused_and_told_to_nobody(
        self, path: str, name: str, api: Stage
    ) -> None:
        """A target stands in histories and logs; a header does not."""
        sign = "&" if "?" in path else "?"
        with capture_logs() as logs:
            answer = await api.ask(f"{path}{sign}{name}=5ec2e7-t0ken")
        assert (answer.status, "X-Consul-Token" in answer.json()["detail"]) == (400, True)
        assert b"5ec2e7" not in answer.body
        assert "5ec2e7" not in repr(logs)
        assert api.views.asked == []

    @pytest.mark.parametrize(
        ("error", "detail"),
        [
            (Refused(403, "Permission denied"), "Permission denied"),
            (
                NoServer({"a:8500": "refused", "b:8500": "timed out after 2s"}),
                "no Consul server answered: a:8500 refused; b:8500 timed out after 2s",
            ),
            (LimitReached(503, "identities", "16 tokens are waiting"), "16 tokens are waiting"),
            (BadRequest("what"), "what"),
        ],
    )
    @pytest.mark.parametrize("path", [*PATHS, "/api/v1/events"])
    async def test_nothing_can_be_shown_the_reason_is_json_with_its_status(
        self, path: str, error: Any, detail: str, api: Stage
    ) -> None:
        """No failure is ever a 200 with nothing in it (defect 3)."""
        api.views.fail(error)
        answer = await api.ask(path)
        assert answer.status == error.status
        assert answer.json() == {"success": False, "detail": detail}
        assert answer.header("Content-Type") == "application/json; charset=utf-8"
        assert answer.header("Cache-Control") == "no-store"
        assert answer.header("X-Content-Type-Options") == "nosniff"

    @pytest.mark.parametrize(
        "path", ["/api/v1/", "/api/v1/nope", "/api/v1/nodes/n1", "/api/v1/nodes//services"]
    )
    @pytest.mark.parametrize("method", ["GET", "POST"])
    async def test_route_is_unknown_it_is_a_404_in_json(
        self, path: str, method: str, api: Stage
    ) -> None:
        """Nothing below is ever forwarded to Consul."""
        answer = await api.ask(path, method=method)
        assert (answer.status, answer.json()["success"]) == (404, False)
        assert path in answer.json()["detail"]

    @pytest.mark.parametrize("path", [*PATHS, "/api/v1/categorize?service=a", "/api/v1/events"])
    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
    async def test_method_is_another_it_is_a_405_with_those_allowed(
        self, path: str, method: str, api: Stage
    ) -> None:
        """All of it is read only."""
        answer = await api.ask(path, method=method)
        allowed = "GET" if "events" in path else "GET, HEAD"
        assert (answer.status, answer.header("Allow")) == (405, allowed)
        assert answer.json()["success"] is False

    async def test_host_is_foreign_it_is_a_421_in_json(self, api: Stage) -> None:
        """A page whose name was pointed here reads nothing."""
        answer = await api.ask("/api/v1/nodes", [("Host", "evil.example")])
        assert (answer.status, answer.json()["success"]) == (421, False)

    async def test_page_of_another_site_sends_a_write_it_is_refused(self, api: Stage) -> None:
        """Before anything else is looked at."""
        headers = [("Origin", "http://evil.example"), ("Sec-Fetch-Site", "cross-site")]
        answer = await api.ask("/api/v1/nodes", headers, method="POST")
        assert (answer.status, answer.json()["success"]) == (403, False)


class TestTokens:
    @pytest.mark.parametrize(
        ("headers", "token"),
        [
            ([], ""),
            ([("X-Consul-Token", "alice")], "alice"),
            ([("Authorization", "Bearer alice")], "alice"),
            ([("X-Consul-Token", "alice"), ("Authorization", "Bearer bob")], "alice"),
        ],
    )
    async def test_token_is_brought_in_a_header_the_view_is_that_of_the_token(
        self, headers: list[tuple[str, str]], token: str, api: Stage
    ) -> None:
        """As Consul itself would understand it."""
        api.views.show(Instance("seen-by-alice"), token="alice")
        found = await api.json("/api/v1/services", headers)
        assert (found["total"], set(api.views.asked)) == (1 if token else 4, {token})

    async def test_two_tokens_see_different_rows_neither_gets_the_others(self, api: Stage) -> None:
        """Also where listing, index and everything else are the same."""
        shown = [api.views.show(Instance(f"of-{name}"), token=name) for name in ("alice", "bob")]
        assert shown[0].index != shown[1].index
        for _ in range(2):
            for name in ("alice", "bob"):
                found = await api.json("/api/v1/services", [("X-Consul-Token", name)])
                assert [row["ID"] for row in found["data"]] == [f"of-{name}"]

    async def test_client_without_a_token_may_borrow_it_sees_what_the_edge_sees(self) -> None:
        """That is ``token_for_clients``; without it a client is anonymous."""
        async with stage(own_token="edge", borrow=True) as one:
            one.views.show(Instance("seen-by-edge"), token="edge")
            assert await one.ids("/api/v1/services") == ["seen-by-edge"]
