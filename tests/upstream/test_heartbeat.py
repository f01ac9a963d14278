import asyncio
import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from consul_edge import metrics
from consul_edge.core.errors import ServerFailed
from consul_edge.upstream.heartbeat import INTERVAL, LINGER, MOST, SHORTEST, Heartbeat
from consul_edge.upstream.servers import Server, Servers
from tests.upstream.making import make_server, value_of
from tests.virtual import elapse, in_virtual_time, now

LEADER = "10.0.0.1:8300"


class Consul:
    """What a heartbeat asks: it notes when, and answers as a test says."""

    def __init__(self, answer: str | Exception | None = LEADER) -> None:
        """Answer with a leader, or fail."""
        self.answer = answer
        self.beats: list[float] = []

    async def __call__(self, _server: Server) -> str | None:
        """Be asked for the leader."""
        self.beats.append(now())
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Scene:
    """One server, its heartbeat and what it asks."""

    def __init__(self, answer: str | Exception | None = LEADER) -> None:
        """Put them together inside a running loop."""
        self.server = make_server("h")
        self.servers = Servers([self.server])
        self.consul = Consul(answer)
        self.heartbeat = Heartbeat(self.server, self.servers, self.consul)

    @property
    def beats(self) -> list[float]:
        """The times of the heartbeats so far."""
        return self.consul.beats


def refused() -> ServerFailed:
    """Fail as a dead server does."""
    return ServerFailed("h", "refused", sent=False)


def test_nobody_asks_for_it_no_heartbeat_is_taken() -> None:
    """A server on which nothing hangs is left in peace."""

    async def play() -> None:
        scene = Scene()
        await elapse(60)
        assert scene.beats == []
        await scene.heartbeat.close()

    in_virtual_time(play)


def test_well_server_is_left_in_peace_after_some_quiet_beats() -> None:
    """One wake-up costs a few beats, an interval apart, and then none."""

    async def play() -> None:
        scene = Scene()
        scene.heartbeat.wake(urgent=False)
        await elapse(60)
        assert scene.beats == [beat * INTERVAL for beat in range(LINGER)]
        scene.heartbeat.wake(urgent=False)
        await elapse(INTERVAL / 2)
        assert scene.beats[LINGER:] == [60.0]
        await scene.heartbeat.close()

    in_virtual_time(play)


def carry_poll(server: Server) -> None:
    """Have a blocking query parked at the server."""
    server.slots.lease(poll=True)


def lose_leader(server: Server) -> None:
    """Be without a leader."""
    server.leader = ""


@pytest.mark.parametrize(
    ("answer", "prepare"),
    [(LEADER, carry_poll), ("", lose_leader)],
    ids=["carries a poll", "has no leader"],
)
def test_server_on_which_something_hangs_is_listened_to_without_end(
    answer: str, prepare: Callable[[Server], None]
) -> None:
    """It is asked every interval for as long as that lasts."""

    async def play() -> None:
        scene = Scene(answer)
        prepare(scene.server)
        scene.heartbeat.wake(urgent=False)
        await elapse(INTERVAL * 19.5)
        assert scene.beats == [beat * INTERVAL for beat in range(20)]
        await scene.heartbeat.close()

    in_virtual_time(play)


def test_poll_that_ends_lets_the_listening_end() -> None:
    """When nothing hangs on the server any more, it is left in peace."""

    async def play() -> None:
        scene = Scene()
        lease = scene.server.slots.lease(poll=True)
        scene.heartbeat.wake(urgent=False)
        await elapse(INTERVAL * 4.5)
        lease.give()
        await elapse(60)
        assert len(scene.beats) == 5 + LINGER
        await scene.heartbeat.close()

    in_virtual_time(play)


def test_urgent_wake_brings_the_next_beat_at_once() -> None:
    """A server that became suspect is not waited for until the regular beat."""

    async def play() -> None:
        scene = Scene()
        scene.heartbeat.wake(urgent=False)
        await elapse(INTERVAL / 2)
        scene.heartbeat.wake(urgent=True)
        await elapse(INTERVAL / 10)
        assert scene.beats == [0.0, INTERVAL / 2]
        await scene.heartbeat.close()

    in_virtual_time(play)


def test_plain_wake_does_not_hurry_the_next_beat() -> None:
    """Whoever is not in a hurry waits for the regular one."""

    async def play() -> None:
        scene = Scene()
        scene.heartbeat.wake(urgent=False)
        await elapse(INTERVAL / 2)
        scene.heartbeat.wake(urgent=False)
        await elapse(INTERVAL)
        assert scene.beats == [0.0, INTERVAL]
        await scene.heartbeat.close()

    in_virtual_time(play)


