"""Catalog, health and coordinates."""

from dataclasses import replace
from typing import Any, Final

from consul_edge.core.endpoints import ENDPOINTS, Blocks, Treatment
from tests.differential.deliberate import BEYOND
from tests.differential.rows import Row, Scene, delete, get, not_empty, post, put, send


def registration(node: str, service: str, number: int, **more: Any) -> dict[str, Any]:
    """Write what registers one instance with one check on an external node."""
    return {
        "Node": node,
        "Address": f"192.0.2.{number}",
        "NodeMeta": {"rack": f"r{number % 2}", "external-node": "true"},
        "TaggedAddresses": {"lan": f"192.0.2.{number}", "wan": f"198.51.100.{number}"},
        "Service": {
            "ID": f"{service}-{number}",
            "Service": service,
            "Tags": ["blue", f"n{number}"] if number % 2 else ["blue", "green"],
            "Meta": {"company": "Umbrella & Söhne", "version": str(number)},
            "Address": f"203.0.113.{number}",
            "Port": 9000 + number,
        },
        "Check": {
            "Node": node,
            "CheckID": f"service:{service}-{number}",
            "Name": "alive <&>",
            "Status": ("passing", "warning", "critical")[number % 3],
            "ServiceID": f"{service}-{number}",
            "Output": "line one\nline two",
        },
    } | more


PREPARED: Final = (
    *(
        put("catalog_register", "/v1/catalog/register", registration(f"ext-{n}", "web", n))
        for n in range(4)
    ),
    put("catalog_register", "/v1/catalog/register", registration("ext-0", "db pool", 5)),
    put(
        "catalog_register",
        "/v1/catalog/register",
        {
            "Node": "ext-1",
            "Address": "192.0.2.1",
            "Service": {
                "Kind": "connect-proxy",
                "Service": "web-sidecar-proxy",
                "Port": 21000,
                "Proxy": {"DestinationServiceName": "web"},
            },
        },
    ),
)
"""A small catalog: four nodes, three services, checks of every state."""

HELD: Final = 0.24
"""Seconds that a wait of 250 ms takes at least."""

NODE_FILTER: Final = "Meta.rack%20%3D%3D%20r1"

READS: Final = (
    get("catalog_datacenters", "/v1/catalog/datacenters"),
    get("catalog_nodes", "/v1/catalog/nodes"),
    get("catalog_nodes", "/v1/catalog/nodes?pretty"),
    get("catalog_nodes", "/v1/catalog/nodes?node-meta=rack:r1"),
    get("catalog_nodes", "/v1/catalog/nodes?node-meta=rack:r1&node-meta=external-node:true"),
    get("catalog_nodes", f"/v1/catalog/nodes?filter={NODE_FILTER}"),
    get("catalog_nodes", "/v1/catalog/nodes?filter=%22", status=500),
    get("catalog_nodes", "/v1/catalog/nodes?near=ext-1"),
    get("catalog_nodes", "/v1/catalog/nodes?near=_agent"),
    get("catalog_nodes", "/v1/catalog/nodes?dc=dc1"),
    get("catalog_nodes", "/v1/catalog/nodes?dc=nope", status=500),
    get("catalog_nodes", "/v1/catalog/nodes?unknown=parameter&x"),
    get("catalog_nodes", "/v1/catalog/nodes", headers=(("Accept-Encoding", "gzip"),)),
    get("catalog_nodes", "/v1/catalog/nodes", headers=(("Accept-Encoding", "gzip;q=0"),)),
    get("catalog_nodes", "/v1/catalog/nodes", headers=(("Accept", "text/html"),)),
    get("catalog_services", "/v1/catalog/services", unordered=True),
    get("catalog_services", "/v1/catalog/services?node-meta=rack:r0", unordered=True),
    get(
        "catalog_services",
        "/v1/catalog/services",
        unordered=True,
        headers=(("Accept-Encoding", "gzip"),),
    ),
    get("catalog_service", "/v1/catalog/service/web"),
    get("catalog_service", "/v1/catalog/service/db%20pool"),
    get("catalog_service", "/v1/catalog/service/web?tag=blue"),
    get("catalog_service", "/v1/catalog/service/web?tag=blue&tag=green"),
    get("catalog_service", "/v1/catalog/service/web?tag=green&tag=blue"),
    get("catalog_service", "/v1/catalog/service/web?tag=nobody"),
    get("catalog_service", "/v1/catalog/service/web?near=ext-2"),
    get("catalog_service", "/v1/catalog/service/web?filter=ServicePort%20%3E%209001", status=500),
    get("catalog_service", "/v1/catalog/service/web?filter=ServiceMeta.version%20==%20%221%22"),
    get("catalog_service", "/v1/catalog/service/nobody"),
    get("catalog_service", "/v1/catalog/service/", status=400),
    get("catalog_connect", "/v1/catalog/connect/web"),
    get("catalog_connect", "/v1/catalog/connect/", status=400),
    get("catalog_node", "/v1/catalog/node/ext-0"),
    get("catalog_node", "/v1/catalog/node/nobody"),
    get("catalog_node", "/v1/catalog/node/", status=400),
    get("catalog_node_services", "/v1/catalog/node-services/ext-1"),
    get("catalog_node_services", "/v1/catalog/node-services/nobody"),
    get("catalog_gateway_services", "/v1/catalog/gateway-services/nobody"),
    get("health_service", "/v1/health/service/web"),
    get("health_service", "/v1/health/service/web?passing"),
    get("health_service", "/v1/health/service/web?passing=false"),
    get("health_service", "/v1/health/service/web?passing=maybe", status=400),
    get("health_service", "/v1/health/service/web?tag=blue&tag=green&passing=1"),
    get("health_service", "/v1/health/service/web?near=ext-3&node-meta=rack:r1"),
    get("health_service", "/v1/health/service/web?filter=Node.Meta.rack%20==%20%22r0%22"),
    get("health_service", "/v1/health/service/nobody"),
    get("health_service", "/v1/health/service/", status=400),
    get("health_service", "/v1/health/service/web", headers=(("Accept-Encoding", "gzip"),)),
    get("health_connect", "/v1/health/connect/web"),
    get("health_ingress", "/v1/health/ingress/web"),
    get("health_node", "/v1/health/node/ext-2"),
    get("health_node", "/v1/health/node/nobody"),
    get("health_checks", "/v1/health/checks/web"),
    get("health_checks", "/v1/health/checks/nobody"),
    get("health_state", "/v1/health/state/any"),
    get("health_state", "/v1/health/state/critical"),
    get("health_state", "/v1/health/state/passing?filter=Node%20==%20%22ext-0%22"),
    get("health_state", "/v1/health/state/nobody"),
    get("health_state", "/v1/health/state/", status=400),
)


