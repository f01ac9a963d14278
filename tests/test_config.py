"""The file, and the promise that no problem hides another."""

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consul_edge.config import Secret, Settings, load
from consul_edge.config.render import show
from consul_edge.config.schema import SETTINGS
from consul_edge.core.address import parse_listen, parse_server
from consul_edge.core.errors import ConfigError
from tests.config_files import load_text, problems_of, told

EXAMPLE = Path(__file__).parent.parent / "config" / "consul-edge.yaml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the path of a file that does not exist yet."""
    return tmp_path / "edge.yaml"


class TestDefaults:
    def test_nothing_given_is_the_defaults(self) -> None:
        """Without file, environment and flags every setting is at its default and says so."""
        loaded = load(file=None, env={}, flags={})
        assert Settings() == loaded.settings
        assert dict.fromkeys(SETTINGS, "default") == loaded.sources

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("listen", ["127.0.0.1:8510"]),
            ("ui_proxy", False),
            ("consul.servers", ["127.0.0.1:8500"]),
            ("consul.main_server", None),
            ("consul.agent_reads", "members"),
            ("consul.timeout", "2s"),
            ("consul.deadline", "20s"),
            ("consul.write_timeout", "30s"),
            ("consul.max_retries", 1),
            ("consul.retry_delay", "500ms"),
            ("consul.pool.max_connections", 100),
            ("consul.pool.keepalive_connections", 20),
            ("consul.pool.keepalive_expiry", "30s"),
            ("consul.connections_per_server", 180),
            ("consul.tls.verify", True),
            ("consul.token_for_clients", False),
            ("cache.mode", "live"),
            ("cache.ttl", "1s"),
            ("cache.max_entries", 10000),
            ("cache.max_bytes", "256MiB"),
            ("cache.max_entry_bytes", "32MiB"),
            ("cache.stale_if_error", "24h"),
            ("cache.stale_kv", []),
            ("cache.endpoints", {}),
            ("cache.warm", []),
            ("cache.snapshot", None),
            ("watch.max_per_server", 110),
            ("watch.wait", "30s"),
            ("watch.idle", "10m"),
            ("watch.refresh_interval", "1s"),
            ("admin.token", None),
            ("admin.trust_loopback", False),
            ("limits.head_bytes", "64KiB"),
            ("limits.body_bytes", "512MiB"),
            ("log.format", "logfmt"),
        ],
    )
    def test_setting_has_the_default_of_the_design(self, path: str, value: object) -> None:
        """The defaults that operators rely on do not move unnoticed."""
        assert value == show(path, SETTINGS[path].default)

    def test_example_holds_every_setting_at_its_default(self) -> None:
        """The packaged file changes nothing, and no setting is missing in it."""
        loaded = load(file=EXAMPLE, env={}, flags={})
        assert Settings() == loaded.settings
        assert [path for path, source in loaded.sources.items() if source == "default"] == []

    def test_settings_cannot_be_changed(self) -> None:
        """Whoever holds settings need not fear that another changes them."""
        with pytest.raises(AttributeError):
            Settings().consul.timeout = 3.0  # type: ignore[misc] # that is what is refused


