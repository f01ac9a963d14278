"""The life in the data set."""

import asyncio
from collections import Counter

from consul_edge.demo.churn import Churn
from consul_edge.demo.dataset import DataSet
from consul_edge.demo.standin import StandIn
from consul_edge.demo.state import State
from tests.waiting import eventually


def alive(steps: int, seed: int = 3, **size: int) -> State:
    """Let a data set live for some steps."""
    state = State()
    DataSet(**size).load(state)
    churn = Churn(state, 1.0, seed)
    for _ in range(steps):
        churn.step()
    return state


def shown(state: State) -> list[bytes]:
    """Write everything that the nodes hold."""
    found: list[bytes] = []
    for shelf in state.catalog.nodes():
        found += [service.json for service in shelf.instances()]
        found += shelf.check_fragments()
    return found


def test_the_same_seed_lives_the_same_life() -> None:
    """Chance comes from the seed alone."""
    assert shown(alive(300)) == shown(alive(300))


def test_every_part_of_the_catalog_moves() -> None:
    """Health, services and meta data all change their indexes."""
    before, after = alive(0), alive(300)
    for table in ("services", "checks"):
        assert after.ledger.tables[table] > before.ledger.tables[table]


def test_a_long_life_keeps_the_data_set_as_it_was() -> None:
    """Few are gone or ill at any time."""
    state = alive(5000)
    statuses = Counter(c.status for s in state.catalog.nodes() for c in s.checks.values())
    assert 120 <= len(state.catalog) <= 158
    assert statuses["passing"] > 0.8 * statuses.total()


def test_nothing_to_change_is_no_error() -> None:
    """A fresh Consul has nothing that could flap."""
    assert len(alive(50, nodes=1, services=0).catalog) == 1


async def test_a_running_stand_in_lives_at_its_pace() -> None:
    """The task changes things while it runs, and is gone afterwards."""
    standin = StandIn(churn=200.0)
    before = standin.state.index
    async with standin.running():
        await eventually(lambda: standin.state.index > before + 5, "some changes")
    assert not [task for task in asyncio.all_tasks() if "churn" in task.get_name()]
