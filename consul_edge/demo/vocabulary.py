"""The words that the data set is made of: sites, companies, exporters and what checks say."""

from typing import Final

import msgspec


class Site(msgspec.Struct, frozen=True):
    """A place with machines."""

    code: str
    name: str
    datacenter: str
    cluster: str
    environment: str
    color: str


class Kind(msgspec.Struct, frozen=True):
    """A kind of service: what it is called, and what its instances carry."""

    name: str
    share: int
    """How many of the first hundred or so instances are of this kind."""

    port: int = 0
    module: str = ""
    tags: tuple[str, ...] = ()
    check: str = "http"
    group: str = "servers"


SITES: Final = (
    Site("palmas", "Palmas", "dtc-palmas", "tocantins", "production", "blue"),
    Site("rio", "Rio de Janeiro", "dtc-rio", "guanabara", "production", "green"),
    Site("dtc", "Data Center São Paulo", "dtc-sp", "paulista", "staging", "gold"),
)

COMPANIES: Final = (
    "Agropalma",
    "Norte Telecom",
    "Ágora Comércio",
    "Banco do Cerrado",
    "Hospital São José",
    "Ramada & Filhos",
    "Skills IT",
    "<img src=x onerror=alert(1)>",
)
"""The last is what somebody will write into a form one day: pages must show it, not run it."""

ENVIRONMENTS: Final = ("prod", "prod", "prod", "hml", "dev")
REGIONS: Final = ("norte", "sudeste", "sul")
SYSTEMS: Final = ("linux", "windows", "routeros", "esxi")

KINDS: Final = (
    Kind("blackbox_exporter", 34, 9115, "icmp", ("blackbox", "icmp"), "icmp", "network"),
    Kind("blackbox_exporter", 8, 9115, "http_2xx", ("blackbox", "http"), "http", "web"),
    Kind("blackbox_exporter", 6, 9115, "tcp_connect", ("blackbox", "tcp"), "tcp", "network"),
    Kind("blackbox_remote_dtc", 8, 9115, "icmp", ("blackbox", "remote"), "icmp", "network"),
    Kind("blackbox_exporter_rio", 5, 9115, "http_2xx", ("blackbox", "remote"), "http", "web"),
    Kind("icmp", 6, 9115, "icmp", ("probe",), "icmp", "network"),
    Kind("http_2xx", 5, 9115, "http_2xx", ("probe",), "http", "web"),
    Kind("selfnode_exporter", 7, 9100, "", ("linux",)),
    Kind("node_exporter", 18, 9100, "", ("linux", "prod")),
    Kind("windows_exporter", 10, 9182, "", ("windows",)),
    Kind("mysqld_exporter", 7, 9104, "", ("db", "mysql"), "tcp", "databases"),
    Kind("postgres_exporter", 6, 9187, "", ("db", "postgres"), "tcp", "databases"),
    Kind("redis_exporter", 6, 9121, "", ("cache",), "tcp", "databases"),
    Kind("elasticsearch_exporter", 3, 9114, "", ("search",), "http", "databases"),
    Kind("snmp_exporter", 7, 9116, "if_mib", ("snmp", "switch"), "icmp", "network"),
    Kind("mktxp_exporter", 2, 49090, "", ("mikrotik",), "http", "network"),
    Kind("ipmi_exporter", 2, 9290, "", ("bmc",), "http", "hardware"),
    Kind("haproxy_exporter", 2, 9101, "", ("edge",), "http", "infrastructure"),
    Kind("rabbitmq_exporter", 2, 9419, "", ("queue",), "http", "infrastructure"),
    Kind("nodejs_app", 3, 3000, "", ("web", "v1.4.2"), "http", "applications"),
    Kind("billing-api", 3, 8080, "", ("web", "canary"), "http", "applications"),
    Kind("catálogo-preços", 2, 8081, "", ("web", "ção"), "http", "applications"),
    Kind("unknown_custom_job", 2, 9999, "", (), "ttl", "applications"),
    Kind("pgadmin", 1, 5050, "", ("tool",), "http", "applications"),
)
"""Shares add up to 155."""

OUTPUTS: Final = {
    "http": {
        "passing": 'HTTP GET http://{address}:{port}/health: 200 OK Output: {{"status":"ok"}}',
        "warning": "HTTP GET http://{address}:{port}/health: 429 Too Many Requests",
        "critical": 'Get "http://{address}:{port}/health": dial tcp {address}:{port}: '
        "connect: connection refused",
    },
    "tcp": {
        "passing": "TCP connect {address}:{port}: Success",
        "warning": "TCP connect {address}:{port}: slow (1.8 s)",
        "critical": "dial tcp {address}:{port}: i/o timeout",
    },
    "icmp": {
        "passing": "PING {address}: 3 packets transmitted, 3 received, rtt avg {rtt} ms",
        "warning": "PING {address}: 3 packets transmitted, 2 received, 33% packet loss",
        "critical": "PING {address}: 3 packets transmitted, 0 received, 100% packet loss",
    },
    "ttl": {
        "passing": "",
        "warning": "disk /var is 91% full <see runbook>",
        "critical": "TTL expired",
    },
}
"""What a check of some type says in some state; one has markup on purpose."""
