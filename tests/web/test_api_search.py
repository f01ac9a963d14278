"""The enriched API and those who ask for more than is good for others, or for what it has not."""

from collections.abc import AsyncIterator

import pytest

from consul_edge.enrich import archive
from tests.web.stage import Instance, Stage, stage

SEARCHES = [
    "/api/v1/services?q=-x",
    "/api/v1/services?q=-x&format=csv",
    "/api/v1/nodes?q=-x",
    "/api/v1/sd?q=-x",
    "/api/v1/monitoring/data?category=all&q=-x",
    "/api/v1/monitoring/summary?q=-x",
]

WHOLE = [
    *("/api/v1/services", "/api/v1/nodes", "/api/v1/sd", "/api/v1/sites", "/api/v1/categories"),
    *("/api/v1/monitoring/summary", "/api/v1/monitoring/categories", "/api/v1/nodes/n1/services"),
]


@pytest.fixture
async def api() -> AsyncIterator[Stage]:
    """Give the API over one instance."""
    async with stage() as one:
        one.views.show(Instance("a"))
        yield one


class TestTime:
    @pytest.mark.parametrize("target", SEARCHES)
    async def test_search_takes_too_long_it_is_a_400_that_says_so(
        self, target: str, api: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The edge has other clients."""
        monkeypatch.setattr(archive, "SEARCH_SECONDS", 0.0)
        answer = await api.ask(target)
        assert (answer.status, answer.json()["detail"]) == (
            400,
            "q: this search takes too long: expected fewer or simpler conditions",
        )

    @pytest.mark.parametrize("target", WHOLE)
    async def test_whole_document_is_asked_for_it_takes_what_it_takes(
        self, target: str, api: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is as long as the rows are many, which no client decides."""
        monkeypatch.setattr(archive, "SEARCH_SECONDS", 0.0)
        assert (await api.ask(target)).status == 200


class TestConsulsOwn:
    @pytest.mark.parametrize("path", ["/api/v1/services", "/api/v1/nodes", "/api/v1/events"])
    @pytest.mark.parametrize(
        ("query", "words"),
        [
            ("ns=team", ["ns:", "namespace"]),
            ("partition=p", ["partition:", "namespace"]),
            ("stale", ["stale:", "as Meta: meta.stale"]),
            ("consistent", ["consistent:"]),
            ("cached", ["cached:"]),
            ("pretty", ["pretty:"]),
            ("Pretty=1", ["Pretty:"]),
        ],
    )
    async def test_parameter_is_one_of_consuls_calls_it_is_refused_by_name(
        self, path: str, query: str, words: list[str], api: Stage
    ) -> None:
        """Taken for a key of Meta it would choose no rows at all."""
        answer = await api.ask(f"{path}?{query}")
        assert answer.status == 400
        detail = answer.json()["detail"]
        assert [word for word in words if word not in detail] == [], detail

    async def test_key_of_meta_has_the_name_of_one_it_is_filtered_in_full(
        self, api: Stage
    ) -> None:
        """Who means the key can say so."""
        api.views.show(Instance("a", meta={"stale": "no"}), Instance("b"))
        assert await api.ids("/api/v1/services?meta.stale=no") == ["a"]

    @pytest.mark.parametrize("name", ["X-Consul-Namespace", "X-Consul-Partition"])
    async def test_header_asks_for_another_namespace_it_is_refused(
        self, name: str, api: Stage
    ) -> None:
        """Rows of all namespaces are not what was asked for."""
        answer = await api.ask("/api/v1/services", [(name, "team")])
        assert (answer.status, name in answer.json()["detail"]) == (400, True)

    @pytest.mark.parametrize("value", ["", "default", "Default"])
    @pytest.mark.parametrize("name", ["X-Consul-Namespace", "X-Consul-Partition"])
    async def test_header_asks_for_the_default_it_is_given(
        self, name: str, value: str, api: Stage
    ) -> None:
        """That is what there is; clients of Consul's send it unasked."""
        assert (await api.ask("/api/v1/services", [(name, value)])).status == 200
