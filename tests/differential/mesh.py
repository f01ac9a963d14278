"""Configuration entries, chains, intentions, the mesh's authority, and Consul's own page."""

from typing import Final

from tests.differential.catalog import PREPARED, blocking
from tests.differential.rows import Scene, delete, get, not_empty, post, put, send

DEFAULTS: Final = {"Kind": "service-defaults", "Name": "web", "Protocol": "http"}

SPLITTER: Final = {
    "Kind": "service-splitter",
    "Name": "web",
    "Splits": [{"Weight": 90, "Service": "web"}, {"Weight": 10, "Service": "db pool"}],
}

CONFIG: Final = (
    get("config", "/v1/config/service-defaults"),
    get("config", "/v1/config/service-defaults/web", status=404),
    put("config_apply", "/v1/config", DEFAULTS),
    get("config", "/v1/config/service-defaults"),
    get("config", "/v1/config/service-defaults/web", keep=(("at", "ModifyIndex"),)),
    *blocking("config", "/v1/config/service-defaults/web"),
    put("config_apply", "/v1/config?cas=1", DEFAULTS),
    put("config_apply", "/v1/config?cas=${at}", {**DEFAULTS, "Protocol": "grpc"}),
    get("config", "/v1/config/service-defaults/web"),
    put("config_apply", "/v1/config", {"Kind": "proxy-defaults", "Name": "global"}),
    get("config", "/v1/config/proxy-defaults"),
    get("config", "/v1/config/proxy-defaults/global"),
    put("config_apply", "/v1/config", {"Kind": "dance", "Name": "x"}, status=400),
    put("config_apply", "/v1/config", {"Kind": "service-router"}, status=500),
    put("config_apply", "/v1/config", b"{", status=400),
    get("config", "/v1/config/dance", status=500),
    get("config", "/v1/config/"),
    delete("config", "/v1/config/service-defaults", status=404),
    delete("config", "/v1/config/service-defaults/web"),
    get("config", "/v1/config/service-defaults/web", status=404),
    delete("config", "/v1/config/service-defaults/nobody"),
    get("config_apply", "/v1/config", status=405),
    send("OPTIONS", "config", "/v1/config/service-defaults"),
)

CHAINS: Final = (
    *PREPARED,
    get("discovery_chain", "/v1/discovery-chain/web"),
    get("discovery_chain", "/v1/discovery-chain/web?cached"),
    get("discovery_chain", "/v1/discovery-chain/web?compile-dc=dc2"),
    get("discovery_chain", "/v1/discovery-chain/nobody"),
    get("discovery_chain", "/v1/discovery-chain/", status=400),
    put("config_apply", "/v1/config", DEFAULTS),
    put("config_apply", "/v1/config", {**DEFAULTS, "Name": "db pool"}),
    put("config_apply", "/v1/config", SPLITTER),
    get("discovery_chain", "/v1/discovery-chain/web"),
    post(
        "discovery_chain",
        "/v1/discovery-chain/web",
        {"OverrideConnectTimeout": "7s", "OverrideProtocol": "grpc"},
    ),
    post("discovery_chain", "/v1/discovery-chain/web", b"{", status=400),
    *blocking("discovery_chain", "/v1/discovery-chain/web"),
    delete("discovery_chain", "/v1/discovery-chain/web", status=405),
)

DENY: Final = {
    "SourceName": "web",
    "DestinationName": "db",
    "Action": "deny",
    "SourceType": "consul",
}

MATCH: Final = "/v1/connect/intentions/match"
CHECK: Final = "/v1/connect/intentions/check"

