"""What operators ask and do: Raft, autopilot, keys, snapshots."""

from typing import Final

from tests.differential.rows import Scene, delete, get, post, put, send
from tests.wire import Answer


def healthy(answer: Answer) -> bool:
    """Whether autopilot has seen its server long enough to trust it."""
    return answer.status == 200


OF_A_SERVER: Final = frozenset(
    {"ID", "LastContact", "LastIndex", "LastTerm", "StableSince", "Address", "NodeID"}
)

AUTOPILOT: Final = "/v1/operator/autopilot/configuration"

OPERATOR: Final = (
    get("operator", "/v1/operator/raft/configuration"),
    get("operator", "/v1/operator/raft/configuration?stale"),
    get("operator", AUTOPILOT),
    put("operator", AUTOPILOT, {"CleanupDeadServers": False, "MaxTrailingLogs": 300}),
    get("operator", AUTOPILOT),
    put("operator", f"{AUTOPILOT}?cas=1", {"MaxTrailingLogs": 301}),
    put("operator", AUTOPILOT, b"{", status=400),
    get("operator", "/v1/operator/autopilot/health", until=healthy, volatile=OF_A_SERVER),
    get("operator_keyring", "/v1/operator/keyring", status=500),
    post("operator_keyring", "/v1/operator/keyring", {"Key": "no key"}, status=500),
    put("operator_keyring", "/v1/operator/keyring", b"{", status=400),
    send("DELETE", "operator_keyring", "/v1/operator/keyring", {"Key": "x"}, status=500),
    delete("operator", "/v1/operator/raft/peer", status=400),
    delete("operator", "/v1/operator/raft/peer?address=192.0.2.1:8300", status=500),
    get("operator", "/v1/operator/nobody", status=404),
    get("operator", "/v1/operator/raft/peer", status=405),
    get("snapshot", "/v1/snapshot", shape=True),
    get("snapshot", "/v1/snapshot?stale", shape=True),
    get("snapshot", "/v1/snapshot?dc=nope", status=500),
    put("snapshot", "/v1/snapshot", b"no snapshot", status=500),
    post("snapshot", "/v1/snapshot", b"x", status=405),
    send("HEAD", "snapshot", "/v1/snapshot", status=405),
)

SCENES: Final = (Scene("operator", OPERATOR),)
