"""
The two runs: three servers under faults, and one agent whose two readers must not see each other.

A seed decides the settings of the edge, the faults, and what each actor does.
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Final

from tests.consul import ConsulAgent, ConsulCluster, ConsulServer
from tests.edge import EdgeProcess
from tests.torture.actors import (
    Appender,
    Part,
    Watcher,
    Writer,
    probe,
    read_on,
    together,
)
from tests.torture.faults import Fault, Havoc
from tests.torture.history import Election, History, Kind, Last, Mode, Question, Via, said
from tests.torture.stage import Client, Stage
from tests.waiting import TooLateError, eventually

ARRIVAL_SECONDS: Final = 30.0
"""Until every watcher must know the final state: its wait, and much for a loaded machine."""

Act = Callable[[], Awaitable[None]]

BOTH: Final = (Via.EDGE, Via.DIRECT)

PARTS: Final = (
    Part("hist/plain/direct", (Via.DIRECT,)),
    Part("hist/plain/edge", (Via.EDGE,)),
    Part("hist/plain/cas", (Via.EDGE,), is_conditional=True),
    Part("hist/plain/flicker", BOTH, vanishes=True),
    Part("hist/kept/direct", (Via.DIRECT,)),
    Part("hist/kept/edge", (Via.EDGE,)),
    Part("hist/kept/cas", BOTH, is_conditional=True),
    Part("hist/kept/flicker", BOTH, vanishes=True),
    Part("web-anchor", (Via.DIRECT,), is_service=True),
    Part("web-edge", (Via.EDGE,), is_service=True, vanishes=True),
    Part("web-both", BOTH, is_service=True, vanishes=True),
    Part("api-only", BOTH, is_service=True, vanishes=True, pause=1.5),
    Part("calm-one", (Via.DIRECT,), is_service=True, pause=8.0),
)

RIGHTS: Final = {
    "left": frozenset({"hist/left/a", "hist/both/a", "leftsvc-1", "bothsvc-1"}),
    "right": frozenset({"hist/right/a", "hist/both/a", "rightsvc-1", "bothsvc-1"}),
    "nobody": frozenset[str](),
}
"""The subjects of the second run, and who may read them."""


def questions_about(parts: Sequence[Part]) -> list[Question]:
    """List what can be asked: each subject, and what it is part of."""
    keys = [part.subject for part in parts if not part.is_service]
    instances = [part.subject for part in parts if part.is_service]
    found = [Question("/v1/kv/hist/plain/never", Kind.KEY, ("hist/plain/never",), False)]
    found += [Question(f"/v1/kv/{key}", Kind.KEY, (key,), "kept" in key) for key in keys]
    for prefix in sorted({key.rpartition("/")[0] + "/" for key in keys} | {"hist/"}):
        below = tuple(key for key in keys if key.startswith(prefix))
        is_kept = "kept" in prefix
        found.append(Question(f"/v1/kv/{prefix}?recurse", Kind.RECURSE, below, is_kept))
        found.append(Question(f"/v1/kv/{prefix}?keys", Kind.KEYS, below, is_kept))
    for name in sorted({instance.rpartition("-")[0] for instance in instances}):
        of_name = tuple(one for one in instances if one.startswith(name + "-"))
        for endpoint in ("health", "catalog"):
            target = f"/v1/{endpoint}/service/{name}"
            found.append(Question(target, Kind.INSTANCES, of_name, True))
    # Of several instances the first never vanishes: it decides whether the name is there.
    firsts = {instance.rpartition("-")[0]: instance for instance in reversed(instances)}
    found.append(Question("/v1/catalog/services", Kind.SERVICES, tuple(firsts.values()), True))
    return found


def settings_of(seed: str) -> dict[str, Any]:
    """Choose the edge's settings: short times, and what a seed may vary."""
    chance = random.Random(f"{seed} settings")
    return {
        "consul": {"timeout": "1s", "write_timeout": "5s"},
        "watch": {
            "wait": chance.choice(("2s", "3s", "5s")),
            "refresh_interval": chance.choice(("100ms", "500ms")),
            # With few places most is not watched: what a write does must show all the same.
            "max_per_server": chance.choice((110, 3)),
        },
        "cache": {
            "mode": chance.choice(("live", "live", "live", "strict")),
            "ttl": chance.choice(("0s", "1s", "1s")),
            "endpoints": {"/v1/kv/hist/kept/": "watch"},
        },
    }


async def play_faults(
    cluster: ConsulCluster, seed: str, seconds: float, plan: Sequence[Fault]
) -> History:
    """Let everybody act on three servers while *plan* is carried out, and record it."""
    history = History()
    clock = time.time() - time.monotonic()
    # The first serves the edge: a follower, which may be frozen.
    leader = cluster.leader()
    servers = sorted(cluster.servers, key=lambda server: server is leader)
    edge = EdgeProcess([one.server for one in servers], settings_of(seed))
    async with Client() as client, edge:
        stage = Stage(seed, client, edge.http, [one.http for one in cluster.servers], history)
        questions = questions_about(PARTS)
        watchers = [
            Watcher(stage, f"watcher {number}", question)
            for number, question in enumerate((*questions, questions[0], questions[-1]))
        ]
        writers = [Writer(stage, part, _about(questions, part)) for part in PARTS]
        session = await _session(stage)
        appenders = [Appender(stage, f"appender-{number}", session) for number in range(3)]
        for writer in writers:
            await writer.write()
        havoc = Havoc(cluster, stage)

        async def direct() -> None:
            until = time.monotonic() + seconds
            await havoc.carry_out(plan, until)
            await asyncio.sleep(max(until - time.monotonic(), 0.0))
            await havoc.healed()
            stage.curtain.set()

        acting: list[Act] = [writer.run for writer in writers]
        acting += [appender.run for appender in appenders]
        reading = [_reader(stage, f"reader {number}", questions) for number in range(4)]
        await _play(stage, [*acting, *reading, direct], watchers)
        history.appended = await _appended(stage)
    history.elections = [
        Election(at - clock, server.server)
        for server in cluster.servers
        for at in _elections(server)
    ]
    return history