INTENTIONS: Final = (
    get("connect_intentions", "/v1/connect/intentions"),
    post("connect_intentions", "/v1/connect/intentions", DENY, keep=(("intention", "ID"),)),
    get("connect_intentions", "/v1/connect/intentions"),
    *blocking("connect_intentions", "/v1/connect/intentions"),
    get("connect_intention", "/v1/connect/intentions/${intention}"),
    get("connect_intention", "/v1/connect/intentions/nobody", status=400),
    get(
        "connect_intention",
        "/v1/connect/intentions/deadbeef-0000-0000-0000-000000000000",
        status=404,
    ),
    get("connect_intentions_match", f"{MATCH}?by=destination&name=db"),
    get("connect_intentions_match", f"{MATCH}?by=source&name=web&name=db"),
    get("connect_intentions_match", f"{MATCH}?by=source&name=web&cached"),
    get("connect_intentions_match", f"{MATCH}?name=web", status=500),
    get("connect_intentions_match", f"{MATCH}?by=nobody&name=web", status=500),
    get("connect_intentions_match", f"{MATCH}?by=source", status=500),
    get("connect_intentions_check", f"{CHECK}?source=web&destination=db"),
    get("connect_intentions_check", f"{CHECK}?source=db&destination=web"),
    get("connect_intentions_check", f"{CHECK}?source=db", status=500),
    post("connect_intentions", "/v1/connect/intentions", DENY, status=500),
    post("connect_intentions", "/v1/connect/intentions", {"Action": "dance"}, status=500),
    post("connect_intentions", "/v1/connect/intentions", b"{", status=500),
    put("connect_intention", "/v1/connect/intentions/${intention}", {**DENY, "Action": "allow"}),
    get("connect_intentions_check", f"{CHECK}?source=web&destination=db"),
    get("connect_intention", "/v1/connect/intentions/${intention}"),
    delete("connect_intention", "/v1/connect/intentions/${intention}"),
    get("connect_intentions", "/v1/connect/intentions"),
    get("connect_intention", "/v1/connect/intentions/${intention}", status=404),
    put("connect_intentions", "/v1/connect/intentions", b"{}", status=405),
)

OF_AN_AUTHORITY: Final = frozenset(
    {
        *("ID", "ActiveRootID", "SigningKeyID", "ExternalTrustDomain", "NotBefore", "NotAfter"),
        *("RootCert", "SerialNumber", "TrustDomain", "PrivateKey", "CertPEM", "PrivateKeyPEM"),
        *("ValidAfter", "ValidBefore", "ServiceURI", "CreateIndex", "ModifyIndex"),
    }
)

AUTHORITY: Final = (
    get("connect_ca_roots", "/v1/connect/ca/roots", volatile=OF_AN_AUTHORITY),
    *blocking("connect_ca_roots", "/v1/connect/ca/roots", volatile=OF_AN_AUTHORITY),
    get("connect_ca_roots", "/v1/connect/ca/roots?pem=true", shape=True),
    get("connect_ca_configuration", "/v1/connect/ca/configuration", volatile=OF_AN_AUTHORITY),
    put(
        "connect_ca_configuration",
        "/v1/connect/ca/configuration",
        {"Provider": "consul", "Config": {"LeafCertTTL": "36h", "RotationPeriod": "2160h"}},
    ),
    get("connect_ca_configuration", "/v1/connect/ca/configuration", volatile=OF_AN_AUTHORITY),
    put(
        "connect_ca_configuration",
        "/v1/connect/ca/configuration",
        {"Provider": "dance"},
        status=500,
    ),
    put("connect_ca_configuration", "/v1/connect/ca/configuration", b"{", status=400),
    post("connect_ca_configuration", "/v1/connect/ca/configuration", b"{}", status=405),
    get("agent_ca_roots", "/v1/agent/connect/ca/roots", volatile=OF_AN_AUTHORITY),
    get("agent_ca_leaf", "/v1/agent/connect/ca/leaf/web", volatile=OF_AN_AUTHORITY),
    post(
        "agent",
        "/v1/agent/connect/authorize",
        {"Target": "db", "ClientCertURI": "spiffe://x", "ClientCertSerial": "0"},
        status=400,
    ),
    post("agent", "/v1/agent/connect/authorize", b"{", status=400),
)

UI: Final = (
    *PREPARED,
    get("internal_ui", "/v1/internal/ui/nodes"),
    get("internal_ui", "/v1/internal/ui/nodes?filter=Node%20==%20%22ext-1%22"),
    get("internal_ui", "/v1/internal/ui/node/ext-1"),
    get("internal_ui", "/v1/internal/ui/node/nobody", status=404),
    get("internal_ui", "/v1/internal/ui/services", unordered=True, until=not_empty),
    get("internal_ui", "/v1/internal/ui/gateway-services-nodes/nobody"),
    get("internal_ui", "/v1/internal/ui/gateway-intentions/nobody", status=404),
    get("internal_ui", "/v1/internal/ui/", status=404),
    *blocking("internal_ui", "/v1/internal/ui/nodes"),
    post(
        "internal_acl",
        "/v1/internal/acl/authorize",
        [{"Resource": "key", "Access": "read", "Segment": "x"}],
        status=401,
    ),
)

SCENES: Final = (
    Scene("config entries", CONFIG),
    Scene("discovery chains", CHAINS),
    Scene("intentions", INTENTIONS),
    Scene("the mesh's authority", AUTHORITY),
    Scene("what the page reads", UI),
)
