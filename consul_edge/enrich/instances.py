"""
The instances of all services: each name a topic, learnt for itself.

Rule 1: nobody waits for a name that hangs longer than others bring news: what is not learnt when
``learn`` returns goes on being learnt, tells news when it is, and counts as unanswered until then.
Rule 2: a name's failure is its own.  Which nodes it concerns is found out from what was known of
it, else by asking who has it; where nobody can tell, it concerns them all.
Rule 3: Consul takes names that its own API cannot be asked about (``http://x``): each of those is
a failure like any other, and no more.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, TypeVar
from urllib.parse import quote

import structlog

from consul_edge import metrics
from consul_edge.enrich.asking import Asker, Unlearnt, decoded
from consul_edge.enrich.shapes import HealthShape, read_health, read_nodes, read_summaries
from consul_edge.enrich.snapshot import Failure, Kind
from consul_edge.enrich.topic import Topic

log = structlog.get_logger()

SUMMARIES: Final = "/v1/internal/ui/services"
"""Who has what, in one answer: what Consul's own page asks for."""

WHO_HAS: Final = "/v1/catalog/service/"

LOCATED: Final = 10
"""Names that are asked about one by one, where that answer does not have them."""

LOCATE_INTERVAL: Final = 5.0
"""Seconds between two tries to find out where lost names are."""

Told = TypeVar("Told")

Service = Topic[tuple[HealthShape, ...]]