class TestFile:
    def test_value_of_the_file_goes_before_the_default(self, file: Path) -> None:
        """A key of the file is taken, with its line as the source."""
        loaded = load_text(file, "consul:\n  # a comment\n  timeout: 1m30s\n")
        assert loaded.settings.consul.timeout == 90.0
        assert f"{file}:3" == loaded.sources["consul.timeout"]

    @pytest.mark.parametrize(
        ("text", "path", "value"),
        [
            ("listen: ':1'", "listen", (parse_listen(":1"),)),
            ("listen: ':1,:2'", "listen", (parse_listen(":1"), parse_listen(":2"))),
            ("listen: [':1', ':2']", "listen", (parse_listen(":1"), parse_listen(":2"))),
            ("allowed_hosts: Edge.Example", "allowed_hosts", ("edge.example",)),
            ("allowed_hosts: []", "allowed_hosts", ()),
            ("ui_proxy: yes", "ui_proxy", True),
            ("consul: {servers: a}", "consul.servers", (parse_server("a"),)),
            (
                "consul: {servers: 'a, b'}",
                "consul.servers",
                (parse_server("a"), parse_server("b")),
            ),
            ("consul: {main_server: a}", "consul.main_server", parse_server("a")),
            ("consul: {main_server: null}", "consul.main_server", None),
            ("consul: {timeout: 3}", "consul.timeout", 3.0),
            ("consul: {timeout: 0.5}", "consul.timeout", 0.5),
            ("consul: {timeout: '3'}", "consul.timeout", 3.0),
            ("consul: {retry_delay: 0}", "consul.retry_delay", 0.0),
            ("consul: {max_retries: 0}", "consul.max_retries", 0),
            ("consul: {agent_reads: deny}", "consul.agent_reads", "deny"),
            ("consul: {token: abc}", "consul.token", Secret("abc")),
            ("consul: {tls: {server_name: 'n:8501'}}", "consul.tls.server_name", "n"),
            ("consul: {tls: {server_name: '[::1]:1'}}", "consul.tls.server_name", "::1"),
            ("limits: {head_bytes: 1000}", "limits.head_bytes", 1000),
            ("limits: {head_bytes: 1MiB}", "limits.head_bytes", 2**20),
            ("consul:", "consul.timeout", 2.0),
            ("consul: {pool: }", "consul.pool.max_connections", 100),
            ("", "ui_proxy", False),
            ("# only a comment\n", "ui_proxy", False),
        ],
    )
    def test_form_that_is_allowed_is_read(
        self, file: Path, text: str, path: str, value: object
    ) -> None:
        """Each kind takes its forms; a section without keys is as none."""
        found: object = load_text(file, text).settings
        for name in path.split("."):
            found = getattr(found, name)
        assert value == found

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (
                "consul: {timeout: soon}",
                "edge.yaml:1: consul.timeout: 'soon': expected a duration such as 2s or 500ms",
            ),
            (
                "consul: {timeout: 0}",
                "edge.yaml:1: consul.timeout: 0: expected a duration of more than 0s",
            ),
            ("consul: {timeout: -1s}", "consul.timeout: '-1s': expected a duration of more"),
            ("consul: {timeout: true}", "consul.timeout: True: expected a duration"),
            ("consul: {timeout: .nan}", "consul.timeout: nan: expected a duration"),
            ("consul: {timeout: [1]}", "consul.timeout: [1]: expected a duration"),
            ("consul: {timeout: null}", "consul.timeout: None: expected a duration"),
            ("consul: {deadline: 0s}", "consul.deadline: '0s': expected a duration of more"),
            ("consul: {write_timeout: 0}", "consul.write_timeout: 0: expected a duration"),
            ("consul: {retry_delay: -1}", "retry_delay: -1: expected a duration of 0s or more"),
            ("consul: {max_retries: -1}", "max_retries: -1: expected a whole number, 0 or more"),
            ("consul: {max_retries: '1'}", "max_retries: '1': expected a whole number"),
            ("consul: {max_retries: 1.0}", "max_retries: 1.0: expected a whole number"),
            ("consul: {max_retries: yes}", "max_retries: True: expected a whole number"),
            (
                "consul: {connections_per_server: 0}",
                "connections_per_server: 0: expected a whole number, 1 or more",
            ),
            ("consul: {pool: {max_connections: 0}}", "pool.max_connections: 0: expected a whole"),
            ("consul: {agent_reads: some}", "agent_reads: 'some': expected one of members, rot"),
            ("consul: {servers: []}", "consul.servers: []: expected a list of at least 1"),
            ("consul: {servers: ''}", "consul.servers: '': expected a list of at least 1"),
            ("consul: {servers: null}", "consul.servers: None: expected host, host:port"),
            ("consul: {servers: 8500}", "consul.servers: 8500: expected host, host:port"),
            ("consul: {servers: [a, a:b]}", "consul.servers[1]: 'a:b': expected a port"),
            ("consul: {servers: [a, a:8500]}", "servers[1]: 'a:8500': expected each only once"),
            ("consul: {token: 1234}", "consul.token: '***': expected text without control"),
            ('consul: {token: "a\\nb"}', "consul.token: '***': expected text without control"),
            ("consul: {tls: {verify: 'no'}}", "consul.tls.verify: 'no': expected true or false"),
            ("consul: {tls: {verify: 0}}", "consul.tls.verify: 0: expected true or false"),
            ("consul: {tls: {verify: null}}", "consul.tls.verify: None: expected true or false"),
            ("listen: 8510", "listen: 8510: expected HOST:PORT"),
            ("listen: '8510'", "listen: '8510': expected a host"),
            ("listen: []", "listen: []: expected a list of at least 1"),
            ("listen: [':1', ':1']", "listen[1]: ':1': expected each only once"),
            ("allowed_hosts: ['a:80']", "allowed_hosts: 'a:80': expected a host name"),
            ("allowed_hosts: ['http://a']", "allowed_hosts: 'http://a': expected"),
            ("limits: {head_bytes: 64KB}", "limits.head_bytes: '64KB': expected a size such as"),
            ("limits: {head_bytes: 0}", "limits.head_bytes: 0: expected a size of 1B or more"),
            ("log: {level: loud}", "log.level: 'loud': expected one of debug, info, warning"),
            ("log: {level: [info]}", "log.level: ['info']: expected one of debug, info"),
            ("log: info", "edge.yaml:1: log: 'info': expected a mapping of keys to values"),
            ("log: [info]", "log: '[...]': expected a mapping of keys to values"),
            ("- a\n", "edge.yaml:1: top level: '[...]': expected a mapping of keys to values"),
            ("ui_proxy: !!python/name:os.system x", "expected a plain value without a tag"),
            ("ui_proxy: !!int x", "ui_proxy: 'tag:yaml.org,2002:int': expected a plain value"),
            ("ui_proxy: 2024-99-99", "ui_proxy: 'tag:yaml.org,2002:timestamp': expected a plain"),
            ("ui_proxy: !!timestamp x", "expected a plain value without a tag"),
        ],
    )
    def test_wrong_value_is_told_with_what_was_expected(
        self, file: Path, text: str, problem: str
    ) -> None:
        """One wrong value is one problem with place, path, value and expectation."""
        (found,) = told(file, text)
        assert problem in found

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (
                "consul: {timeot: 3s}",
                "consul.timeot: '3s': unknown key; did you mean consul.timeout?",
            ),
            ("timeot: 3s", "did you mean consul.timeout?"),
            ("consul: {max_connections: 3}", "did you mean consul.pool.max_connections?"),
            ("level: debug", "did you mean log.level?"),
            ("cert: x", "did you mean tls.cert?"),
            ("consul: {cert: x}", "did you mean consul.tls.cert?"),
            ("consull: {token: word}", "consull: '{...}': unknown key; did you mean consul?"),
            ("logs: {level: info}", "did you mean log?"),
            ("tokn: word", "tokn: '***': unknown key; did you mean admin.token?"),
            ("consul: {tokn: word}", "tokn: '***': unknown key; did you mean consul.token?"),
            ("log: {zzzzz: 1}", "unknown key; known here: level, format, access"),
            ("1: 2", "1: 2: unknown key; known here: "),
            ("[a]: 2", "?: 2: unknown key"),
            ("<<: {ui_proxy: true}", "<<: '{...}': unknown key"),
        ],
    )
    def test_unknown_key_is_told_with_the_nearest(
        self, file: Path, text: str, problem: str
    ) -> None:
        """A key that is not known is answered with one that is."""
        (found,) = told(file, text)
        assert problem in found

    def test_key_that_stands_twice_is_told_with_both_lines(self, file: Path) -> None:
        """No value silently covers another in the same file."""
        text = "ui_proxy: true\nconsul:\n  timeout: 1s\n  timeout: 2s\nui_proxy: false\n"
        assert told(file, text) == [
            "edge.yaml:4: consul.timeout: '2s': expected once; it is also in line 3",
            "edge.yaml:5: ui_proxy: 'false': expected once; it is also in line 1",
        ]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("consul:\n  timeout: [1\n", "edge.yaml:3:1: syntax: "),
            ("consul:\n  token: secretword: x\n", "edge.yaml:2:20: syntax: 'mapping values are"),
            ("a: b\n---\na: b\n", "edge.yaml:2:1: syntax: "),
            ("a: *b\n", 'edge.yaml:1:4: syntax: "found undefined alias'),
            ("a: \0\n", "edge.yaml: syntax: '...': expected YAML in UTF-8"),
            ("[" * 5000, "edge.yaml: syntax: '...': expected YAML in UTF-8"),
        ],
        ids=["open-list", "colon", "two-documents", "alias", "zero-byte", "deep"],
    )
    def test_broken_yaml_is_told_with_line_and_column(
        self, file: Path, text: str, problem: str
    ) -> None:
        """What YAML cannot read is one problem with its place, and without the line's content."""
        (found,) = told(file, text)
        assert found.startswith(problem)
        assert "secretword" not in found

    def test_file_that_is_not_text_is_told(self, file: Path) -> None:
        """Bytes that are no UTF-8 are a problem and no traceback."""
        file.write_bytes(b"a: \xff\n")
        with pytest.raises(ConfigError, match="expected YAML in UTF-8"):
            load(file=file, env={}, flags={})

    def test_file_that_is_missing_is_told(self, tmp_path: Path) -> None:
        """A file that cannot be read is a problem with the system's reason."""
        with pytest.raises(ConfigError, match=r"--config: .*nofile.*No such file or directory"):
            load(file=tmp_path / "nofile", env={}, flags={})

    def test_file_that_is_a_folder_is_told(self, tmp_path: Path) -> None:
        """A folder is no file."""
        with pytest.raises(ConfigError, match=r"--config: .*Is a directory"):
            load(file=tmp_path, env={}, flags={})

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        [*(p.rpartition(".")[2] for p in SETTINGS), "consul", "tls", "cache", "x"]
                    ),
                    inner,
                    max_size=6,
                )
            ),
            max_leaves=12,
        )
    )
    def test_any_file_is_settings_or_problems(self, file: Path, tree: object) -> None:
        """No file makes loading fail in another way than with problems."""
        file.write_text(yaml.safe_dump(tree), "utf-8", "surrogatepass")
        try:
            assert isinstance(load(file=file, env={}, flags={}).settings, Settings)
        except ConfigError as error:
            problems = error.problems
            assert problems


