"""The settings of the cache and its watches: rules, KV prefixes, targets, the snapshot's place."""

import os
from operator import attrgetter
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consul_edge.config import load, render
from consul_edge.core.endpoints import ENDPOINTS, Treatment
from consul_edge.core.errors import ConfigError
from consul_edge.core.rules import EndpointRule, parse_rule
from tests.config_files import load_text, told

WATCH, TTL, PASS = Treatment.WATCH, Treatment.TTL, Treatment.PASS

ENDPOINTS_VARIABLE = "CONSUL_EDGE_CACHE__ENDPOINTS"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the path of a file that does not exist yet."""
    return tmp_path / "edge.yaml"


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("cache: {mode: strict}", "cache.mode", "strict"),
        ("cache: {ttl: 0}", "cache.ttl", 0.0),
        ("cache: {stale_if_error: 0s}", "cache.stale_if_error", 0.0),
        ("cache: {max_bytes: 64MiB, max_entry_bytes: 64MiB}", "cache.max_entry_bytes", 2**26),
        ("cache: {stale_kv: config/}", "cache.stale_kv", ("config/",)),
        ("cache: {stale_kv: ['a,b/', 'ü x/']}", "cache.stale_kv", ("a,b/", "ü x/")),
        ("cache: {warm: /v1/catalog/services}", "cache.warm", ("/v1/catalog/services",)),
        (
            "cache: {warm: ['/v1/health/service/web?passing&dc=a,b', '/v1/catalog/nodes']}",
            "cache.warm",
            ("/v1/health/service/web?passing&dc=a,b", "/v1/catalog/nodes"),
        ),
        (
            "cache: {warm: ['/v1/catalog/node/%C3%BC?filter=a+%3D%3D+\"b\"']}",
            "cache.warm",
            ('/v1/catalog/node/%C3%BC?filter=a+%3D%3D+"b"',),
        ),
        ("cache: {warm: ['/v1/kv/config/?recurse']}", "cache.warm", ("/v1/kv/config/?recurse",)),
        ("cache: {endpoints: }", "cache.endpoints", ()),
        ("cache: {endpoints: {}}", "cache.endpoints", ()),
        ("cache: {snapshot: null}", "cache.snapshot", None),
        ("watch: {wait: 1}", "watch.wait", 1.0),
        ("watch: {wait: 10m}", "watch.wait", 600.0),
        ("watch: {refresh_interval: 0}", "watch.refresh_interval", 0.0),
        ("admin: {trust_loopback: true}", "admin.trust_loopback", True),
    ],
)
def test_form_that_is_allowed_is_read(file: Path, text: str, path: str, value: object) -> None:
    """Each setting takes its forms."""
    assert attrgetter(path)(load_text(file, text).settings) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("cache: {mode: dead}", "cache.mode: 'dead': expected one of live, strict"),
        ("cache: {ttl: -1}", "cache.ttl: -1: expected a duration of 0s or more"),
        ("cache: {max_entries: 0}", "max_entries: 0: expected a whole number, 1 or more"),
        ("cache: {max_bytes: 0}", "cache.max_bytes: 0: expected a size of 1B or more"),
        (
            "cache: {max_entry_bytes: 257MiB}",
            "cache.max_entry_bytes: '257MiB': expected at most the 256MiB of cache.max_bytes",
        ),
        (
            "cache: {max_bytes: 1MiB}",
            "cache.max_bytes: '1MiB': expected at least the 32MiB of cache.max_entry_bytes",
        ),
        (
            "cache: {max_bytes: 1MiB, max_entry_bytes: 2MiB}",
            "cache.max_entry_bytes: '2MiB': expected at most the 1MiB of cache.max_bytes",
        ),
        ("cache: {max_bytes: 1MiB, max_entry_bytes: x}", "max_entry_bytes: 'x': expected a size"),
        ("cache: {stale_kv: /config/}", "stale_kv: '/config/': expected how KV keys begin, in"),
        ("cache: {stale_kv: /v1/kv/a/}", "such as config/: no /v1/kv/ and no leading slash"),
        ("cache: {stale_kv: v1/kv/a/}", "such as config/: no /v1/kv/ and no leading slash"),
        ("cache: {stale_kv: ['']}", "cache.stale_kv: '': expected how KV keys begin"),
        ("cache: {stale_kv: [3]}", "cache.stale_kv: 3: expected how KV keys begin"),
        ('cache: {stale_kv: ["a\\tb"]}', "expected how KV keys begin, in printable characters"),
        ('cache: {stale_kv: ["\\ud800"]}', "expected how KV keys begin, in printable char"),
        ("cache: {stale_kv: [a, a]}", "cache.stale_kv[1]: 'a': expected each only once"),
        ("cache: {stale_kv: ['a%2Fb/']}", "'a%2Fb/': expected decoded text, without %2F"),
        ("cache: {warm: catalog/nodes}", "'catalog/nodes': expected a path and query as they"),
        ("cache: {warm: [7]}", "cache.warm: 7: expected a path and query as they stand on the"),
        ("cache: {warm: ['/v1/kv/a b']}", "/v1/ first, without spaces, ; and #"),
        ('cache: {warm: ["/v1/kv/a\\nb"]}', "/v1/ first, without spaces, ; and #"),
        ("cache: {warm: ['/v1/kv/ü']}", "expected a path and query as they stand on the wire"),
        ("cache: {warm: ['/v1/kv/a%2']}", "expected a path and query as they stand on the wire"),
        ("cache: {warm: ['/v1/kv/a#b']}", "'/v1/kv/a#***': expected a path and query"),
        ("cache: {warm: ['/v1/kv/a;b']}", "'/v1/kv/a;***': expected a path and query"),
        (
            "cache: {warm: ['/v1/catalog/nodes?stale&token=a']}",
            "cache.warm: '/v1/catalog/nodes?***': expected a target without stale, token",
        ),
        ("cache: {warm: ['/v1/catalog/nodes?index=1']}", "expected a target without index"),
        ("cache: {warm: ['/v1/catalog/nodes?%74oken=a']}", "no encoded names of parameters"),
        ("cache: {warm: ['/v1/catalog/nodes?near=_agent']}", "no near=_agent"),
        ("cache: {warm: ['/v1/catalog//nodes']}", "no // or dot segments"),
        ("cache: {warm: ['/v1/%2e%2e/nodes']}", "no // or dot segments"),
        (
            "cache: {warm: ['/v1/catalog/nodes', '/v1/agent/self']}",
            "'/v1/agent/self': expected a target whose answer is kept; agent is local",
        ),
        ("cache: {warm: /v1/acl/info/word}", "'/v1/acl/info/***': expected a target whose"),
        (
            "cache: {warm: /v1/catalog/nodes, endpoints: {catalog_nodes: pass}}",
            "expected a target whose answer is kept; catalog_nodes is pass",
        ),
        ("cache: {warm: /v1/agent/self, endpoints: {x: y}}", "cache.endpoints.x: 'y': expected"),
        ("watch: {wait: 0}", "watch.wait: 0: expected a duration from 1s to 10m"),
        ("watch: {wait: 999ms}", "watch.wait: '999ms': expected a duration from 1s to 10m"),
        ("watch: {wait: 601}", "watch.wait: 601: expected a duration from 1s to 10m"),
        ("watch: {idle: 0}", "watch.idle: 0: expected a duration of more than 0s"),
        ("admin: {token: 1}", "admin.token: '***': expected text without control"),
        ("admin: {token_file: nofile}", "admin.token_file: 'nofile': expected a readable file"),
    ],
)
def test_wrong_value_is_told_with_what_was_expected(file: Path, text: str, problem: str) -> None:
    """One wrong value is one problem with place, path, value and expectation."""
    (found,) = told(file, text)
    assert problem in found


class TestEndpoints:
    def test_mapping_of_the_file_becomes_rules(self, file: Path) -> None:
        """Names and prefixes are keys, treatments values."""
        loaded = load_text(
            file,
            "cache:\n"
            "  endpoints:\n"
            "    catalog_nodes: watch\n"
            "    /v1/kv/config/=a/: watch\n"
            "    coordinate_nodes: {ttl: 5s}\n"
            "    catalog_services: {ttl: 1}\n"
            "    health_state: pass\n",
        )
        assert loaded.settings.cache.endpoints == (
            EndpointRule("catalog_nodes", WATCH),
            EndpointRule("/v1/kv/config/=a/", WATCH),
            EndpointRule("coordinate_nodes", TTL, 5.0),
            EndpointRule("catalog_services", TTL, 1.0),
            EndpointRule("health_state", PASS),
        )
        assert loaded.sources["cache.endpoints"] == f"{file}:2"

    def test_text_of_the_variable_becomes_rules(self) -> None:
        """A variable holds pairs; what stands behind the last = is the treatment."""
        text = "catalog_nodes=watch, /v1/kv/config/=a/=watch,coordinate_nodes=5s,health_state=pass"
        loaded = load(file=None, env={ENDPOINTS_VARIABLE: text}, flags={})
        assert loaded.settings.cache.endpoints == (
            EndpointRule("catalog_nodes", WATCH),
            EndpointRule("/v1/kv/config/=a/", WATCH),
            EndpointRule("coordinate_nodes", TTL, 5.0),
            EndpointRule("health_state", PASS),
        )

    def test_wrong_entry_is_told_with_its_own_line_and_key(self, file: Path) -> None:
        """Each problem points at the entry; the good ones hide none."""
        text = (
            "cache:\n"
            "  endpoints:\n"
            "    catalog_nodes: watch\n"
            "    catalog_nods: watch\n"
            "    acl: watch\n"
            "    coordinate_nodes: {ttl: soon}\n"
            "    catalog_nodes: pass\n"
        )
        unknown, secret, duration, twice = told(file, text)
        assert unknown.startswith("edge.yaml:4: cache.endpoints.catalog_nods: 'watch': unknown")
        assert unknown.endswith("did you mean catalog_nodes?")
        assert secret.startswith("edge.yaml:5: cache.endpoints.acl: 'watch': expected pass: such")
        assert duration.startswith("edge.yaml:6: cache.endpoints.coordinate_nodes: {'ttl': 'soon'")
        assert "expected a duration such as 2s" in duration
        assert twice.startswith(
            "edge.yaml:7: cache.endpoints.catalog_nodes: 'pass': expected each"
        )

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("catalog_nodes=watch", "expected a mapping such as {catalog_nodes: pass}"),
            ("[catalog_nodes]", "expected a mapping such as {catalog_nodes: pass}"),
            ("[{catalog_nodes: watch}]", "expected a mapping such as {catalog_nodes: pass}"),
            ("3", "cache.endpoints: 3: expected a mapping such as {catalog_nodes: pass}"),
            ("{3: watch}", "cache.endpoints.3: 'watch': expected a mapping such as"),
            ("{kv: local}", "cache.endpoints.kv: 'local': expected watch, pass or {ttl: 5s}"),
            ("{kv: ttl}", "cache.endpoints.kv: 'ttl': expected watch, pass or {ttl: 5s}"),
            ("{kv: 5s}", "cache.endpoints.kv: '5s': expected watch, pass or {ttl: 5s}"),
            ("{kv: null}", "cache.endpoints.kv: None: expected watch, pass or {ttl: 5s}"),
            ("{kv: {}}", "cache.endpoints.kv: {}: expected watch, pass or {ttl: 5s}"),
            ("{kv: {ttl: 5s, x: 1}}", "{'ttl': '5s', 'x': 1}: expected watch, pass or {ttl: 5s}"),
            ("{kv: {ttl: 0}}", "{'ttl': 0}: expected a duration of more than 0s"),
            ("{kv: {ttl: null}}", "{'ttl': None}: expected a duration such as 2s"),
            ("{kv: {token: word}}", "{'token': '***'}: expected watch, pass or {ttl: 5s}"),
            ("{/v1/kv/a%2Fb: watch}", "expected decoded text, without %2F"),
            ("{<<: {kv: watch}}", "expected a plain value without a tag"),
            ("&a {kv: *a}", "expected a plain value without a tag"),
            ("!!python/name:os.system x", "expected a plain value without a tag"),
        ],
    )
    def test_wrong_mapping_is_told(self, file: Path, text: str, problem: str) -> None:
        """What is no mapping, or holds no treatment, is a problem that shows the form."""
        (found,) = told(file, f"cache:\n  endpoints: {text}\n")
        assert problem in found

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("catalog_nodes", "cache.endpoints: 'catalog_nodes': expected name=watch, name=pass"),
            ("catalog_nodes=", "expected a duration such as 2s or 500ms"),
            ("catalog_nodes=local", "expected a duration such as 2s or 500ms"),
            ("=watch", "cache.endpoints: '=watch': expected the name of an endpoint"),
            ("kv=0s", "cache.endpoints: 'kv=0s': expected a duration of more than 0s"),
            ("kv=5s,acl=watch", "cache.endpoints[1]: 'acl=watch': expected pass: such an"),
            ("kv=5s,kv=watch", "cache.endpoints[1]: 'kv=watch': expected each only once"),
        ],
    )
    def test_wrong_text_is_told(self, text: str, problem: str) -> None:
        """A variable's pair that means nothing is a problem that names it."""
        with pytest.raises(ConfigError) as caught:
            load(file=None, env={ENDPOINTS_VARIABLE: text}, flags={})
        (found,) = caught.value.problems
        assert problem in str(found)
        assert found.where == ENDPOINTS_VARIABLE

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(
        st.lists(
            st.builds(
                parse_rule,
                st.sampled_from([row.name for row in ENDPOINTS if row.treatment is WATCH])
                | st.from_regex(r"[a: #'{},=*&-]{0,9}x?", fullmatch=True).map("/v1/kv/".__add__),
                st.just(TTL),
                st.integers(1, 10**12).map(lambda nanoseconds: nanoseconds / 1e9),
            ),
            unique_by=lambda rule: rule.pattern,
        )
    )
    def test_rendered_rules_load_as_the_same(self, file: Path, rules: list[EndpointRule]) -> None:
        """What print-config writes is a mapping that means the same, whatever the paths hold."""
        endpoints = {rule.pattern: {"ttl": rule.ttl} for rule in rules}
        loaded = load_text(file, yaml.safe_dump({"cache": {"endpoints": endpoints}}))
        assert loaded.settings.cache.endpoints == tuple(sorted(rules, key=attrgetter("pattern")))
        assert load_text(file, render(loaded)).settings == loaded.settings


