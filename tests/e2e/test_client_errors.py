"""Errors that clients cause, on a real Consul: they cost one request each and no server."""

import pytest

from tests.edge import EdgeProcess
from tests.scrape import sample
from tests.wire import Wire

pytestmark = pytest.mark.real

TIMES = 300


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("/v1/catalog/nodes?dc=nope", 500, b"No path to datacenter"),
        ("/v1/agent/checks?filter=nonsense", 500, b"Failed to create boolean expression"),
        ("/v1/acl/tokens", 401, b"ACL support disabled"),
        ("/v1/session/renew/none", 405, b"method GET not allowed"),
    ],
    ids=["dc-nope", "filter", "no-acls", "method"],
)
def test_error_that_a_client_causes_many_times_opens_no_circuit(
    edge: EdgeProcess, target: str, status: int, text: bytes
) -> None:
    """Each is passed on as Consul said it, and is one attempt at one server."""
    server = str(edge.settings["consul"]["servers"][0])
    metric = "consul_server_fallback_total"
    before = sample(edge.http, metric, server=server)
    with Wire(edge.address, edge.port) as wire:
        for _ in range(TIMES):
            wire.send("GET", target)
            answer = wire.read()
            assert answer.status == status
            assert text in answer.body
    assert sample(edge.http, metric, server=server) - before == TIMES
    assert sample(edge.http, "consul_edge_upstream_up", server=server) == 1