def consistency(endpoint: str, path: str) -> tuple[Row, ...]:
    """Ask one read in every mode, and in those that contradict each other."""
    return (
        get(endpoint, f"{path}?stale"),
        get(endpoint, f"{path}?stale=false"),
        get(endpoint, f"{path}?consistent"),
        get(endpoint, f"{path}?leader"),
        get(endpoint, f"{path}?max_stale=10s"),
        get(endpoint, f"{path}?max_stale=soon", status=400),
        get(endpoint, f"{path}?stale&consistent", status=400),
        get(endpoint, f"{path}?cached&consistent", status=400),
        get(endpoint, f"{path}?cached"),
        get(endpoint, f"{path}?cached", headers=(("Cache-Control", "max-age=30"),)),
        get(endpoint, f"{path}?cached", headers=(("Cache-Control", "max-age=0"),)),
        get(endpoint, f"{path}?cached", headers=(("Cache-Control", "must-revalidate"),)),
        get(endpoint, f"{path}?cached", headers=(("Cache-Control", "max-age=soon"),), status=400),
        get(endpoint, path, headers=(("Cache-Control", "no-cache"),)),
        get(endpoint, path, headers=(("Cache-Control", "no-store"),)),
    )


def blocking(endpoint: str, path: str, **more: Any) -> tuple[Row, ...]:
    """Ask one read in every way to wait."""
    return (
        get(endpoint, path, keep=(("index", "X-Consul-Index"),), **more),
        get(endpoint, f"{path}?index=1&wait=5s", at_most=2.0, **more),
        get(endpoint, f"{path}?index=0&wait=5s", at_most=2.0, **more),
        get(endpoint, f"{path}?index=${{index}}&wait=250ms", at_least=HELD, **more),
        get(endpoint, f"{path}?wait=250ms&index=${{index}}&stale", at_least=HELD, **more),
        *beyond(endpoint, path, **more),
        get(endpoint, f"{path}?index=${{index}}&wait=10", status=400),
        get(endpoint, f"{path}?index=1&wait=soon", status=400),
        get(endpoint, f"{path}?index=one&wait=1s", status=400),
        get(endpoint, f"{path}?index=-1", status=400),
        get(endpoint, f"{path}?index=1&wait=0s", at_most=2.0, **more),
    )


