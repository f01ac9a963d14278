"""
Randomized runs on the real Consul: whatever a seed does, every answer is justified.

Three seeds are part of every test run.  For more, and longer::

    TORTURE_SEEDS="17 18 19" TORTURE_SECONDS=120 make test ARGS=tests/torture

The same seed makes the same settings, faults and operations; time and the machine do the rest, so
a failure may take several runs to come back.
"""

import os

import pytest

from tests.consul import ConsulAgent, ConsulCluster
from tests.peers import require
from tests.torture.faults import plan_faults
from tests.torture.history import History
from tests.torture.report import verdict
from tests.torture.scenes import play_faults, play_identities

CHOSEN = ("24", "14", "55")
"""The first has outages and most of the faults: as mutants of the edge have shown, it finds most;
the others have found what it misses."""

SEEDS = os.environ.get("TORTURE_SEEDS", "").split() or list(CHOSEN)
SECONDS = float(os.environ.get("TORTURE_SECONDS", "14"))
"""Of each run, besides its beginning and its end."""

AROUND = 160.0
"""Seconds for the beginning, the end and the last fault's healing on a slow machine."""

SECONDS_OF_A_FAULT = 6.0
"""From one fault to the next, at least."""

pytestmark = [pytest.mark.real, pytest.mark.timeout(SECONDS + AROUND)]


def accused(history: History, seed: str) -> str:
    """Say what is wrong with a run of *seed*; nothing if all is well."""
    replay = f"TORTURE_SEEDS={seed} TORTURE_SECONDS={SECONDS:g} pytest tests/torture"
    return verdict(history, replay)


@pytest.mark.parametrize("seed", SEEDS)
async def test_servers_fall_and_return_and_every_answer_is_justified(seed: str) -> None:
    """Nothing is older than promised, lost, done twice or made up while servers die and return."""
    require("consul")
    plan = plan_faults(seed, 1 + int(SECONDS / SECONDS_OF_A_FAULT))
    async with ConsulCluster(hcl="autopilot { cleanup_dead_servers = false }") as cluster:
        history = await play_faults(cluster, seed, SECONDS, plan)
    assert not (told := accused(history, seed)), told


@pytest.mark.parametrize("seed", SEEDS[:1])
async def test_tokens_ask_the_same_and_none_sees_anothers_data(seed: str) -> None:
    """Each answer holds what its own token may see, all of it, and as new as promised."""
    require("consul")
    async with ConsulAgent(acl=True) as agent:
        history = await play_identities(agent, seed, SECONDS / 2)
    assert not (told := accused(history, seed)), told
