"""What gauges show of the enrichment: rows, nodes, documents, and when it last went well."""

import asyncio
import json
import time
from collections import Counter

from consul_edge import metrics
from consul_edge.demo.standin import StandIn
from consul_edge.enrich import counts
from consul_edge.enrich.columns import NODES, SERVICES
from consul_edge.enrich.rows import NodeRow, ServiceRow
from consul_edge.enrich.table import Table
from consul_edge.metrics.nodes import MOST_CATEGORIES, OTHER, bounded
from tests.house import edge_over
from tests.scrape import samples
from tests.upstream.making import value_of
from tests.waiting import eventually

SITES = "/v1/kv/skills/eye/metadata/sites"


def services(*rows: tuple[str, str]) -> Table[ServiceRow]:
    """Make a table of rows with just a category and a status."""
    return Table(
        [
            ServiceRow(id=str(at), service="s", node="n", category=category, status=status)
            for at, (category, status) in enumerate(rows)
        ],
        SERVICES,
    )


def nodes(*errors: bool) -> Table[NodeRow]:
    """Make a table of nodes, in error or not."""
    rows = [
        NodeRow(node=str(at), name=str(at), services_status="error" if error else "ok")
        for at, error in enumerate(errors)
    ]
    return Table(rows, NODES)


def test_rows_are_those_of_whoever_sees_the_most() -> None:
    """Of several identities one is shown: sums would count rows twice."""
    few = services(("web", "passing"))
    many = services(("db", "passing"), ("db", "passing"), ("db", "critical"))

    assert counts.most([few, many]) == {("db", "passing"): 2, ("db", "critical"): 1}
    assert counts.most([]) == {}


def test_nodes_are_those_of_whoever_is_worst_off() -> None:
    """By the share in error, and among equals where there are most nodes."""
    fine, bad = nodes(False, False, False, False), nodes(True, False)

    assert counts.worst([fine, bad]) == (2, 1)
    assert counts.worst([nodes(False), fine]) == (4, 0)
    assert counts.worst([]) == (0, 0)


def test_table_is_counted_once_however_often_it_is_scraped() -> None:
    """A hundred thousand rows are not gone through every few seconds."""
    table = services(("web", "passing"))

    assert counts.most([table]) is counts.most([table])


def test_categories_beyond_the_bound_share_a_series() -> None:
    """Whoever writes rules cannot make more series than were foreseen, and no row is lost."""
    many = Counter({(f"category {at}", "passing"): at + 1 for at in range(MOST_CATEGORIES + 9)})

    found = bounded(many)

    assert len({category for category, _ in found}) == MOST_CATEGORIES + 1
    assert sum(found.values()) == sum(many.values())
    assert found[OTHER, "passing"] == sum(range(1, 10))


async def test_rows_are_shown_by_category_and_status_once_somebody_asked() -> None:
    """As ``/api/v1/services`` has them."""
    async with StandIn(nodes=3, services=9).running() as url, edge_over(url) as edge:
        answer = await edge.ask("GET", "/api/v1/services")
        data = json.loads(answer.body)["data"]
        expected = Counter((row["category"], row["status"]) for row in data)

        found = await asyncio.to_thread(samples, edge.base, "consul_edge_rows")
    assert {(row["category"], row["status"]): value for row, value in found} == expected


async def test_broken_document_is_not_good_until_it_is_mended() -> None:
    """The gauge lasts as long as the trouble, of which a counter tells once."""
    async with StandIn(nodes=1, services=1).running() as url, edge_over(url) as edge:
        good = metrics.DOCUMENT_GOOD.labels("sites")
        await edge.ask("GET", "/api/v1/sites")
        assert value_of(good) == 1

        await edge.ask("PUT", SITES, body=b"no document")
        await eventually(lambda: value_of(good) == 0, "it is seen to be none")
        assert value_of(metrics.DOCUMENT_GOOD.labels("rules")) == 1

        await edge.ask("PUT", SITES, body=b"[]")
        await eventually(lambda: value_of(good) == 1, "it is seen to be one")


async def test_each_cache_tells_when_consul_last_gave_it_something() -> None:
    """As a Unix time; what fails meanwhile moves nothing."""
    async with StandIn(nodes=2, services=3).running() as url, edge_over(url) as edge:
        began = time.time()
        gauges = {
            name: metrics.CACHE_LAST_SUCCESS.labels(name)
            for name in ("proxy", "nodes", "sites", "rules")
        }
        await edge.ask("GET", "/v1/catalog/nodes")
        await edge.ask("GET", "/api/v1/nodes")
        await eventually(
            lambda: all(began <= value_of(gauge) <= time.time() for gauge in gauges.values()),
            "all have succeeded",
        )


async def test_watch_is_live_while_its_server_is_heard() -> None:
    """What is watched and not proven shows as a gap between two gauges."""
    standin = StandIn(nodes=1, services=1)
    async with standin.running() as url, edge_over(url) as edge:
        await edge.heard()
        for _ in range(2):
            await edge.ask("GET", "/v1/catalog/nodes")
        await eventually(lambda: value_of(metrics.WATCHES_LIVE) == 1, "it is live")

        await standin.refuse()
        await eventually(lambda: value_of(metrics.WATCHES_LIVE) == 0, "it is not")
        assert value_of(metrics.WATCHES) == 1