def test_storm_of_urgent_wakes_is_bounded() -> None:
    """A thousand reads that fail at once do not become a thousand heartbeats."""

    async def play() -> None:
        scene = Scene()
        for _ in range(1000):
            scene.heartbeat.wake(urgent=True)
            await elapse(SHORTEST / 100)
        gaps = [later - earlier for earlier, later in pairwise(scene.beats)]
        assert 5 <= len(scene.beats) <= 11
        assert min(gaps) >= SHORTEST * 0.99
        await scene.heartbeat.close()

    in_virtual_time(play)


def test_server_that_fails_is_asked_ever_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead server is probed without end, with pauses that double up to the most."""
    monkeypatch.setattr(random, "random", lambda: 1.0)

    async def play() -> None:
        scene = Scene(refused())
        scene.heartbeat.wake(urgent=False)
        await elapse(14)
        assert scene.beats == [0, 1, 3, 5, 7, 9, 11, 13]
        assert scene.beats[-1] - scene.beats[-2] == MOST
        assert (scene.server.is_out, scene.server.failures) == (True, 8)
        await scene.heartbeat.close()

    in_virtual_time(play)


def test_pauses_of_two_instances_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chance takes away up to half, so that not all edges come back in the same moment."""
    monkeypatch.setattr(random, "random", lambda: 0.0)

    async def play() -> None:
        scene = Scene(refused())
        scene.heartbeat.wake(urgent=False)
        await elapse(4)
        assert scene.beats == [0, 0.5, 1.5, 2.5, 3.5]
        await scene.heartbeat.close()

    in_virtual_time(play)


def test_server_that_answers_again_is_back_with_its_next_beat() -> None:
    """The circuit closes, the failures are forgotten, and the beats are regular again."""

    async def play() -> None:
        scene = Scene(refused())
        scene.heartbeat.wake(urgent=False)
        await elapse(10)
        assert scene.server.is_out
        scene.consul.answer = LEADER
        scene.heartbeat.wake(urgent=True)
        await elapse(SHORTEST * 2)
        assert (scene.server.is_out, scene.server.failures) == (False, 0)
        assert scene.server.leader == LEADER
        await elapse(INTERVAL)
        assert scene.beats[-1] - scene.beats[-2] == pytest.approx(INTERVAL)
        await scene.heartbeat.close()

    in_virtual_time(play)


def test_failed_heartbeat_opens_the_circuit_with_its_reason() -> None:
    """The log says why the server was lost, once."""

    async def play() -> None:
        scene = Scene(refused())
        with capture_logs() as logged:
            scene.heartbeat.wake(urgent=False)
            await elapse(20)
        assert [(entry["event"], entry["reason"]) for entry in logged] == [
            ("server lost", "refused")
        ]
        await scene.heartbeat.close()

    in_virtual_time(play)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(LEADER, "success"), (refused(), "failure")],
    ids=["success", "failure"],
)
def test_heartbeats_are_counted_by_outcome(answer: str | Exception, outcome: str) -> None:
    """Each beat counts once."""

    async def play() -> None:
        scene = Scene(answer)
        counter = metrics.HEARTBEATS.labels(scene.server.label, outcome)
        before = value_of(counter)
        scene.heartbeat.wake(urgent=False)
        await elapse(INTERVAL * 1.5)
        assert value_of(counter) - before == len(scene.beats)
        await scene.heartbeat.close()

    in_virtual_time(play)


def test_defect_in_a_beat_does_not_end_the_listening() -> None:
    """An error that nobody foresaw is logged, and the next beat comes."""

    async def play() -> None:
        scene = Scene(LookupError("a defect"))
        with capture_logs() as logged:
            scene.heartbeat.wake(urgent=False)
            await elapse(INTERVAL / 2)
        assert [entry["event"] for entry in logged] == ["heartbeat failed"]
        scene.consul.answer = LEADER
        await elapse(INTERVAL)
        assert scene.server.leader == LEADER
        await scene.heartbeat.close()

    in_virtual_time(play)


def test_closed_heartbeat_asks_no_more() -> None:
    """Closing ends the loop, also in mid-beat, and may be done twice."""

    async def play() -> None:
        scene = Scene()
        scene.server.slots.lease(poll=True)
        scene.heartbeat.wake(urgent=False)
        await asyncio.sleep(0)
        await scene.heartbeat.close()
        await scene.heartbeat.close()
        await elapse(60)
        assert len(scene.beats) <= 1
        assert len(asyncio.all_tasks()) == 1

    in_virtual_time(play)
