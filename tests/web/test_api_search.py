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
