"""
Those who act in a run: writers, readers and watchers, each with a chance of its own.

Rule 1: an actor draws from a ``Random`` seeded with the run's seed and its own name, so that the
same seed makes the same operations, however the time runs.
Rule 2: no client here repeats anything by itself, and each operation is recorded with its answer.
Rule 3: nobody waits for anybody: what the answers mean together is the judge's business.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.torture.history import (
    Append,
    Mode,
    Outcome,
    Probe,
    Question,
    Reply,
    Via,
    Write,
    said,
)
from tests.torture.stage import DIRECT_PATIENCE, PATIENCE, Stage

PROBE_SECONDS: Final = 0.1
"""Between two looks at whether a server serves."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one writer does: its subject, and how."""

    subject: str
    vias: tuple[Via, ...]
    is_service: bool = False
    is_conditional: bool = False
    """KV only: by check-and-set."""
    vanishes: bool = False
    """Whether it is deleted now and then."""
    pause: float = 0.4
    """Seconds between two writes at most."""


class Writer:
    """Writes one subject, and looks at once whether the edge shows it."""

    def __init__(self, stage: Stage, part: Part, questions: Sequence[Question]) -> None:
        """Prepare to write; *questions* are those in which the subject is seen."""
        self._stage = stage
        self._part = part
        self._questions = questions
        self._chance = stage.chance(f"writer {part.subject}")
        self._count = 0

    async def run(self) -> None:
        """Write until the curtain falls; look before the answer is there, and as soon as it is."""
        while not self._stage.curtain.is_set():
            chance = self._chance
            early = [self._look() for _ in range(chance.choice((0, 1, 3)))]
            await asyncio.gather(*early, self.write())
            await asyncio.gather(*[self._look() for _ in range(chance.choice((1, 3)))])
            await asyncio.sleep(chance.uniform(0.02, self._part.pause))

    async def _look(self) -> None:
        if self._questions:
            question = self._chance.choice(self._questions)
            await self._stage.read(f"writer {self._part.subject}", question, Mode.DEFAULT)

    async def write(self) -> Outcome | None:
        """Write once; None: it was certainly not sent."""
        part, chance = self._part, self._chance
        self._count += 1
        is_gone = part.vanishes and self._count > 1 and chance.random() < 0.3
        value = None if is_gone else f"{part.subject}#{self._count}"
        via = Via.DIRECT if self._stage.is_quiet else chance.choice(part.vias)
        server = chance.choice(self._stage.servers)
        condition = ""
        if part.is_conditional:
            known = await self._modify_index(via, server)
            if known is None:
                return None
            condition = f"?cas={known}"
        base, patience = (
            (self._stage.edge, PATIENCE) if via is Via.EDGE else (server, DIRECT_PATIENCE)
        )
        method, target, body = _request(part, value, condition)
        began = time.monotonic()
        reply = await self._stage.client.ask(
            method, base + target, body, token=self._stage.token, patience=patience
        )
        ended = time.monotonic()
        if "not-sent" in reply.headers:
            return None
        told = reply.body[:200].decode(errors="replace").strip()
        outcome = _outcome(reply)
        self._stage.history.writes.append(
            Write(part.subject, value, via, outcome, began, ended, part.is_conditional, told)
        )
        return outcome

    async def _modify_index(self, via: Via, server: str) -> int | None:
        base = self._stage.edge if via is Via.EDGE else server
        url = f"{base}/v1/kv/{self._part.subject}?consistent"
        reply = await self._stage.client.ask(
            "GET", url, token=self._stage.token, patience=DIRECT_PATIENCE
        )
        if reply.status == 404:
            return 0
        if reply.status != 200:
            return None
        found: int = json.loads(reply.body)[0]["ModifyIndex"]
        return found