class TestEveryProblem:
    def test_problems_of_all_sources_are_told_at_once(self, file: Path) -> None:
        """Wrong values, unknown keys, failed checks, variables and flags come in one error."""
        file.write_text(
            "listen: 127.0.0.1:8500\n"
            "tls: {cert: nofile.pem}\n"
            "consul: {timeout: soon, timeot: 1, servers: [127.0.0.1:8500, 'a:b']}\n"
            "watch: {max_per_server: 200}\n"
            "log: {level: 3}\n"
        )
        env = {"CONSUL_EDGE_UI_PROXI": "1", "CONSUL_HTTP_SSL_VERIFY": "maybe"}
        with pytest.raises(ConfigError) as caught:
            load(file=file, env=env, flags={"log.level": "loud"})
        assert {
            (f"{file}:3", "consul.timeot"),
            (f"{file}:3", "consul.timeout"),
            (f"{file}:3", "consul.servers[1]"),
            (f"{file}:3", "consul.servers"),
            (f"{file}:2", "tls.cert"),
            (f"{file}:4", "watch.max_per_server"),
            (f"{file}:5", "log.level"),
            ("CONSUL_EDGE_UI_PROXI", "ui_proxi"),
            ("CONSUL_HTTP_SSL_VERIFY", "consul.tls.verify"),
            ("--log-level", "log.level"),
        } == {(problem.where, problem.path) for problem in caught.value.problems}

    def test_text_of_the_error_has_a_line_for_each_problem(self, file: Path) -> None:
        """The error as text is the list of its problems."""
        problems = problems_of(file, "a: 1\nb: 2\n")
        assert 2 == len(problems) == len(str(ConfigError(problems)).splitlines())

    def test_bad_value_does_not_cause_a_problem_elsewhere(self, file: Path) -> None:
        """Nothing is compared with the default of a setting that could not be read."""
        text = "watch: {max_per_server: 200}\nconsul: {connections_per_server: many}\n"
        assert [problem.path for problem in problems_of(file, text)] == [
            "consul.connections_per_server"
        ]

    def test_bad_half_of_a_pair_does_not_count_as_missing(self, file: Path) -> None:
        """A key that could not be read is there all the same."""
        (problem,) = problems_of(file, f"tls: {{cert: {EXAMPLE}, key: 3}}\n")
        assert problem.path == "tls.key"

    def test_overridden_bad_value_leaves_the_good_one_to_the_checks(self, file: Path) -> None:
        """A mistake in the file does not hide one in the variable over it."""
        env = {"CONSUL_EDGE_WATCH__MAX_PER_SERVER": "200"}
        file_problem, variable_problem = told(file, "watch: {max_per_server: many}", env)
        assert file_problem.startswith("edge.yaml:1: watch.max_per_server: 'many'")
        assert "200: expected less than the 180" in variable_problem

    def test_overridden_value_is_checked_too(self, file: Path) -> None:
        """A mistake in the file does not wait until the variable over it is taken away."""
        env = {"CONSUL_EDGE_CONSUL__TIMEOUT": "3s"}
        (found,) = told(file, "consul: {timeout: soon}", env)
        assert found.startswith("edge.yaml:1: consul.timeout: 'soon'")