class Instances:
    """What is known of each service name."""

    def __init__(self, asker: Asker, now: Callable[[], float], news: Callable[[], None]) -> None:
        """Know of none."""
        self._asker = asker
        self._now = now
        self._news = news
        self._topics: dict[str, Service] = {}
        self._learning: dict[str, asyncio.Task[bool]] = {}
        self._uncounted: dict[str, Service] = {}
        """What was learnt, or failed, and is not counted as yet."""
        self._is_waited_for = False
        self._locating: asyncio.Task[None] | None = None
        self._locate_at = float("-inf")
        self._whereabouts: dict[str, frozenset[str]] = {}
        """Nodes of the names of which nothing else is known."""

    @property
    def due_at(self) -> float:
        """When some name is to be learnt (again)."""
        return min((topic.due_at for topic in self._topics.values()), default=float("inf"))

    @property
    def is_settled(self) -> bool:
        """Whether every name was learnt, and none is being learnt or due."""
        now = self._now()
        return not self._learning and all(
            topic.failure is None and topic.due_at > now for topic in self._topics.values()
        )

    def proofs(self) -> list[tuple[bool, float]]:
        """Tell of each name that is known whether it is proven, and for how long it is not."""
        return [topic.proof() for topic in self._topics.values() if topic.value is not None]

    def choose(self, names: Sequence[str], *, watched: bool) -> None:
        """Have exactly these names, in this order."""
        for name in self._topics.keys() - set(names):
            self._topics.pop(name).unfollow()
            self._whereabouts.pop(name, None)
            task = self._learning.pop(name, None)
            if task is not None:
                task.cancel()
        known = self._topics
        self._topics = {name: known.get(name) or self._topic(name) for name in names}
        for topic in self._topics.values():
            if watched:
                topic.follow()
                topic.look()
            else:
                topic.unfollow()

    def ask_again(self) -> None:
        """Have all names asked for anew."""
        for topic in self._topics.values():
            topic.ask_again()

    async def learn(self, patience: float, nodes: Iterable[str]) -> bool:
        """
        Learn what is due, for as long as there is something new every *patience* seconds.

        Args:
            nodes: All that there are: they are counted with what was asked about them.

        Returns:
            Whether that was to the end.
        """
        now = self._now()
        for name, topic in self._topics.items():
            if topic.due_at <= now and name not in self._learning:
                task = asyncio.create_task(self._learn(name, topic), name="learn service")
                self._learning[name] = task
                task.add_done_callback(partial(self._learnt, name))
        until = now + patience
        waiting = set(self._learning.values())
        self._is_waited_for = True
        while waiting and self._now() < until:
            done, waiting = await asyncio.wait(
                waiting, timeout=until - self._now(), return_when=asyncio.FIRST_COMPLETED
            )
            if any(_was_good(task) for task in done):
                until = self._now() + patience
        await self._locate_lost(patience)
        self._is_waited_for = False
        self._count(tuple(nodes))
        return not waiting

    def close(self) -> None:
        """Follow nothing any more, and learn nothing."""
        self.choose((), watched=False)
        if self._locating is not None:
            self._locating.cancel()

    def known(self) -> dict[str, tuple[HealthShape, ...]]:
        """Give what is known, by name."""
        return {
            name: topic.value for name, topic in self._topics.items() if topic.value is not None
        }

    def stale(self) -> dict[str, Failure]:
        """Tell why names are known from before only."""
        return {
            name: topic.failure
            for name, topic in self._topics.items()
            if topic.value is not None and topic.failure is not None
        }

    def missing(self) -> dict[str, Failure]:
        """Tell why nothing is known of names."""
        return {
            name: topic.failure or Failure(topic.path, Kind.TIMEOUT, "no answer yet")
            for name, topic in self._topics.items()
            if topic.value is None
        }

    def doubts(self, nodes: Iterable[str]) -> dict[str, Failure]:
        """
        Tell which nodes have, or may have, instances of names that failed.

        Args:
            nodes: All that there are.
        """
        everywhere = tuple(nodes)
        in_doubt: dict[str, Failure] = {}
        for name, failure in (*self.stale().items(), *self.missing().items()):
            for node in self._nodes_of(name, everywhere):
                in_doubt.setdefault(node, failure)
        return in_doubt

    async def _learn(self, name: str, topic: Service) -> bool:
        """Learn one name; tell whether there was an answer."""
        before = topic.value
        await topic.learn()
        if topic.failure is not None or topic.value is not before:
            self._uncounted[name] = topic
        return topic.failure is None

    def _count(self, nodes: Sequence[str]) -> None:
        """Count for each node what was asked about it, once it is known which those are."""
        uncounted, self._uncounted = self._uncounted, {}
        for name, topic in uncounted.items():
            failure = topic.failure
            for node in self._nodes_of(name, nodes) if name in self._topics else ():
                metrics.node_enriched(node, topic.took, failure is None)
                if failure is not None:
                    metrics.node_failed(node, failure.kind)

    def _learnt(self, name: str, task: "asyncio.Task[bool]") -> None:
        if self._learning.get(name) is task:
            del self._learning[name]
        if not task.cancelled() and task.exception() is not None:
            log.error("service cannot be learnt", exc_info=task.exception())
        if not self._is_waited_for:
            self._news()

    async def _locate_lost(self, patience: float) -> None:
        """Have it found out which nodes have the services of which nothing is known."""
        lost = [
            name
            for name, topic in self._topics.items()
            if topic.value is None and topic.failure is not None and name not in self._whereabouts
        ]
        if lost and self._locating is None and self._now() >= self._locate_at:
            self._locate_at = self._now() + LOCATE_INTERVAL
            self._locating = asyncio.create_task(self._locate(lost), name="locate services")
        if self._locating is not None:
            await asyncio.wait((self._locating,), timeout=patience)

    async def _locate(self, lost: Sequence[str]) -> None:
        try:
            told = await self._told_by(SUMMARIES, read_summaries)
            found = {summary.name: summary.nodes or () for summary in told}
            for name in [name for name in lost if name not in found][:LOCATED]:
                nodes = await self._told_by(f"{WHO_HAS}{quote(name, safe='')}", read_nodes)
                if nodes:
                    found[name] = tuple(node.name for node in nodes)
        finally:
            self._locating = None
        self._whereabouts |= {name: frozenset(found[name]) for name in lost if name in found}
        if not self._is_waited_for:
            self._news()

    async def _told_by(
        self, target: str, read: Callable[[bytes], list[Told] | None]
    ) -> list[Told]:
        """Ask for a list; none, if it cannot be had."""
        try:
            entry = await self._asker.ask(target)
            return await decoded(target, entry.body, read) or []
        except Unlearnt:
            return []

    def _nodes_of(self, name: str, everywhere: Sequence[str]) -> Iterable[str]:
        """Name the nodes that have instances of a service, *everywhere* if that is not known."""
        instances = self._topics[name].value
        if instances is not None:
            return {instance.node.name for instance in instances}
        return self._whereabouts.get(name, everywhere)

    def _topic(self, name: str) -> Service:
        def read(body: bytes) -> tuple[HealthShape, ...]:
            # Consul finds names whatever their case, and lists them each by itself.
            return tuple(one for one in read_health(body) or () if one.service.name == name)

        target = f"/v1/health/service/{quote(name, safe='')}"
        return Topic(target, read, self._asker, self._now, self._news)


def _was_good(task: "asyncio.Task[bool]") -> bool:
    return not task.cancelled() and task.exception() is None and task.result()
