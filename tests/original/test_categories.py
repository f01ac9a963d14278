"""
Where services belong, as clients are told it: the original's acceptance list, and the seed's.

The list as such is asked of the packaged rules in tests/enrich/test_default_rules, and so are all
its surprises; here it comes through the routes and out of rows that Consul registered.  Then what
an operator's own rules may do to everybody: nothing.
"""

import json
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from tests.original.ground import (
    BEARER,
    DATA,
    RULES_KEY,
    SERVICES,
    cluster,
    ground,
    put,
    rules_document,
)

CATEGORIZE: Final = "/api/v1/categorize"
ADMIN_RULES: Final = "/api/v1/admin/rules"

ACCEPTED: Final[dict[tuple[str, str, str], str]] = {
    ("icmp", "/probe", "icmp"): "network-probes",
    ("tcp_connect", "/probe", "tcp_connect"): "network-probes",
    ("dns_lookup", "/probe", "dns"): "network-probes",
    ("http_2xx", "/probe", "http_2xx"): "web-probes",
    ("https_check", "/probe", "https"): "web-probes",
    ("node_exporter", "/metrics", ""): "system-exporters",
    ("windows_exporter", "/metrics", ""): "system-exporters",
    ("mysql_exporter", "/metrics", ""): "database-exporters",
    ("postgres_exporter", "/metrics", ""): "database-exporters",
    # Theirs says infrastructure-exporters and their rules do not: decided in test_default_rules.
    ("snmp_exporter", "/snmp", ""): "system-exporters",
    ("unknown_custom_job", "/metrics", ""): "custom-exporters",
}
"""The original's eleven, by service, metrics_path and module."""

SEED: Final[dict[tuple[str, str, str], str]] = {
    ("blackbox_exporter", "", "icmp"): "network-probes",
    ("blackbox_exporter", "/probe", "icmp"): "network-probes",
    ("blackbox_exporter", "/probe", "http_2xx"): "web-probes",
    ("selfnode_exporter", "", ""): "system-exporters",
}
"""What its section 8 was written for: no path, and a name that says little."""

ALL: Final = ACCEPTED | SEED

EVIL: Final = {
    "id": "evil",
    "priority": 100,
    "category": "evil",
    "conditions": {"job_name_pattern": "^(a+)+$"},
}
INVALID: Final = {
    "id": "invalid",
    "priority": 99,
    "category": "invalid",
    "conditions": {"job_name_pattern": "^node(", "metrics_path": "/metrics"},
}


def meta(row: tuple[str, str, str]) -> dict[str, str]:
    """Give what a service of *row* carries."""
    told = zip(("metrics_path", "module"), row[1:], strict=True)
    return {name: value for name, value in told if value}


async def test_acceptance_lists_are_asked_for_each_is_explained_as_expected() -> None:
    """``/api/v1/categorize`` takes what a service would carry."""
    async with ground() as one:
        found = {}
        for row in ALL:
            asked = urlencode({"service": row[0], **meta(row)})
            found[row] = (await one.json(f"{CATEGORIZE}?{asked}"))["decision"]["category"]
        assert found == ALL


async def test_acceptance_lists_are_registered_each_row_is_where_expected() -> None:
    """Rows of both listings; and the counts of the categories add up."""
    state = cluster()
    for number, row in enumerate(ALL):
        put(state, "n3", f"listed-{number}", row[0], meta={**meta(row), "listed": "yes"})
    async with ground(state=state) as one:
        rows = (await one.json(f"{SERVICES}?meta.listed=yes"))["data"]
        by_id = {row["ID"]: row["category"] for row in rows}
        assert by_id == {f"listed-{number}": one for number, one in enumerate(ALL.values())}
        for category in set(ALL.values()):
            told = await one.ids(f"{DATA}?category={category}&listed=yes")
            assert set(told) == {one for one in by_id if by_id[one] == category}
        counted = {
            row["id"]: row["total"] for row in (await one.json("/api/v1/categories"))["data"]
        }
        assert sum(counted.values()) == (await one.json(SERVICES))["total"]


async def test_blackbox_exporter_pings_the_row_says_which_rule_decided_and_why() -> None:
    """The name says nothing, the module does: the rule is told in the row, its reasons beside."""
    async with ground() as one:
        row = (await one.json(f"{SERVICES}?module=icmp"))["data"][0]
        assert (row["Service"], row["category"], row["matched_rule"]) == (
            "blackbox_exporter",
            "network-probes",
            "blackbox_icmp",
        )
        told = await one.json(f"{CATEGORIZE}?service=blackbox_exporter&module=icmp")
        assert (told["decision"]["job_name"], told["decision"]["module"]) == (
            "forgiven",
            "matched",
        )


@pytest.fixture(params=["in-kv-from-the-start", "edited"])
def arrival(request: pytest.FixtureRequest) -> str:
    """Give how bad rules come."""
    return str(request.param)


async def test_one_rule_is_evil_and_one_invalid_the_others_decide(arrival: str) -> None:
    """RE2 needs no time for ``^(a+)+$``; what it refuses disables that rule, and is reported."""
    state = cluster()
    put(state, "n3", "hostile", "a" * 60_000 + "!")
    put(state, "n3", "evil", "a" * 60_000)
    rules = rules_document("mine", "^node", EVIL, INVALID)
    if arrival != "edited":
        state.keys.put(RULES_KEY, rules)
    async with ground(state=state) as one:
        await one.json(SERVICES)
        state.keys.put(RULES_KEY, rules)
        found = await one.other(SERVICES, lambda found: any_in(found, "mine"))
        told = {row["ID"]: row["category"] for row in found["data"]}
        assert (told["node@n1"], told["evil"]) == ("mine", "evil")
        assert told["hostile"] == "custom-exporters"
        assert "invalid" not in told.values()


async def test_one_rule_is_invalid_it_is_reported_with_its_reason() -> None:
    """Which rule, which field, what it was: theirs logged it, and had the rule match more."""
    state = cluster()
    state.keys.put(RULES_KEY, rules_document("mine", "^node", EVIL, INVALID))
    async with ground(state=state) as one:
        await one.json(SERVICES)
        told = await one.json(ADMIN_RULES, BEARER)
        (problem,) = [one for one in told["problems"] if one["severity"] == "error"]
        assert (problem["rule"], problem["field"]) == ("invalid", "conditions.job_name_pattern")
        assert "'^node('" in problem["text"]
        assert {rule["id"] for rule in told["rules"]} == {"mine", "evil"}
        assert (told["source"], told["total_rules"], told["error"]) == ("kv", 2, None)


async def test_all_rules_are_broken_the_last_good_ones_decide() -> None:
    """A slip in an editor moves no service."""
    state = cluster()
    state.keys.put(RULES_KEY, rules_document("mine"))
    async with ground(state=state) as one:
        assert await one.ids(f"{SERVICES}?category=mine") == ["node@n1"]
        state.keys.put(RULES_KEY, json.dumps({"rules": "none"}).encode())
        await one.json("/api/v1/admin/cache/rules/flush", BEARER, method="POST")
        assert (await one.json(ADMIN_RULES, BEARER))["error"]
        # Rows that are made after it, too.
        put(one.state, "n2", "later@n2", "node_exporter")
        target = f"{SERVICES}?Service=node_exporter"
        found = await one.other(target, lambda found: found["total"] == 2)
        assert {row["category"] for row in found["data"]} == {"mine"}


def any_in(found: Any, category: str) -> bool:
    """Tell whether a row is in a category."""
    return any(row["category"] == category for row in found["data"])
