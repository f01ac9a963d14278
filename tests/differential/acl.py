"""Access control: switched off, and on with every way to name a token."""

from typing import Any, Final

from tests.differential.catalog import PREPARED
from tests.differential.rows import MASTER, Row, Scene, delete, get, not_empty, post, put

UNKNOWN: Final = "deadbeef-0000-0000-0000-000000000000"

OFF: Final = (
    put("acl", "/v1/acl/bootstrap", status=401),
    get("acl", "/v1/acl/tokens", status=401),
    get("acl", "/v1/acl/token/self", status=401),
    get("acl", "/v1/acl/policies", status=401),
    get("acl", "/v1/acl/roles", status=401),
    get("acl", "/v1/acl/binding-rules", status=401),
    get("acl", "/v1/acl/auth-methods", status=401),
    get("acl", "/v1/acl/replication", status=401),
    get("acl", "/v1/acl/list", status=401),
    put("acl", "/v1/acl/token", {"Description": "x"}, status=401),
    put("acl", "/v1/acl/policy", {"Name": "x"}, status=401),
    post("acl", "/v1/acl/login", {"AuthMethod": "x"}, status=401),
    post("acl", "/v1/acl/logout", status=401),
    get("catalog_nodes", f"/v1/catalog/nodes?token={UNKNOWN}"),
    get("catalog_nodes", "/v1/catalog/nodes", headers=(("X-Consul-Token", UNKNOWN),)),
    get("catalog_nodes", "/v1/catalog/nodes", headers=(("Authorization", "Bearer x y"),)),
)

RULES: Final = 'key_prefix "mine/" { policy = "write" } node_prefix "" { policy = "read" }'

OF_A_TOKEN: Final = frozenset(
    {"AccessorID", "SecretID", "Hash", "ID", "CreateTime", "CreateIndex", "ModifyIndex"}
)


def as_master(row: Row) -> Row:
    """Send *row* as who may do everything."""
    return _with(row, MASTER)


def _with(row: Row, headers: Any) -> Row:
    changed: dict[str, Any] = {name: getattr(row, name) for name in row.__slots__}
    return Row(**changed | {"headers": (*row.headers, *headers)})


def every_way(endpoint: str, path: str, status: int = 200) -> tuple[Row, ...]:
    """Ask with the kept token named in every way that Consul knows, and with others beside it."""
    mark = "&" if "?" in path else "?"
    token, bearer = ("X-Consul-Token", "${token}"), ("Authorization", "Bearer ${token}")
    return (
        get(endpoint, f"{path}{mark}token=${{token}}", status),
        get(endpoint, path, status, headers=(token,)),
        get(endpoint, path, status, headers=(bearer,)),
        get(endpoint, path, status, headers=(("Authorization", "bearer ${token}"),)),
        get(endpoint, path, status, headers=(("Authorization", "Bearer ${token} more"),)),
        get(endpoint, path, status, headers=(token, ("Authorization", f"Bearer {UNKNOWN}"))),
        get(
            endpoint,
            f"{path}{mark}token=${{token}}",
            status,
            headers=(("X-Consul-Token", UNKNOWN),),
        ),
        get(endpoint, f"{path}{mark}%74oken=${{token}}", status),
        get(endpoint, f"{path}{mark}x;token=${{token}}", status),
        get(endpoint, f"{path}{mark}token=${{token}}&token={UNKNOWN}", status),
    )


