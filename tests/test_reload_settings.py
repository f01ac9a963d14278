"""Every setting, and where it is seen that a running edge goes by another one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from consul_edge.config.changes import NEEDS_RESTART
from consul_edge.config.schema import SETTINGS
from consul_edge.core.request import parse_call
from consul_edge.demo.standin import StandIn
from consul_edge.web import keys
from consul_edge.web.admin_gate import GATE
from consul_edge.web.proxy import Proxy
from tests.house import House, edge_over
from tests.waiting import eventually

ELSEWHERE: Final = {
    "listen": "test_reload_listeners",
    "tls.cert": "test_reload_tls",
    "tls.key": "test_reload_tls",
    "tls.client_ca": "test_reload_tls",
    "consul.tls.enabled": "test_reload_tls",
    "consul.tls.ca_file": "test_reload_tls",
    "consul.tls.ca_path": "test_reload_tls",
    "consul.tls.cert": "test_reload_tls",
    "consul.tls.key": "test_reload_tls",
    "consul.tls.server_name": "test_reload_tls",
    "consul.tls.verify": "test_reload_tls",
    "log.level": "e2e.test_reload",
    "log.format": "e2e.test_reload",
}
"""Settings whose reload has a test of its own, and the module."""


@dataclass(frozen=True)
class Row:
    """One setting, another value, and what shows that it is in force."""

    value: str
    look: Callable[[House], Any]
    expected: Any


def _rule(house: House, target: str) -> Any:
    return house.app[keys.CACHE]._rules.of(parse_call("GET", target))


def _proxy(house: House) -> Any:
    handlers = (route.handler for route in house.app.router.routes())
    bound = (getattr(handler, "__self__", None) for handler in handlers)
    return next(one for one in bound if isinstance(one, Proxy))


def _wire(house: House) -> Any:
    return house.app[keys.UPSTREAM]._client


SERVER: Final = "127.0.0.9:8999"

TABLE: Final[dict[str, Row]] = {
    "allowed_hosts": Row("edge.test", lambda h: h.app[keys.HOSTS].check("edge.test"), None),
    "fastlane": Row("false", lambda h: h.app[keys.GENERATION].settings.fastlane, False),
    "ui_proxy": Row("true", lambda h: _proxy(h)._ui, True),
    "consul.main_server": Row(
        SERVER, lambda h: [one.name for one in h.rotation.servers][-1], SERVER
    ),
    "consul.local_agent": Row(SERVER, lambda h: h.app[keys.UPSTREAM].local_agent.name, SERVER),
    "consul.agent_reads": Row("deny", lambda h: _proxy(h)._denies_agent_reads, True),
    "consul.timeout": Row(
        "3s",
        lambda h: (
            h.rotation.limits.timeout,
            h.rotation.courier._connect,
            h.app[keys.VIEWS]._patience,
        ),
        (3.0, 3.0, pytest.approx(4.2)),
    ),
    "consul.deadline": Row(
        "9s",
        lambda h: (
            h.rotation.limits.deadline,
            h.rotation.courier._deadline,
            h.rotation.servers.patience,
        ),
        (9.0, 9.0, 9.0),
    ),
    "consul.write_timeout": Row("7s", lambda h: h.rotation.courier._write.sock_read, 7.0),
    "consul.max_retries": Row("4", lambda h: h.rotation.limits.max_retries, 4),
    "consul.retry_delay": Row("1s", lambda h: h.rotation.limits.retry_delay, 1.0),
    "consul.semaphore_limit": Row("2", lambda h: h.app[keys.VIEWS]._may_ask._value, 2),
    "consul.pool.max_connections": Row("7", lambda h: h.rotation.courier._pool._value, 7),
    "consul.pool.keepalive_connections": Row("3", lambda h: _wire(h)._keepalive_connections, 3),
    "consul.pool.keepalive_expiry": Row("4s", lambda h: _wire(h)._keepalive_expiry, 4.0),
    "consul.connections_per_server": Row(
        "150", lambda h: {one.slots.limit for one in h.rotation.servers}, {150}
    ),
    "consul.token": Row("t0ken", lambda h: h.app[keys.UPSTREAM].credentials.own, "t0ken"),
    "consul.token_for_clients": Row(
        "true", lambda h: h.app[keys.UPSTREAM].credentials.token_in(()), "t0ken"
    ),
    "consul.auth": Row(
        "user:word", lambda h: h.app[keys.UPSTREAM].credentials.auth(), "user:word"
    ),
    "cache.mode": Row("strict", lambda h: _rule(h, "/v1/catalog/nodes").is_strict, True),
    "cache.ttl": Row("5s", lambda h: _rule(h, "/v1/catalog/nodes").ttl, 5.0),
    "cache.max_entries": Row("77", lambda h: h.app[keys.CACHE].lines.store.max_entries, 77),
    "cache.max_bytes": Row("40MiB", lambda h: h.app[keys.CACHE].lines.store.max_bytes, 40 * 2**20),
    "cache.max_entry_bytes": Row(
        "1MiB", lambda h: h.app[keys.CACHE]._fetcher._max_entry_bytes, 2**20
    ),
    "cache.stale_if_error": Row(
        "1h", lambda h: _rule(h, "/v1/catalog/nodes").stale_if_error, 3600.0
    ),
    "cache.stale_kv": Row(
        "config/", lambda h: _rule(h, "/v1/kv/config/a").may_outlive_consul, True
    ),
    "cache.endpoints": Row(
        "catalog_nodes=pass", lambda h: _rule(h, "/v1/catalog/nodes").treatment.value, "pass"
    ),
    "cache.warm": Row(
        "/v1/catalog/services",
        lambda h: [line.key.target for line in h.app[keys.CACHE].lines if line.is_warm],
        ["/v1/catalog/services"],
    ),
    "watch.max_per_server": Row(
        "50", lambda h: {one.slots.poll_limit for one in h.rotation.servers}, {50}
    ),
    "watch.wait": Row(
        "10s",
        lambda h: (h.app[keys.CACHE]._fetcher._wait, h.app[keys.CACHE].watches._wait),
        ("10s", 10.0),
    ),
    "watch.idle": Row(
        "60s", lambda h: (h.app[keys.CACHE].watches._idle, h.app[keys.VIEWS]._idle), (60.0, 60.0)
    ),
    "watch.refresh_interval": Row(
        "2s", lambda h: h.app[keys.CACHE].watches._tools.refresh_interval, 2.0
    ),
    "limits.parked_per_client": Row("5", lambda h: h.app[keys.PARKED]._most, 5),
    "limits.requests_per_client": Row("6", lambda h: h.app[keys.UNDER_WAY]._most, 6),
    "limits.head_bytes": Row(
        "32KiB",
        lambda h: (h.app[keys.GENERATION].settings.limits.head_bytes, _wire(h)._head_bytes),
        (2**15, 2**15),
    ),
    "limits.body_bytes": Row("1MiB", lambda h: _proxy(h)._body_bytes, 2**20),
    "access.read_only": Row(
        "true", lambda h: h.app[keys.ACCESS].policy.why_not("PUT", "/v1/kv/a") is None, False
    ),
    "access.allow": Row(
        "/v1/kv/",
        lambda h: h.app[keys.ACCESS].policy.why_not("GET", "/v1/catalog/nodes") is None,
        False,
    ),
    "access.deny": Row(
        "/v1/kv/secret/",
        lambda h: h.app[keys.ACCESS].policy.why_not("GET", "/v1/kv/secret/a") is None,
        False,
    ),
    "nodes.ttl": Row(
        "9s", lambda h: (h.app[keys.VIEWS]._ttl, h.app[keys.ARCHIVE]._ttls["nodes"]), (9.0, 9.0)
    ),
    "sites.ttl": Row("8s", lambda h: h.app[keys.SITES].document._ttl, 8.0),
    "sites.kv_key": Row("my/sites", lambda h: h.app[keys.SITES].document.key, "my/sites"),
    "sites.unmapped": Row("nowhere", lambda h: h.app[keys.VIEWS]._sources.unmapped, "nowhere"),
    "rules.kv_key": Row("my/rules", lambda h: h.app[keys.RULES].document.key, "my/rules"),
    "admin.token": Row("letmein", lambda h: h.app[GATE]._token.is_it("letmein"), True),
    "admin.trust_loopback": Row("true", lambda h: h.app[GATE]._trusts_loopback, True),
    "log.access": Row("true", lambda h: h.app[keys.GENERATION].settings.log.access, True),
}
"""In an order in which each works with those before."""


def file_rows(folder: Path) -> dict[str, Row]:
    """Describe the settings that name a place of this test's own."""
    for name, text in (("token", "of-file"), ("auth", "file:word"), ("admin", "of-admin-file")):
        (folder / name).write_text(text)
    (folder / "rules.json").write_text('{"rules": []}')
    return {
        "consul.servers": Row(
            f"{SERVER},127.0.0.8:8500",
            lambda h: [one.name for one in h.rotation.servers][:2],
            [SERVER, "127.0.0.8:8500"],
        ),
        "consul.token_file": Row(
            str(folder / "token"), lambda h: h.app[keys.UPSTREAM].credentials.own, "of-file"
        ),
        "consul.auth_file": Row(
            str(folder / "auth"), lambda h: h.app[keys.UPSTREAM].credentials.auth(), "file:word"
        ),
        "admin.token_file": Row(
            str(folder / "admin"), lambda h: h.app[GATE]._token.is_it("of-admin-file"), True
        ),
        "cache.snapshot": Row(
            str(folder / "snapshot"),
            lambda h: h.app[keys.CACHE]._saving._path,
            folder / "snapshot",
        ),
        "rules.file": Row(
            str(folder / "rules.json"), lambda h: h.app[keys.RULES].status.source.value, "file"
        ),
    }


