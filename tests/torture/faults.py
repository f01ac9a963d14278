"""
What is done to the servers: planned from the seed, carried out one after the other.

Rule 1: the next fault waits until the one before is healed and every server serves again; only the
fault that takes all servers takes more than one.
Rule 2: a server is frozen only while it follows: a frozen *leader* that comes to believes itself
leader for a moment and answers from its old state, which no proxy can know.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from tests.consul import ConsulCluster, ConsulServer
from tests.torture.history import Death, Via
from tests.torture.stage import Stage
from tests.waiting import NOT_YET, wait_until

HEAL_WITHIN: Final = 60.0


class What(Enum):
    """Kinds of faults."""

    KILL_LEADER = "the leader killed"
    KILL_FOLLOWER = "a follower killed"
    FREEZE_FOLLOWER = "a follower frozen"
    KILL_ALL = "all servers killed"


LASTS: Final = {
    What.KILL_LEADER: (0.5, 3.0),
    What.KILL_FOLLOWER: (0.5, 3.0),
    # Longer than the bound of what is live, and than a write waits for its answer.
    What.FREEZE_FOLLOWER: (6.0, 9.0),
    What.KILL_ALL: (0.2, 5.0),
}
"""Seconds until a fault is undone."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a plan."""

    after: float
    """Seconds of peace before it."""
    what: What
    choice: int
    """Which of the followers; an even one means that which serves the edge, if there is one."""
    is_quiet: bool
    """Whether nobody writes through the edge while it lasts."""
    lasts: float


def plan_faults(seed: str, count: int) -> tuple[Fault, ...]:
    """
    Choose *count* faults: each kind once before any comes again.

    >>> plan_faults("7", 3) == plan_faults("7", 3)
    True
    """
    chance = random.Random(f"{seed} faults")
    kinds: list[What] = []
    while len(kinds) < count:
        kinds += chance.sample(tuple(What), k=len(What))
    return tuple(
        Fault(
            after=chance.uniform(1.0, 2.5),
            what=what,
            choice=chance.randrange(100),
            is_quiet=chance.random() < 0.5,
            lasts=chance.uniform(*LASTS[what]),
        )
        for what in kinds[:count]
    )


class Havoc:
    """Carries out a plan at a cluster."""

    def __init__(self, cluster: ConsulCluster, stage: Stage) -> None:
        """Prepare to do harm, and to write down when."""
        self._cluster = cluster
        self._stage = stage
        self._history = stage.history

    async def carry_out(self, faults: Sequence[Fault], until: float) -> None:
        """Do what is planned, up to a moment of the monotonic clock; leave everything healed."""
        for fault in faults:
            if time.monotonic() + fault.after >= until:
                break
            await asyncio.sleep(fault.after)
            await self._carry_out(fault)

    async def _carry_out(self, fault: Fault) -> None:
        victims = await asyncio.to_thread(self._victims, fault)
        self._stage.is_quiet = fault.is_quiet
        began = time.monotonic()
        try:
            for victim in victims:
                if fault.what is What.FREEZE_FOLLOWER:
                    self._cluster.pause(victim)
                else:
                    await asyncio.to_thread(victim.kill)
            dark = time.monotonic()
            await asyncio.sleep(fault.lasts)
        finally:
            for victim in victims:
                if victim.paused:
                    self._cluster.resume(victim)
                else:
                    self._history.deaths.append(Death(dark, time.monotonic(), victim.server))
                    victim.launch()
            ended = time.monotonic()
        await self.healed()
        self._stage.is_quiet = False
        names = ", ".join(victim.server for victim in victims)
        healed = f"all served at {time.monotonic():.3f}"
        self._history.faults.append(
            f"{began:.3f}-{ended:.3f} {fault.what.value}{' quietly' * fault.is_quiet}: {names};"
            f" {healed}"
        )

    def _victims(self, fault: Fault) -> list[ConsulServer]:
        leader = self._cluster.wait_for_leader()
        if fault.what is What.KILL_ALL:
            return list(self._cluster.servers)
        if fault.what is What.KILL_LEADER:
            return [leader]
        followers = [server for server in self._cluster.servers if server is not leader]
        serving = [server for server in followers if server.server == self._last_to_serve()]
        if serving and fault.choice % 2 == 0:
            return serving
        return [followers[fault.choice % len(followers)]]

    def _last_to_serve(self) -> str:
        """Give the server through which the edge last passed a read on."""
        return next(
            (
                read.reply.headers.get("x-consul-edge-server", "")
                for read in reversed(self._history.reads)
                if read.via is Via.EDGE and read.reply.status == 200 and not read.reply.is_hit
            ),
            "",
        )

    async def healed(self) -> None:
        """Wait until each server has what the leader has, and says so."""
        await asyncio.to_thread(wait_until, self._all_serve, "all servers serve", HEAL_WITHIN)

    def _all_serve(self) -> bool:
        return all(_serves(server) for server in self._cluster.servers)


def _serves(server: ConsulServer) -> bool:
    try:
        reply = server.request("GET", "/v1/catalog/services?consistent", timeout=5)
    except NOT_YET:
        return False
    return reply.status == 200
