"""The packaged rules: what the original promised, what it got wrong, and what stays as it was."""

import pytest

from consul_edge.enrich.categorize import Categorizer, Outcome
from consul_edge.enrich.packaged import packaged_rules

CATEGORIES = {
    "network-probes": ("Network Probes (Rede)", "purple"),
    "web-probes": ("Web Probes (Aplicações)", "cyan"),
    "system-exporters": ("Exporters: Sistemas", "green"),
    "database-exporters": ("Exporters: Bancos de Dados", "magenta"),
    "infrastructure-exporters": ("Exporters: Infraestrutura", "blue"),
    "hardware-exporters": ("Exporters: Hardware", "orange"),
    "network-devices": ("Dispositivos de Rede", "gold"),
    "custom-exporters": ("Exporters Customizados", "grey"),
}

PROBES = {
    "network-probes": ("icmp", "ping", "tcp", "tcp_connect", "dns", "ssh", "ssh_banner"),
    "web-probes": (
        "http_2xx",
        "http_4xx",
        "http_5xx",
        "https",
        "http_post_2xx",
        "http_post",
        "http_get",
    ),
}

EXPORTERS = {
    "system-exporters": ("node", "selfnode", "windows", "snmp"),
    "database-exporters": (
        "mysql",
        "postgres",
        "pg",
        "redis",
        "mongo",
        "mongodb",
        "elasticsearch",
        "memcached",
    ),
    "infrastructure-exporters": (
        "haproxy",
        "nginx",
        "apache",
        "kafka",
        "rabbitmq",
        "nats",
        "consul_exporter",
        "consul",
        "jmx",
        "collectd",
        "statsd",
        "graphite",
        "influxdb",
        "cloudwatch",
        "github",
        "gitlab",
        "jenkins",
    ),
    "hardware-exporters": ("ipmi", "dellhw"),
    "network-devices": ("mktxp", "mikrotik"),
}

ALL_EXPORTERS = [(name, category) for category, names in EXPORTERS.items() for name in names]
ALL_PROBES = [(name, category) for category, names in PROBES.items() for name in names]

CUSTOM = "custom-exporters"

ENGINE = Categorizer(packaged_rules())


def category(*row: str | None) -> str:
    """Tell the category of a row."""
    service, *rest = row
    assert service is not None
    return ENGINE.categorize(service, *rest).category


def test_packaged_document_has_no_problem() -> None:
    """Not even an oddity."""
    assert [str(one) for one in packaged_rules().problems] == []


def test_packaged_rules_are_those_of_the_original_and_one_more() -> None:
    """Its 48 ids, priorities and categories; ``lookalikes`` stands before the exporters."""
    expected = {f"blackbox_{name}": (100, category) for name, category in ALL_PROBES}
    expected |= {f"exporter_{name}": (80, category) for name, category in ALL_EXPORTERS}
    expected["blackbox_remote_icmp"] = (95, "network-probes")
    assert len(expected) == 48
    expected["lookalikes"] = (90, CUSTOM)

    found = {one.id: (one.priority, one.category) for one in packaged_rules().rules}
    assert found == expected


def test_packaged_categories_are_those_of_the_original() -> None:
    """With their labels and colours."""
    found = {one.id: (one.display_name, one.color) for one in packaged_rules().categories}

    assert found == CATEGORIES
    assert packaged_rules().default_category == CUSTOM


@pytest.mark.parametrize(
    ("service", "metrics_path", "module", "expected"),
    [
        ("icmp", "/probe", "icmp", "network-probes"),
        ("tcp_connect", "/probe", "tcp_connect", "network-probes"),
        ("dns_lookup", "/probe", "dns", "network-probes"),
        ("http_2xx", "/probe", "http_2xx", "web-probes"),
        ("https_check", "/probe", "https", "web-probes"),
        ("node_exporter", "/metrics", None, "system-exporters"),
        ("windows_exporter", "/metrics", None, "system-exporters"),
        ("mysql_exporter", "/metrics", None, "database-exporters"),
        ("postgres_exporter", "/metrics", None, "database-exporters"),
        # The original expects infrastructure-exporters and says system-exporters in its rules,
        # which its users see; with this path it found no rule at all. Decided: the rules' word.
        ("snmp_exporter", "/snmp", None, "system-exporters"),
        ("unknown_custom_job", "/metrics", None, CUSTOM),
    ],
)
def test_acceptance_list_of_the_original_passes(
    service: str, metrics_path: str, module: str | None, expected: str
) -> None:
    """All eleven rows, of which the original's own rules pass ten."""
    assert category(service, module, metrics_path) == expected


