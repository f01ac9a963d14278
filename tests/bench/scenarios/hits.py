"""
Answers from memory: the same read over and over, of a small, a large and a very large answer.

The answers are those of real services in a real cluster of three servers: the list of services,
and the instances of two of them.  The edge reads them there and keeps them fresh by watches, as
does a client agent with ``?cached``; "direct" is a Consul server of its own, on the server core.
nginx, HAProxy and Varnish get the same bytes from a static server, with the length told
beforehand: Consul sends large answers in chunks, which they would have to pass on so.  All three
keep them in memory, for an hour and watched by nobody.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final

from tests.bench import contenders, programs
from tests.bench.comparison import ALONE, CROWDED, MANY, Aim, Loads, compared
from tests.bench.load import Contender, Running, contender, in_turns
from tests.bench.plan import Plan
from tests.bench.probing import LIVE, Expected
from tests.bench.report import Section
from tests.consul import ConsulCluster, ConsulServer

NAME: Final = "hits"

TITLE: Final = "Hits: the same answer over and over"

SERVICES: Final = {"large-service": 135, "very-large-service": 536}
"""Instances of each."""

TAGS: Final = ("http", "production", "amd64", "europe-west", "monitored")

ANSWERS: Final = {
    "small": "/v1/catalog/services",
    "170 kB": "/v1/health/service/large-service",
    "700 kB": "/v1/health/service/very-large-service",
}

AIMS: Final = (
    Aim("requests/s", "small", "haproxy", "at least 1.0"),
    Aim("requests/s", "small", "nginx", "at least 1.5"),
    Aim("requests/s", "170 kB", "haproxy", "at least 1.1"),
    Aim("requests/s", "small", "agent", "at least 4"),
    Aim("requests/s", "170 kB", "agent", "at least 4"),
    Aim("requests/s", "700 kB", "agent", "at least 20"),
    *(Aim("p99", answer, "nginx", "at most 1.0") for answer in ANSWERS),
)

FROM_MEMORY: Final = {
    contenders.EDGE: LIVE,
    contenders.WITHOUT_LANE: LIVE,
    "nginx": ("X-Cache", "HIT"),
    "haproxy": ("Age", r"\d"),
    "varnish": ("X-Varnish", r"\d \d"),
    "agent": ("X-Cache", "HIT"),
}
"""Which header of whom shows it: HAProxy alone adds an age to what it keeps, Varnish the number
of the request that brought it."""


def run(plan: Plan) -> Section:
    """Measure everybody at each size."""
    loads: Loads = {}
    notes = []
    counts = (MANY,) if plan.is_quick else (ALONE, MANY, CROWDED)
    with ExitStack() as stack:
        leader, direct, readers = started(plan, stack)
        bodies = {answer: _body(leader, target) for answer, target in ANSWERS.items()}
        stub = _stub(plan, stack, bodies)
        for answer, body in bodies.items():
            notes.append(f"{answer}: {ANSWERS[answer]}, {len(body):,} bytes of body")
            plan.say(f"  {notes[-1]}")
            with ExitStack() as for_this:
                caches = _caches(plan, for_this, stub, large=answer != "small")
                field = [
                    _entered(name, running, answer, len(body))
                    for name, running in {**readers, **caches}.items()
                ]
                own = len(_body(direct, ANSWERS[answer]))  # its indexes may have more digits
                field.append(_entered("direct", direct, answer, own))
                loads[answer] = in_turns(plan, field, counts)
    return compared(NAME, TITLE, loads, AIMS, notes=notes)


def started(plan: Plan, stack: ExitStack) -> tuple[ConsulServer, ConsulServer, dict[str, Running]]:
    """Give a cluster's leader, a Consul of its own to be read, and who reads the cluster."""
    with plan.on_load_core():
        cluster = stack.enter_context(ConsulCluster())
    with plan.on_server_core():
        direct = stack.enter_context(contenders.one_server()).servers[0]
    leader = cluster.leader()
    for service, instances in SERVICES.items():
        for consul in (leader, direct):
            contenders.register(consul, service, instances, TAGS)
    edges, agent = contenders.edges(*cluster.addresses), contenders.client_agent(leader)
    return leader, direct, contenders.start(plan, stack, {**edges, "agent": agent})


def _body(consul: ConsulServer, target: str) -> bytes:
    reply = consul.request("GET", target)
    assert reply.status == 200, f"{target}: {reply.status}"
    return reply.body


def _stub(plan: Plan, stack: ExitStack, bodies: Mapping[str, bytes]) -> str:
    locations = [
        f"location = {ANSWERS[answer]} {{ alias @FOLDER@/body-{number}; }}"
        for number, answer in enumerate(bodies)
    ]
    files = {f"body-{number}": body for number, body in enumerate(bodies.values())}
    with plan.on_load_core():
        return stack.enter_context(contenders.stub("\n".join(locations), files)).server


def _caches(plan: Plan, stack: ExitStack, stub: str, *, large: bool) -> dict[str, Running]:
    prepared: dict[str, contenders.Server] = {
        "nginx": programs.nginx(stub, caches=True, large=large),
        "haproxy": programs.haproxy(stub, caches=True, large=large),
        "varnish": programs.varnish(stub),
    }
    return contenders.start(plan, stack, prepared)


def _entered(name: str, running: Running, answer: str, body_bytes: int) -> Contender:
    target = ANSWERS[answer] + ("?cached" if name == "agent" else "")
    return contender(name, running, target, Expected(body_bytes, *FROM_MEMORY.get(name, ())))