COLLAPSED: Final = {
    endpoint.name
    for endpoint in ENDPOINTS
    if endpoint.blocks is Blocks.INDEX
    and (endpoint.name == "kv" or endpoint.treatment in (Treatment.WATCH, Treatment.TTL))
}
"""Endpoints whose blocking queries the edge answers for many clients at once."""


def beyond(endpoint: str, path: str, **more: Any) -> tuple[Row, ...]:
    """Wait for an index that Consul has not."""
    held = get(endpoint, f"{path}?index={BEYOND}&wait=250ms", at_least=HELD, **more)
    return (replace(held, deliberate="index-above"), held) if endpoint in COLLAPSED else (held,)


WRITES: Final = (
    put("catalog_register", "/v1/catalog/register", b"{not json", status=400),
    put("catalog_register", "/v1/catalog/register", b"", status=400),
    put("catalog_register", "/v1/catalog/register", {"Node": "x"}, status=500),
    put("catalog_register", "/v1/catalog/register", registration("ext-9", "late", 9)),
    get("catalog_service", "/v1/catalog/service/late"),
    get("catalog_services", "/v1/catalog/services", unordered=True),
    get("health_node", "/v1/health/node/ext-9"),
    put(
        "catalog_register",
        "/v1/catalog/register",
        registration("ext-9", "late", 9, NodeMeta={"rack": "moved"}),
    ),
    get("catalog_node", "/v1/catalog/node/ext-9"),
    put(
        "catalog_deregister",
        "/v1/catalog/deregister",
        {"Node": "ext-9", "CheckID": "service:late-9"},
    ),
    get("health_node", "/v1/health/node/ext-9"),
    put("catalog_deregister", "/v1/catalog/deregister", {"Node": "ext-9", "ServiceID": "late-9"}),
    get("catalog_service", "/v1/catalog/service/late"),
    get("catalog_services", "/v1/catalog/services", unordered=True),
    put("catalog_deregister", "/v1/catalog/deregister", {"Node": "ext-9"}),
    get("catalog_nodes", "/v1/catalog/nodes"),
    put("catalog_deregister", "/v1/catalog/deregister", {"Node": "nobody"}),
    put("catalog_deregister", "/v1/catalog/deregister", b"[", status=400),
)

METHODS: Final = tuple(
    send(method, endpoint, path, status=status)
    for endpoint, path in (
        ("catalog_nodes", "/v1/catalog/nodes"),
        ("catalog_service", "/v1/catalog/service/web"),
        ("health_state", "/v1/health/state/any"),
    )
    for method, status in (("HEAD", 405), ("OPTIONS", 200), ("PUT", 405), ("DELETE", 405))
)

COORDINATES: Final = (
    get("coordinate_datacenters", "/v1/coordinate/datacenters", shape=True),
    get("coordinate_nodes", "/v1/coordinate/nodes", shape=True),
    get("coordinate_nodes", "/v1/coordinate/nodes?segment=nope", shape=True),
    put("catalog_register", "/v1/catalog/register", {"Node": "far", "Address": "192.0.2.77"}),
    put(
        "coordinate_update",
        "/v1/coordinate/update",
        {
            "Node": "far",
            "Coord": {"Adjustment": 0, "Error": 1.5, "Height": 0.1, "Vec": [0.5] * 8},
        },
    ),
    put("coordinate_update", "/v1/coordinate/update", b"{", status=400),
    get("coordinate_node", "/v1/coordinate/node/far", until=not_empty),
    get("coordinate_node", "/v1/coordinate/node/nobody", status=404),
    post("coordinate_update", "/v1/coordinate/update", b"{}", status=405),
    delete("coordinate_node", "/v1/coordinate/node/far", status=405),
)

SCENES: Final = (
    Scene("catalog and health", (*PREPARED, *READS)),
    Scene(
        "consistency modes",
        (
            *PREPARED,
            *consistency("catalog_nodes", "/v1/catalog/nodes"),
            *consistency("catalog_service", "/v1/catalog/service/web"),
            *consistency("health_service", "/v1/health/service/web"),
        ),
    ),
    Scene(
        "blocking queries",
        (
            *PREPARED,
            *blocking("catalog_nodes", "/v1/catalog/nodes"),
            *blocking("catalog_services", "/v1/catalog/services", unordered=True),
            *blocking("catalog_service", "/v1/catalog/service/web"),
            *blocking("catalog_service", "/v1/catalog/service/nobody"),
            *blocking("health_service", "/v1/health/service/web"),
            *blocking("health_state", "/v1/health/state/any"),
        ),
    ),
    Scene("catalog writes", (*PREPARED, *WRITES)),
    Scene("methods of reads", METHODS),
    Scene("coordinates", COORDINATES),
)