def test_blackbox_exporter_that_pings_is_a_network_probe() -> None:
    """The case of the first specification: its name says nothing, its module does."""
    decision = ENGINE.categorize("blackbox_exporter", "icmp")

    assert (decision.category, decision.matched_rule) == ("network-probes", "blackbox_icmp")
    assert (decision.job_name, decision.module) == (Outcome.FORGIVEN, Outcome.MATCHED)


@pytest.mark.parametrize(
    ("row", "expected", "rule"),
    [
        # Kept: a module is not asked of a service without one, and a Blackbox Exporter pings
        # more often than not. The label says "ICMP", which is a guess, and the outcome of the
        # module's condition says "skipped".
        (("blackbox_exporter",), "network-probes", "blackbox_remote_icmp"),
        # Kept: the module forgives whatever name there is. To forgive known names only would
        # need a list of them, and a service says module=icmp because it is pinged.
        (("node_exporter", "icmp"), "network-probes", "blackbox_icmp"),
        # Kept: what a service says of itself is not overruled, and this one says it is asked
        # for metrics of its own.
        (("blackbox_exporter", "icmp", "/metrics"), CUSTOM, None),
        # Kept: no rule knows such a probe; to guess its category would hide that one is missing.
        (("blackbox_exporter", "pop3s_banner"), CUSTOM, None),
        # Mended: letters in common are no kinship (see the accidents below).
        (("nodejs_app",), CUSTOM, None),
        (("pgadmin",), CUSTOM, None),
        (("dnsmasq",), CUSTOM, None),
        (("pingfederate",), CUSTOM, None),
        # Mended: of two rules that match, the special one stands first.
        (("tcp_connect",), "network-probes", "blackbox_tcp_connect"),
    ],
)
def test_surprises_of_the_original_are_decided_row_by_row(
    row: tuple[str, ...], expected: str, rule: str | None
) -> None:
    """Each row stands with the reason why it is kept or mended."""
    decision = ENGINE.categorize(*row)

    assert (decision.category, decision.matched_rule) == (expected, rule)


@pytest.mark.parametrize(
    "service",
    [
        # what begins with the same letters
        "icmpd",
        "pingfederate",
        "pingaccess",
        "pingdom_exporter",
        "tcpdump",
        "tcpproxy",
        "dnsmasq",
        "dnsmasq_exporter",
        "dnsdist",
        "dnscrypt-proxy",
        "sshd",
        "sshguard",
        "httpserver",
        "httpsrv",
        "httpsomething",
        "httpsify",
        "http_getter",
        "http_postfix",
        "http_2xxl",
        "blackboxd",
        "nodejs_app",
        "nodered",
        "nodepool",
        "nodebb",
        "selfnodes",
        "windowsill",
        "snmpd",
        "snmptrapd",
        "mysqlrouter",
        "mysqladmin",
        "postgrest",
        "postgresml",
        "pgadmin",
        "pgadmin4",
        "pgwatch",
        "redisinsight",
        "redisearch",
        "mongoose",
        "mongodump",
        "mongodbatlas",
        "elasticsearchhead",
        "memcachedb",
        "haproxyctl",
        "nginxproxymanager",
        "apachesolr",
        "kafkaconnect",
        "kafkacat",
        "rabbitmqadmin",
        "natsomething",
        "natsbox",
        "consulting-app",
        "consultoria",
        "consultemplate",
        "jmxtrans",
        "jmxterm",
        "collectdweb",
        "statsdaemon",
        "graphiteweb",
        "influxdbrelay",
        "cloudwatchlogs",
        "githubrunner",
        "gitlabrunner",
        "jenkinsx",
        "ipmitool",
        "dellhwmon",
        "mktxpx",
        "mikrotiksim",
        # what is named after another program
        "node-red",
        "node.js",
        "node-local-dns",
        "node-problem-detector",
        "snmp_notifier",
        "snmp-trap",
        "mysql-operator",
        "postgres-operator",
        "pg_admin",
        "redis-insight",
        "redis-commander",
        "mongo-express",
        "elasticsearch-hq",
        "nginx-proxy-manager",
        "apache-solr",
        "apache_airflow",
        "apache-kafka",
        "kafka-ui",
        "kafka-connect",
        "consul-template",
        "consul-esm",
        "consul-edge",
        "graphite-web",
        "cloudwatch-agent",
        "github-runner",
        "github-actions-runner",
        "gitlab-runner",
        "jenkins-agent",
    ],
)
def test_program_that_is_only_called_alike_is_custom(service: str) -> None:
    """The original took each of these for what its name begins with."""
    assert category(service) == CUSTOM


