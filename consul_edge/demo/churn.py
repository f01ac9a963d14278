"""
Life: health that flaps, instances that come and go, meta data that is edited.

The same seed lives the same life; only its pace follows the clock.
"""

import asyncio
import random
from typing import Final

from msgspec.structs import replace

from consul_edge.demo.records import CRITICAL, PASSING, WARNING, Check, Service
from consul_edge.demo.shelves import NodeShelf
from consul_edge.demo.state import State
from consul_edge.demo.vocabulary import ENVIRONMENTS, OUTPUTS

_FLAP: Final = 0.80
_EDIT: Final = 0.12
_COME_OR_GO: Final = 0.08

_TICK: Final = 0.05
"""Seconds between two rounds at high rates; below, there is one change a round."""


class Churn:
    """Changes a state, as often as asked."""

    def __init__(self, state: State, rate: float, seed: int | None = None) -> None:
        """Make *rate* changes a second in *state*."""
        self._state = state
        self._rate = rate
        self._random = random.Random(seed or 0)  # noqa: S311 - made to be repeated
        self._gone: list[tuple[str, Service, list[Check]]] = []
        self.changes = 0

    async def run(self) -> None:
        """Live until cancelled."""
        if self._rate <= 0:
            return
        loop = asyncio.get_running_loop()
        interval = max(_TICK, 1 / self._rate)
        start = loop.time()
        while True:
            await asyncio.sleep(interval)
            # By the clock, not by the round: a late round makes up for what it missed.
            due = int((loop.time() - start) * self._rate)
            for _ in range(due - self.changes):
                self.step()

    def step(self) -> None:
        """Change one thing."""
        self.changes += 1
        [kind] = self._random.choices(
            (self._flap, self._edit, self._come_or_go), (_FLAP, _EDIT, _COME_OR_GO)
        )
        kind()

    def _pick(self) -> tuple[NodeShelf, Service] | None:
        """Choose an instance; some node must have one at the first tries, or there is none."""
        names = self._state.catalog.node_names
        for _ in range(8):
            shelf = self._state.catalog.node(self._random.choice(names))
            if shelf is not None:
                services = [each for each in shelf.services.values() if each.name != "consul"]
                if services:
                    return shelf, self._random.choice(services)
        return None

    def _flap(self) -> None:
        picked = self._pick()
        checks = picked[0].checks_of(picked[1].id) if picked is not None else []
        if picked is None or not checks:
            return
        check = self._random.choice(checks)
        # What is ill mostly gets well, so that the whole stays as it began.
        status = PASSING
        if check.status == PASSING:
            [status] = self._random.choices((WARNING, CRITICAL, PASSING), (5, 3, 92))
        if status != PASSING or check.status != PASSING:
            self._set(picked[0], picked[1], check, status)
        else:
            self._freshen(picked[0], check)

    def _set(self, shelf: NodeShelf, service: Service, check: Check, status: str) -> None:
        kind = check.type if check.type in OUTPUTS else "http"
        address = service.address or shelf.node.address
        output = OUTPUTS[kind][status].format(
            address=address, port=service.port, rtt=self._random.randint(1, 40)
        )
        changed = replace(check, status=status, output=output)
        self._state.catalog.register(None, None, [changed], shelf.node.name)

    def _freshen(self, shelf: NodeShelf, check: Check) -> None:
        """Let a passing check say something new, as most checks do most of the time."""
        base = check.output.partition(" (took ")[0]
        output = f"{base} (took {self._random.randint(1, 400)} ms)"
        self._state.catalog.register(None, None, [replace(check, output=output)], shelf.node.name)

    def _edit(self) -> None:
        picked = self._pick()
        if picked is None:
            return
        shelf, service = picked
        meta = dict(service.meta or {}) | {"env": self._random.choice(ENVIRONMENTS)}
        edited = replace(service, meta=dict(sorted(meta.items())))
        self._state.catalog.register(None, edited, [], shelf.node.name)

    def _come_or_go(self) -> None:
        if self._gone and self._random.random() < 0.6:
            node, service, checks = self._gone.pop(0)
            if self._state.catalog.node(node) is not None:
                self._state.catalog.register(None, service, checks, node)
            return
        picked = self._pick()
        if picked is None:
            return
        shelf, service = picked
        self._gone.append((shelf.node.name, service, shelf.checks_of(service.id)))
        self._state.catalog.deregister(shelf.node.name, service.id)
