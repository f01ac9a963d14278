"""What belongs to the one agent that answers: its services, checks, events and itself."""

from typing import Any, Final

from tests.differential.rows import Row, Scene, delete, get, not_empty, post, put, send
from tests.wire import Answer

WEB: Final = {
    "ID": "web-1",
    "Name": "web",
    "Tags": ["v1"],
    "Meta": {"company": "Umbrella"},
    "Port": 8080,
    "Checks": [{"CheckID": "beat", "Name": "heartbeat", "TTL": "1h", "Status": "passing"}],
}

OF_AN_AGENT: Final = frozenset(
    {
        *("NodeID", "Member", "DebugConfig", "Stats", "Config", "Coord", "ContentHash", "Tags"),
        *("Memory", "CPU", "Host", "Disk", "CollectionTime", "Status", "Gauges", "Samples"),
        *("Counters", "Timestamp", "Points", "id", "TaggedAddresses"),
    }
)

READS: Final = (
    get("agent", "/v1/agent/self", volatile=OF_AN_AGENT),
    get("agent", "/v1/agent/host", volatile=OF_AN_AGENT),
    get("agent", "/v1/agent/metrics", volatile=OF_AN_AGENT),
    get("agent", "/v1/agent/metrics?format=prometheus", shape=True, status=415),
    get("agent", "/v1/agent/services"),
    get("agent", "/v1/agent/checks"),
    get("agent_members", "/v1/agent/members", volatile=OF_AN_AGENT),
    get("agent_members", "/v1/agent/members?wan=1", volatile=OF_AN_AGENT),
    get("agent_members", "/v1/agent/members?index=5&wait=5s", volatile=OF_AN_AGENT, at_most=2.0),
    get("agent_members", "/v1/agent/members?segment=nope", status=500),
    get("agent", "/v1/agent/nobody", status=404),
    get("agent_monitor", "/v1/agent/monitor?loglevel=debug", endless=True, shape=True),
    # Consul 1.8.7 calls this gzip and sends it plain: so does the edge.
    get(
        "agent_monitor",
        "/v1/agent/monitor?loglevel=debug",
        endless=True,
        shape=True,
        headers=(("Accept-Encoding", "gzip"),),
    ),
    get("agent_monitor", "/v1/agent/monitor?loglevel=nope", status=400),
    get("status_leader", "/v1/status/leader"),
    get("status_peers", "/v1/status/peers"),
    get("status_leader", "/v1/status/leader?dc=nope", status=500),
    put("status_leader", "/v1/status/leader", status=405),
    send("HEAD", "agent", "/v1/agent/self", status=405),
    send("OPTIONS", "agent", "/v1/agent/self"),
)