class Appender:
    """Sends requests of which each makes a new thing, whoever repeats it: unnamed queries."""

    def __init__(self, stage: Stage, name: str, session: str) -> None:
        """Prepare to append; Consul wants unnamed queries bound to a *session*."""
        self._stage = stage
        self._name = name
        self._session = session
        self._chance = stage.chance(name)

    async def run(self) -> None:
        """Append until the curtain falls."""
        count = 0
        while not self._stage.curtain.is_set():
            count += 1
            marker = f"{self._name}-{count}"
            body = {"Session": self._session, "Service": {"Service": marker}}
            began = time.monotonic()
            reply = await self._stage.client.ask(
                "POST", f"{self._stage.edge}/v1/query", body, token=self._stage.token
            )
            outcome = Outcome.DONE if reply.status == 200 else Outcome.UNKNOWN
            append = Append(marker, outcome, began, time.monotonic())
            self._stage.history.appends.append(append)
            await asyncio.sleep(self._chance.uniform(0.02, 0.3))


async def read_on(
    stage: Stage,
    name: str,
    questions: Sequence[Question],
    identities: Sequence[tuple[str, str]] = (("", ""),),
) -> None:
    """Read at random, as one identity after the other, until the curtain falls."""
    chance = stage.chance(name)
    while not stage.curtain.is_set():
        mode = chance.choice((Mode.DEFAULT, Mode.DEFAULT, Mode.DEFAULT, *Mode))
        question = chance.choice(questions)
        await stage.read(name, question, mode, as_who=chance.choice(identities))
        await asyncio.sleep(chance.uniform(0.0, 0.1))


class Watcher:
    """Follows one question by blocking queries, as Consul's documentation tells clients to."""

    def __init__(
        self, stage: Stage, name: str, question: Question, as_who: tuple[str, str] = ("", "")
    ) -> None:
        """Prepare to watch; *name* begins with ``watcher``, by which the judge knows it."""
        self._stage = stage
        self.name = name
        self.question = question
        self.as_who = as_who
        self.seen: Mapping[str, str | None] | None = None
        """What the last answer said."""

    async def run(self) -> None:
        """Watch until cancelled."""
        chance = self._stage.chance(self.name)
        index = 0
        while True:
            read = await self._stage.read(
                self.name,
                self.question,
                Mode.DEFAULT,
                index=index,
                wait=chance.choice(("2s", "5s", "15s")),
                as_who=self.as_who,
            )
            values = said(read.question, read.reply)
            if values is None:
                index = 0
                await asyncio.sleep(0.2)
                continue
            self.seen = values
            index = 0 if read.reply.index < index else read.reply.index


async def probe(stage: Stage, server: str) -> None:
    """Ask one server directly, until cancelled, whether it has a leader who can serve."""
    while True:
        began = time.monotonic()
        url = f"{server}/v1/kv/probe?consistent"
        reply = await stage.client.ask("GET", url, token=stage.token, patience=2.0)
        served = reply.status in (200, 404)
        stage.history.probes.append(Probe(began, time.monotonic(), served))
        await asyncio.sleep(PROBE_SECONDS)


async def together(actors: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Let all act; if one breaks down, so does the run."""
    async with asyncio.TaskGroup() as group:
        for actor in actors:
            group.create_task(_awaited(actor))


async def _awaited(actor: Callable[[], Awaitable[None]]) -> None:
    await actor()


def _outcome(reply: Reply) -> Outcome:
    if reply.status != 200:
        return Outcome.UNKNOWN
    return Outcome.REFUSED if reply.body.strip() == b"false" else Outcome.DONE


def _request(part: Part, value: str | None, condition: str) -> tuple[str, str, Any]:
    """Render a write."""
    subject = part.subject
    if not part.is_service:
        target = f"/v1/kv/{subject}{condition}"
        return ("DELETE", target, None) if value is None else ("PUT", target, value)
    node = {"Node": f"node-of-{subject}"}
    if value is None:
        return "PUT", "/v1/catalog/deregister", {**node, "ServiceID": subject}
    name = subject.rpartition("-")[0]
    service = {"ID": subject, "Service": name, "Port": 80, "Meta": {"seq": value}}
    body = {**node, "Address": "10.9.0.1", "Service": service}
    return "PUT", "/v1/catalog/register", body