async def play_identities(agent: ConsulAgent, seed: str, seconds: float) -> History:
    """Let two tokens and none at all ask the same questions, and record it."""
    history = History(rights=dict(RIGHTS))
    subjects = sorted(RIGHTS["left"] | RIGHTS["right"])
    parts = [Part(one, BOTH, is_service="/" not in one, vanishes=True) for one in subjects]
    questions = questions_about(parts)
    who = [("nobody", ""), *((side, _token(agent, side)) for side in ("left", "right"))]
    edge = EdgeProcess([agent.server], settings_of(seed))
    async with Client() as client, edge:
        stage = Stage(seed, client, edge.http, [agent.http], history, token=agent.token or "")
        writers = [Writer(stage, part, ()) for part in parts]
        for writer in writers:
            await writer.write()
        watchers = [
            Watcher(stage, f"watcher {name} {number}", question, (name, token))
            for number, question in enumerate(questions)
            for name, token in who
            if _is_allowed(name, question)
        ]

        async def direct() -> None:
            await asyncio.sleep(seconds)
            stage.curtain.set()

        readers = [_reader(stage, f"reader {number}", questions, who) for number in range(6)]
        await _play(stage, [*(writer.run for writer in writers), *readers, direct], watchers)
    return history


async def _play(stage: Stage, actors: Sequence[Act], watchers: Sequence[Watcher]) -> None:
    async def watch() -> None:
        probes = [partial(probe, stage, server) for server in stage.servers]
        await together([*(watcher.run for watcher in watchers), *probes])

    async def have_arrived() -> bool:
        return all(last.seen == last.truth for last in await _lasts(stage, watchers))

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch())
        await together(actors)
        # The judge will name who did not.
        with suppress(TooLateError):
            _: bool = await eventually(have_arrived, "watchers arrived", ARRIVAL_SECONDS)
        stage.history.lasts = await _lasts(stage, watchers)
        watching.cancel()


async def _lasts(stage: Stage, watchers: Sequence[Watcher]) -> list[Last]:
    """Compare what each watcher knows with what its identity gets directly."""
    found = []
    for watcher in watchers:
        read = await stage.read(
            f"final {watcher.name}",
            watcher.question,
            Mode.CONSISTENT,
            as_who=watcher.as_who,
            server=stage.servers[0],
        )
        truth = said(read.question, read.reply)
        assert truth is not None, f"no truth to be had: {read}"
        found.append(Last(watcher.name, watcher.question, watcher.seen, truth))
    return found


def _reader(
    stage: Stage,
    name: str,
    questions: Sequence[Question],
    who: Sequence[tuple[str, str]] = (("", ""),),
) -> Act:
    return partial(read_on, stage, name, questions, who)


def _about(questions: Sequence[Question], part: Part) -> list[Question]:
    return [question for question in questions if part.subject in question.scope]


def _is_allowed(name: str, question: Question) -> bool:
    """Whether Consul answers at all: a single KV entry without rights is a 403, and no watch."""
    return question.kind is not Kind.KEY or question.scope[0] in RIGHTS[name]


async def _session(stage: Stage) -> str:
    # Without checks: it must outlive every server's fault.
    reply = await stage.client.ask("PUT", f"{stage.servers[0]}/v1/session/create", {"Checks": []})
    found: str = json.loads(reply.body)["ID"]
    return found


async def _appended(stage: Stage) -> dict[str, int]:
    reply = await stage.client.ask("GET", f"{stage.servers[0]}/v1/query?consistent")
    assert reply.status == 200, reply
    counts: dict[str, int] = {}
    for query in json.loads(reply.body):
        marker = query["Service"]["Service"]
        counts[marker] = counts.get(marker, 0) + 1
    return counts


def _elections(server: ConsulServer) -> list[float]:
    """Read from its log when a server became leader."""
    assert server.process is not None
    lines = server.process.log_text().splitlines()
    return [
        datetime.fromisoformat(line.split()[0]).timestamp()
        for line in lines
        if "cluster leadership acquired" in line
    ]


def _token(agent: ConsulAgent, side: str) -> str:
    """Make a token that may read one side, and what is both sides'."""
    rules = 'node_prefix "" { policy = "read" }\n'
    for name in (side, "both"):
        rules += f'key_prefix "hist/{name}/" {{ policy = "read" }}\n'
        rules += f'service_prefix "{name}svc" {{ policy = "read" }}\n'
    policy = agent.put("/v1/acl/policy", {"Name": side, "Rules": rules}).json()
    made = agent.put("/v1/acl/token", {"Policies": [{"ID": policy["ID"]}]}).json()
    secret: str = made["SecretID"]
    return secret