def test_setting_has_a_row_here_a_test_elsewhere_or_needs_a_restart() -> None:
    """There is no third kind of setting: one that a reload silently ignores."""
    known = {*TABLE, *FILES, *ELSEWHERE}
    assert known | NEEDS_RESTART == set(SETTINGS)
    assert not known & NEEDS_RESTART


FILES: Final = frozenset(
    {
        *("consul.servers", "consul.token_file", "consul.auth_file", "rules.file"),
        *("admin.token_file", "cache.snapshot"),
    }
)


async def test_each_setting_is_another_after_a_reload_and_in_force(tmp_path: Path) -> None:
    """Whoever reads a setting while the edge serves reads the one of the last reload."""
    async with StandIn(nodes=2, services=3).running() as consul, edge_over(consul) as house:
        rows = TABLE | file_rows(tmp_path)
        assert set(rows) == set(TABLE) | FILES
        seen, before, changed = {}, {}, {}
        for path, row in rows.items():
            name = SETTINGS[path].variable.removeprefix("CONSUL_EDGE_")
            if path != "allowed_hosts":  # which it would refuse
                before[path] = row.look(house)
            if path == "consul.servers":
                house.env.pop("CONSUL_SERVERS")
            done = await house.reload(**{name: row.value})
            changed[path] = path in [change.path for change in done.changed]
            seen[path] = row.look(house)
        assert seen == {path: row.expected for path, row in rows.items()}
        assert all(changed.values()), changed
        same = [path for path, found in before.items() if found == rows[path].expected]
        assert same == [], "the look sees nothing"
        await eventually((tmp_path / "snapshot").exists, "a snapshot written")