TOKENS: Final = (
    *(as_master(row) for row in PREPARED),
    as_master(get("acl", "/v1/acl/token/self", volatile=OF_A_TOKEN)),
    as_master(put("acl", "/v1/acl/policy", {"Name": "mine", "Rules": RULES}, volatile=OF_A_TOKEN)),
    as_master(
        put(
            "acl",
            "/v1/acl/token",
            {"Description": "of the test", "Policies": [{"Name": "mine"}]},
            keep=(("token", "SecretID"), ("accessor", "AccessorID")),
            volatile=OF_A_TOKEN,
        )
    ),
    get("catalog_nodes", "/v1/catalog/nodes"),
    get("catalog_services", "/v1/catalog/services"),
    get("health_state", "/v1/health/state/any"),
    get("kv", "/v1/kv/mine/a", status=403),
    get("kv", "/v1/kv/?keys"),
    put("kv", "/v1/kv/mine/a", b"x", status=403),
    get("agent", "/v1/agent/self", status=403),
    get("agent_members", "/v1/agent/members"),
    get("operator_keyring", "/v1/operator/keyring", status=500),
    put("kv", "/v1/kv/mine/a", b"x", headers=(("X-Consul-Token", "${token}"),)),
    put("kv", "/v1/kv/mine/b?token=${token}", b"y"),
    put("kv", "/v1/kv/theirs", b"x", headers=(("X-Consul-Token", "${token}"),), status=403),
    *every_way("kv", "/v1/kv/mine/a"),
    *every_way("kv", "/v1/kv/?recurse"),
    *every_way("catalog_nodes", "/v1/catalog/nodes"),
    *every_way("catalog_service", "/v1/catalog/service/web"),
    *every_way("kv", "/v1/kv/theirs", status=403),
    get("catalog_nodes", "/v1/catalog/nodes"),
    get("catalog_nodes", f"/v1/catalog/nodes?token={UNKNOWN}", status=403),
    get(
        "catalog_nodes", "/v1/catalog/nodes", headers=(("X-Consul-Token", "no-uuid"),), status=403
    ),
    get("catalog_nodes", "/v1/catalog/nodes", headers=(("X-Consul-Token", ""),)),
    as_master(get("catalog_nodes", "/v1/catalog/nodes")),
    as_master(get("catalog_service", "/v1/catalog/service/web")),
    as_master(get("health_state", "/v1/health/state/critical")),
    post(
        "internal_acl",
        "/v1/internal/acl/authorize",
        [{"Resource": "key", "Access": "read", "Segment": "mine/a"}],
        headers=(("X-Consul-Token", "${token}"),),
    ),
)

ROUTES: Final = tuple(
    as_master(row)
    for row in (
        get("acl", "/v1/acl/tokens", volatile=OF_A_TOKEN, unordered=True),
        get("acl", "/v1/acl/policies", volatile=OF_A_TOKEN),
        put(
            "acl",
            "/v1/acl/policy",
            {"Name": "readers", "Rules": 'node_prefix "" { policy = "read" }'},
            keep=(("policy", "ID"),),
            volatile=OF_A_TOKEN,
        ),
        get("acl", "/v1/acl/policy/${policy}", volatile=OF_A_TOKEN),
        get("acl", "/v1/acl/policy/name/readers", volatile=OF_A_TOKEN),
        put("acl", "/v1/acl/policy", {"Name": "bad", "Rules": "dance {"}, status=500),
        put("acl", "/v1/acl/role", {"Name": "r"}, keep=(("role", "ID"),), volatile=OF_A_TOKEN),
        get("acl", "/v1/acl/role/${role}", volatile=OF_A_TOKEN),
        get("acl", "/v1/acl/role/name/r", volatile=OF_A_TOKEN),
        get("acl", "/v1/acl/roles", volatile=OF_A_TOKEN),
        put("acl", "/v1/acl/token", {}, keep=(("a", "AccessorID"),), volatile=OF_A_TOKEN),
        get("acl", "/v1/acl/token/${a}", volatile=OF_A_TOKEN),
        put("acl", "/v1/acl/token/${a}/clone", {"Description": "two"}, volatile=OF_A_TOKEN),
        put("acl", "/v1/acl/token/${a}", {"Description": "three"}, volatile=OF_A_TOKEN),
        delete("acl", "/v1/acl/token/${a}"),
        get("acl", "/v1/acl/token/${a}", status=403),
        get("acl", "/v1/acl/binding-rules"),
        get("acl", "/v1/acl/auth-methods"),
        get("acl", "/v1/acl/replication"),
        post("acl", "/v1/acl/rules/translate", b'key "a" { policy = "read" }'),
        post("acl", "/v1/acl/login", {"AuthMethod": "nobody", "BearerToken": "x"}, status=403),
        put("acl", "/v1/acl/bootstrap", status=403),
        delete("acl", "/v1/acl/role/${role}"),
        delete("acl", "/v1/acl/policy/${policy}"),
        get("acl", "/v1/acl/policy/${policy}", status=403),
        get("session_list", "/v1/session/list"),
        get("query_list", "/v1/query"),
        get("connect_intentions", "/v1/connect/intentions"),
        get("event_list", "/v1/event/list"),
        get("internal_ui", "/v1/internal/ui/nodes", until=not_empty),
        get("snapshot", "/v1/snapshot", shape=True),
    )
)

SCENES: Final = (
    Scene("access control off", OFF),
    Scene("tokens", TOKENS, acl=True),
    Scene("access control routes", ROUTES, acl=True),
)
