"""The whole table of requests, put to a real Consul directly and through the edge."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from consul_edge.core.endpoints import ENDPOINTS, Treatment, find
from tests.consul import ConsulAgent
from tests.differential import catalog
from tests.differential.compare import Place, differences, misstatements
from tests.differential.deliberate import DELIBERATE
from tests.differential.play import Side, Stage, play
from tests.differential.rows import Row, Scene
from tests.differential.table import SCENES
from tests.edge import EdgeProcess
from tests.peers import require
from tests.wire import Answer

ROWS = [row for scene in SCENES for row in scene.rows]

OF_A_NEWER_CONSUL = {endpoint.name for endpoint in ENDPOINTS if endpoint.since != "1.8"}


def path_of(row: Row) -> str:
    """Give a row's target up to its query."""
    return re.split("[?#]", row.target.removeprefix("http://localhost"))[0]


def is_kept(row: Row) -> bool:
    """Whether a row is a read that the edge answers from what it keeps, once it was asked."""
    treatment = find(path_of(row)).treatment
    return (
        row.reads
        and row.status == 200
        and treatment in (Treatment.WATCH, Treatment.TTL)
        and not row.at_least
    )


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Give two fresh Consuls that were prepared alike, an edge in front of the second."""
    require("consul")
    scene: Scene = request.getfixturevalue("scene")
    # One name for both, so that it needs no masking; their addresses and logs differ.
    with (
        ConsulAgent(acl=scene.acl) as alone,
        ConsulAgent(acl=scene.acl) as behind,
        EdgeProcess([behind.server]) as edge,
    ):
        yield Stage(
            direct=Side((alone.address, alone.port), alone.address),
            other=Side((edge.address, edge.port), behind.address),
            behind=Side((behind.address, behind.port), behind.address),
        )


@pytest.mark.real
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name.replace(" ", "_"))
def test_each_request_through_the_edge_is_answered_as_by_consul(
    scene: Scene, stage: Stage
) -> None:
    """Status, reason, headers and body are Consul's own, but for the deliberate differences."""
    found = play(scene, stage)

    assert not found, "\n".join(found)
    # Without any hit the comparison would say nothing of what is kept.
    assert stage.hits or not any(is_kept(row) for row in scene.rows)


LIVE = [
    row
    for row in catalog.READS
    if row.status == 200
    and find(path_of(row)).treatment is Treatment.WATCH
    and "near=_agent" not in row.target
]


@pytest.mark.real
def test_each_live_answer_is_as_consuls_own_to_the_byte() -> None:
    """What a watch proves has not aged: only what the edge says of itself is different."""
    require("consul")
    settings = {"cache": {"ttl": "0s"}}
    with ConsulAgent() as agent, EdgeProcess([agent.server], settings) as edge:
        direct = Side((agent.address, agent.port), agent.address)
        side = Side((edge.address, edge.port), agent.address)
        for row in catalog.PREPARED:
            direct.ask(row)
        place = Place(agent.address, twin=False)
        found = []
        for row in LIVE:
            live = side.ask(replace(row, until=is_live))
            found += [f"{row}: {line}" for line in misstatements(live, agent.server)]
            found += [
                f"{row}: {line}" for line in differences(row, direct.ask(row), live, place, place)
            ]
    assert found == []


def is_live(answer: Answer) -> bool:
    """Whether a watch vouches for it."""
    return answer.header("Cache-Status") == "consul-edge; hit; detail=live"


def test_table_without_a_row_for_an_endpoint_is_incomplete() -> None:
    """Every endpoint that Consul 1.8 has is asked for at least once."""
    asked = {row.endpoint for row in ROWS}

    assert {endpoint.name for endpoint in ENDPOINTS} - OF_A_NEWER_CONSUL - asked == set()


def test_each_request_is_classified_as_the_endpoint_it_names() -> None:
    """What the table says a target is, the edge takes it for."""
    assert [str(row) for row in ROWS if find(path_of(row)).name != row.endpoint] == []


def test_each_deliberate_difference_is_shown_by_a_request() -> None:
    """No entry of the list is left without the request that needs it, nor the reverse."""
    shown = {row.deliberate for row in ROWS} - {""}

    assert set(DELIBERATE) == shown


def test_scenes_of_the_table_have_names_of_their_own() -> None:
    """A name in a failure points at one scene."""
    names = Counter(scene.name for scene in SCENES)

    assert [name for name, times in names.items() if times > 1] == []