SERVICES: Final = (
    put("agent_service_register", "/v1/agent/service/register", WEB),
    get("agent", "/v1/agent/services"),
    get("agent", "/v1/agent/services?filter=Service%20==%20web"),
    get("agent", "/v1/agent/checks"),
    get("agent_service", "/v1/agent/service/web-1", keep=(("hash", "X-Consul-Contenthash"),)),
    get("agent_service", "/v1/agent/service/web-1?hash=${hash}&wait=250ms", at_least=0.24),
    get("agent_service", "/v1/agent/service/web-1?hash=other&wait=5s", at_most=2.0),
    get("agent_service", "/v1/agent/service/nobody", status=404),
    get("catalog_service", "/v1/catalog/service/web", until=not_empty),
    get("agent", "/v1/agent/health/service/name/web"),
    get("agent", "/v1/agent/health/service/id/web-1"),
    get("agent", "/v1/agent/health/service/id/web-1?format=text"),
    put("agent", "/v1/agent/check/warn/beat?note=slow"),
    get("agent", "/v1/agent/health/service/name/web", status=429),
    get("agent", "/v1/agent/health/service/name/web?format=text", status=429),
    put("agent", "/v1/agent/check/fail/beat?note=dead"),
    get("agent", "/v1/agent/health/service/name/web", status=503),
    get("agent", "/v1/agent/health/service/id/web-1?format=text", status=503),
    get("agent", "/v1/agent/health/service/id/nobody", status=404),
    get("agent", "/v1/agent/health/service/name/nobody", status=404),
    put("agent", "/v1/agent/check/pass/beat"),
    put("agent", "/v1/agent/check/update/beat", {"Status": "warning", "Output": "so so"}),
    put("agent", "/v1/agent/check/update/beat", {"Status": "dance"}, status=400),
    put("agent", "/v1/agent/check/pass/nobody", status=500),
    put("agent", "/v1/agent/check/register", {"Name": "other", "TTL": "1h", "ServiceID": "web-1"}),
    put("agent", "/v1/agent/check/register", {"Name": "no kind"}, status=400),
    get("agent", "/v1/agent/checks"),
    put("agent", "/v1/agent/check/deregister/other"),
    put("agent", "/v1/agent/check/deregister/nobody"),
    put(
        "agent_service_maintenance", "/v1/agent/service/maintenance/web-1?enable=true&reason=paint"
    ),
    get("agent", "/v1/agent/checks"),
    put("agent_service_maintenance", "/v1/agent/service/maintenance/web-1?enable=false"),
    put("agent_service_maintenance", "/v1/agent/service/maintenance/web-1", status=400),
    put(
        "agent_service_maintenance", "/v1/agent/service/maintenance/nobody?enable=true", status=404
    ),
    put("agent", "/v1/agent/maintenance?enable=true&reason=paint"),
    get("agent", "/v1/agent/checks"),
    put("agent", "/v1/agent/maintenance?enable=false"),
    put("agent", "/v1/agent/maintenance", status=400),
    put("agent_service_register", "/v1/agent/service/register", {"Port": 1}, status=400),
    put("agent_service_register", "/v1/agent/service/register", b"{", status=400),
    put("agent_service_deregister", "/v1/agent/service/deregister/web-1"),
    put("agent_service_deregister", "/v1/agent/service/deregister/nobody"),
    get("agent", "/v1/agent/services"),
    get("catalog_service", "/v1/catalog/service/web", until=lambda answer: not not_empty(answer)),
    put("agent", "/v1/agent/reload"),
    put("agent", "/v1/agent/join/nowhere.invalid", status=500, shape=True),
    put("agent", "/v1/agent/force-leave/nobody", status=500),
    put("agent", "/v1/agent/token/default", {"Token": "x"}, status=401),
    get("agent_service_register", "/v1/agent/service/register", status=405),
    post("agent", "/v1/agent/maintenance?enable=true", status=405),
)

OF_AN_EVENT: Final = frozenset({"ID", "LTime"})


def fired(count: int) -> dict[str, Any]:
    """Wait until *count* events came back through the agents' gossip."""

    def told(answer: Answer) -> bool:
        return len(answer.json()) >= count

    return {"until": told, "volatile": OF_AN_EVENT}


EVENTS: Final[tuple[Row, ...]] = (
    get("event_list", "/v1/event/list"),
    put("event_fire", "/v1/event/fire/deploy", b"payload \x00\xff", volatile=OF_AN_EVENT),
    put("event_fire", "/v1/event/fire/deploy?node=agent&service=web", volatile=OF_AN_EVENT),
    get("event_list", "/v1/event/list", **fired(1), keep=(("index", "X-Consul-Index"),)),
    get("event_list", "/v1/event/list?name=deploy", **fired(1)),
    get("event_list", "/v1/event/list?name=nobody"),
    get("event_list", "/v1/event/list?index=1&wait=5s", at_most=2.0, volatile=OF_AN_EVENT),
    get(
        "event_list",
        "/v1/event/list?index=${index}&wait=250ms",
        at_least=0.24,
        volatile=OF_AN_EVENT,
    ),
    put("event_fire", "/v1/event/fire/", status=400),
    put("event_fire", "/v1/event/fire/deploy?node=%5B", status=500),
    get("event_fire", "/v1/event/fire/deploy", status=405),
    delete("event_list", "/v1/event/list", status=405),
)

SCENES: Final = (
    Scene("the agent itself", READS),
    Scene("services and checks of the agent", SERVICES),
    Scene("events", EVENTS),
)