@pytest.mark.parametrize(("name", "expected"), ALL_PROBES + ALL_EXPORTERS)
@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "{}_exporter",
        "{}-exporter",
        "{}exporter",
        "{}_exporter_rio",
        "{}-dtc",
        "{}.rio",
        "{} rio",
        "{}/rio",
        "{}@rio",
        "{}2",
        "{}01_exporter",
    ],
)
def test_name_with_what_people_add_to_it_still_matches(
    name: str, expected: str, form: str
) -> None:
    """Sites, numbers and the word exporter, in any case and joined by whatever is usual."""
    service = form.format(name)

    assert category(service) == expected
    assert category(service.upper()) == expected


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("selfnode_exporter", "system-exporters"),
        ("node_exporter_rio", "system-exporters"),
        ("blackbox_exporter_rio", "network-probes"),
        ("blackbox_remote_dtc_skills", "network-probes"),
        ("blackboxexporter", "network-probes"),
        ("mysqld", "database-exporters"),
        ("mysqld_exporter", "database-exporters"),
        ("postgresql", "database-exporters"),
        ("postgresql16-primary", "database-exporters"),
        ("pgbouncer_exporter", "database-exporters"),
        ("pgpool2_exporter", "database-exporters"),
        ("mongod", "database-exporters"),
        ("mongos_exporter", "database-exporters"),
        ("redis-sentinel", "database-exporters"),
        ("apache2_exporter", "infrastructure-exporters"),
        ("nginx-prometheus-exporter", "infrastructure-exporters"),
        ("kafka_lag_exporter", "infrastructure-exporters"),
        ("nats-server", "infrastructure-exporters"),
        ("consul", "infrastructure-exporters"),
        ("consul-server", "infrastructure-exporters"),
        ("statsd-like", "infrastructure-exporters"),
        ("gitlab-ci-pipelines-exporter", "infrastructure-exporters"),
        ("ping_exporter", "network-probes"),
        ("icmp6", "network-probes"),
        ("https_check", "web-probes"),
        ("http_2xx_site", "web-probes"),
    ],
)
def test_other_names_of_the_same_program_match(service: str, expected: str) -> None:
    """What the original got right by the first letters alone is not lost with the accidents."""
    assert category(service) == expected


@pytest.mark.parametrize(
    ("service", "rule"),
    [
        ("tcp_connect", "blackbox_tcp_connect"),
        ("tcp_check", "blackbox_tcp"),
        ("ssh_banner", "blackbox_ssh_banner"),
        ("ssh_check", "blackbox_ssh"),
        ("http_post_2xx", "blackbox_http_post_2xx"),
        ("http_post_form", "blackbox_http_post"),
        ("mongodb_exporter", "exporter_mongodb"),
        ("mongo_exporter", "exporter_mongo"),
        ("consul_exporter", "exporter_consul_exporter"),
        ("consul_server", "exporter_consul"),
    ],
)
def test_special_rule_decides_before_the_general_one(service: str, rule: str) -> None:
    """So that the rule that is told is the one that is meant."""
    assert ENGINE.categorize(service).matched_rule == rule


@pytest.mark.parametrize(("module", "expected"), ALL_PROBES)
def test_module_decides_whatever_the_name(module: str, expected: str) -> None:
    """Also over a name that is only called alike, and up to its end."""
    assert category("blackbox_exporter", module) == expected
    assert category("consul-template", module) == expected
    assert category("my_own_job", f"{module}x") == CUSTOM


@pytest.mark.parametrize(("name", "expected"), ALL_EXPORTERS)
def test_exporter_that_says_another_path_is_not_taken_for_one(name: str, expected: str) -> None:
    """What says /probe probes; snmp answers at a path of its own, and is told by its name."""
    assert category(name, None, "/metrics") == expected
    assert category(name, None, "/probe") == (expected if name == "snmp" else CUSTOM)


def test_lookalike_is_shown_under_its_own_name() -> None:
    """It is no exporter that anyone knows."""
    decision = ENGINE.categorize("consul-template")

    assert (decision.display_name, decision.exporter_type) == ("Consul Template", "custom")
    assert decision.matched_rule == "lookalikes"
