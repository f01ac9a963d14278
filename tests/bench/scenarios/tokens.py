"""
A small hit with a token, over a real Consul that denies by default.

nginx and Varnish keep answers by token, too, over a stub; they would go on to give them out when
the token has long been revoked.  HAProxy's cache cannot tell tokens apart.
"""

from contextlib import ExitStack
from typing import Final

from tests.bench import contenders, programs
from tests.bench.comparison import MANY, Aim, compared
from tests.bench.load import Running, contender, in_turns
from tests.bench.plan import Plan
from tests.bench.probing import Expected
from tests.bench.report import Section
from tests.bench.scenarios.hits import FROM_MEMORY, TAGS
from tests.server import ConsulServer

NAME: Final = "tokens"

TITLE: Final = "Hits with a token: a small answer over and over"

TARGET: Final = "/v1/catalog/services"

SERVICES: Final = ("small-service", "another-service")

RIGHTS: Final = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'

AIMS: Final = (
    Aim("requests/s", "small", "nginx", "at least 1.5"),
    Aim("requests/s", "small", "agent", "at least 4"),
)


def run(plan: Plan) -> Section:
    """Measure everybody with the same token."""
    with ExitStack() as stack:
        with plan.on_load_core():
            consul = stack.enter_context(contenders.guarded_server()).servers[0]
        with plan.on_server_core():
            direct = stack.enter_context(contenders.guarded_server()).servers[0]
        for one in (consul, direct):
            for service in SERVICES:
                contenders.register(one, service, 1, TAGS)
        secret = _token(consul)
        own = {"X-Consul-Token": secret}
        body = consul.request("GET", TARGET, token=secret).body
        stub = _stub(plan, stack, body)
        running = _started(plan, stack, consul, stub)
        field = [
            contender(
                name,
                one,
                TARGET + ("?cached" if name == "agent" else ""),
                Expected(len(body), *FROM_MEMORY[name]),
                own,
            )
            for name, one in running.items()
        ]
        theirs = {"X-Consul-Token": _token(direct)}
        field.append(contender("direct", direct, TARGET, Expected(len(body)), theirs))
        bursts = in_turns(plan, field, (MANY,))
    note = f"small: {TARGET}, {len(body):,} bytes of body"
    return compared(NAME, TITLE, {"small": bursts}, AIMS, notes=(note,))


def _token(consul: ConsulServer) -> str:
    """Make a token that may read the catalog, and nothing else."""
    policy = consul.put("/v1/acl/policy", {"Name": "read-catalog", "Rules": RIGHTS}).json()
    token = consul.put("/v1/acl/token", {"Policies": [{"ID": policy["ID"]}]}).json()
    secret: str = token["SecretID"]
    return secret


def _stub(plan: Plan, stack: ExitStack, body: bytes) -> str:
    location = f"location = {TARGET} {{ alias @FOLDER@/body; }}"
    with plan.on_load_core():
        return stack.enter_context(contenders.stub(location, {"body": body})).server


def _started(plan: Plan, stack: ExitStack, consul: ConsulServer, stub: str) -> dict[str, Running]:
    prepared: dict[str, contenders.Server] = {
        **contenders.edges(consul.server),
        "nginx": programs.nginx(stub, caches=True),
        "varnish": programs.varnish(stub),
        "agent": contenders.client_agent(consul),
    }
    return contenders.start(plan, stack, prepared)