class TestSnapshot:
    def test_file_that_is_not_there_yet_is_accepted(self, file: Path, tmp_path: Path) -> None:
        """The edge itself makes it."""
        snapshot = tmp_path / "edge.snapshot"
        loaded = load_text(file, f"cache: {{snapshot: {snapshot}}}")
        assert loaded.settings.cache.snapshot == snapshot
        snapshot.touch()
        assert load_text(file, f"cache: {{snapshot: {snapshot}}}").settings == loaded.settings

    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            ("nofolder/x", "file in a folder that can be written: {}/nofolder: No such file or"),
            ("edge.yaml/x", "file in a folder that can be written: {}/edge.yaml: Not a directory"),
            ("folder", "expected a file in a folder that can be written: Not a regular file"),
            ("y" * 300, "expected a file in a folder that can be written: File name too long"),
        ],
    )
    def test_place_where_no_file_can_be_is_told(
        self, file: Path, tmp_path: Path, name: str, problem: str
    ) -> None:
        """What would fail at the first snapshot fails at the start."""
        (tmp_path / "folder").mkdir()
        (found,) = told(file, f"cache: {{snapshot: {tmp_path}/{name}}}")
        assert problem.format(tmp_path).replace(f"{tmp_path}/", "") in found

    def test_folder_without_permission_is_told(
        self, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A folder that may be read only is no place (asked of the system: no root)."""
        monkeypatch.setattr(os, "access", lambda _, mode: not mode & os.W_OK)
        (found,) = told(file, f"cache: {{snapshot: {tmp_path}/x}}")
        assert "expected a file in a folder that can be written" in found
        assert found.endswith("Permission denied")

    def test_path_that_cannot_be_encoded_is_told(self, file: Path) -> None:
        """A lone surrogate, which YAML can spell, is a problem and no traceback."""
        (found,) = told(file, 'cache: {snapshot: "\\ud800"}')
        assert "expected the path of a file" in found
