"""The environment: Consul's variables as its Go client reads them, ours, and who goes first."""

from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path

import pytest

from consul_edge.config import Loaded, Secret, load
from consul_edge.config.schema import SETTINGS
from consul_edge.config.sources import FLAGS, FOREIGN
from consul_edge.core.address import parse_listen, parse_server
from consul_edge.core.errors import ConfigError

TRUE = ("1", "t", "T", "TRUE", "true", "True")
FALSE = ("0", "f", "F", "FALSE", "false", "False")


def load_env(env: Mapping[str, str], **flags: str) -> Loaded:
    """Load from variables alone."""
    return load(file=None, env=env, flags=flags)


def told(env: Mapping[str, str]) -> list[str]:
    """Load variables that must be wrong, and give the problems as an operator reads them."""
    with pytest.raises(ConfigError) as caught:
        load_env(env)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("name", "text", "path", "value"),
    [
        ("CONSUL_SERVERS", "a,b:1", "servers", (parse_server("a"), parse_server("b:1"))),
        ("CONSUL_SERVERS", " a , b:1, ", "servers", (parse_server("a"), parse_server("b:1"))),
        ("CONSUL_HTTP_ADDR", "a:1", "servers", (parse_server("a:1"),)),
        ("CONSUL_HTTP_ADDR", "http://a:1", "servers", (parse_server("http://a:1"),)),
        ("CONSUL_HTTP_ADDR", "https://a:1/p", "servers", (parse_server("https://a:1/p"),)),
        ("CONSUL_HTTP_ADDR", "unix:///run/c", "servers", (parse_server("unix:///run/c"),)),
        ("MAIN_SERVER", "a", "main_server", parse_server("a:8500")),
        ("CONSUL_CATALOG_TIMEOUT", "2.5", "timeout", 2.5),
        ("CONSUL_CATALOG_TIMEOUT", "300ms", "timeout", 0.3),
        ("CONSUL_MAX_RETRIES", "0", "max_retries", 0),
        ("CONSUL_RETRY_DELAY", "0.25", "retry_delay", 0.25),
        ("CONSUL_SEMAPHORE_LIMIT", "7", "semaphore_limit", 7),
        ("CONSUL_HTTP_TOKEN", "abc", "token", Secret("abc")),
        ("CONSUL_HTTP_AUTH", "user:pass:word", "auth", Secret("user:pass:word")),
        ("CONSUL_HTTP_AUTH", "user", "auth", Secret("user")),
        ("CONSUL_CACERT", "FILE", "tls.ca_file", "FILE"),
        ("CONSUL_CAPATH", "FOLDER", "tls.ca_path", "FOLDER"),
        ("CONSUL_HTTP_TOKEN_FILE", "FILE", "token_file", "FILE"),
        ("CONSUL_TLS_SERVER_NAME", "consul.example", "tls.server_name", "consul.example"),
        ("CONSUL_TLS_SERVER_NAME", "consul.example:8501", "tls.server_name", "consul.example"),
        ("CONSUL_TLS_SERVER_NAME", "[::1]:8501", "tls.server_name", "::1"),
        ("CONSUL_EDGE_CONSUL__POOL__MAX_CONNECTIONS", "7", "pool.max_connections", 7),
        ("CONSUL_EDGE_CONSUL__TOKEN_FOR_CLIENTS", "t", "token_for_clients", True),
        ("CONSUL_EDGE_CONSUL__AUTH_FILE", "FILE", "auth_file", "FILE"),
    ],
)
def test_variable_sets_its_setting_and_is_named_as_the_source(
    tmp_path: Path, name: str, text: str, path: str, value: object
) -> None:
    """Each known variable is read by its setting's rules."""
    places = {"FILE": tmp_path / "there", "FOLDER": tmp_path}
    places["FILE"].touch()
    loaded = load_env({name: str(places.get(text, text))})
    assert places.get(str(value), value) == attrgetter(path)(loaded.settings.consul)
    assert name == loaded.sources[f"consul.{path}"]


@pytest.mark.parametrize(
    ("name", "text", "path", "value"),
    [
        ("CONSUL_EDGE_LISTEN", ":1,:2", "listen", (parse_listen(":1"), parse_listen(":2"))),
        ("CONSUL_EDGE_UI_PROXY", "TRUE", "ui_proxy", True),
        ("CONSUL_EDGE_ALLOWED_HOSTS", "a,b", "allowed_hosts", ("a", "b")),
        ("CONSUL_EDGE_LIMITS__HEAD_BYTES", "1KiB", "limits.head_bytes", 1024),
        ("CONSUL_EDGE_LOG__FORMAT", "json", "log.format", "json"),
        ("CONSUL_EDGE_CACHE__TTL", "0", "cache.ttl", 0.0),
        ("CONSUL_EDGE_CACHE__STALE_KV", "config/, a b/", "cache.stale_kv", ("config/", "a b/")),
        ("CONSUL_EDGE_ADMIN__TRUST_LOOPBACK", "1", "admin.trust_loopback", True),
        ("CONSUL_EDGE_ADMIN__TOKEN", "word", "admin.token", Secret("word")),
        ("CONSUL_EDGE_ADMIN_TOKEN", "word", "admin.token", Secret("word")),
    ],
)
def test_own_variable_reaches_every_section(
    name: str, text: str, path: str, value: object
) -> None:
    """Two underscores stand for the dot."""
    assert value == attrgetter(path)(load_env({name: text}).settings)


@pytest.mark.parametrize("path", SETTINGS)
def test_every_setting_has_a_variable(path: str) -> None:
    """No setting is out of the environment's reach: garbage in its variable is noticed there."""
    name = SETTINGS[path].variable
    (problem,) = told({name: "\0"})
    assert problem.startswith(f"{name}: {path}: ")


@pytest.mark.parametrize(("words", "value"), [(TRUE, True), (FALSE, False)], ids=["true", "false"])
def test_words_of_go_are_booleans(words: tuple[str, ...], value: bool) -> None:
    """The words of strconv.ParseBool switch TLS and its checks on and off."""
    for word in words:
        env = {"CONSUL_HTTP_SSL": word, "CONSUL_HTTP_SSL_VERIFY": word}
        tls = load_env(env).settings.consul.tls
        assert (value, value) == (tls.enabled, tls.verify), word


@pytest.mark.parametrize("word", ["yes", "no", "on", "tRUE", "2", " true", "false "])
@pytest.mark.parametrize("name", ["CONSUL_HTTP_SSL", "CONSUL_HTTP_SSL_VERIFY"])
def test_other_word_is_a_problem_and_not_a_no(name: str, word: str) -> None:
    """Go's client logs it and goes on without TLS or without checks; this one does not."""
    (problem,) = told({name: word})
    assert problem.startswith(f"{name}: consul.tls.")
    assert "expected one of 1, t, T, TRUE, true, True, 0," in problem


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("a:1", "https://a:1"),
        ("a", "https://a:8500"),
        ("http://a:1/p", "https://a:1/p"),
        ("https://a:1", "https://a:1"),
    ],
)
def test_ssl_makes_every_address_https(address: str, base: str) -> None:
    """CONSUL_HTTP_SSL lifts addresses up, also http:// as in Go."""
    env = {"CONSUL_HTTP_SSL": "true", "CONSUL_HTTP_ADDR": address, "MAIN_SERVER": address}
    consul = load_env(env).settings.consul
    assert consul.main_server is not None
    assert [base, base] == [consul.servers[0].base, consul.main_server.base]


def test_ssl_switched_off_leaves_https_as_it_is() -> None:
    """An address that says https is never asked without TLS."""
    env = {"CONSUL_HTTP_SSL": "false", "CONSUL_HTTP_ADDR": "https://a"}
    assert load_env(env).settings.consul.servers[0].base == "https://a:443"


def test_ssl_of_the_environment_lifts_servers_of_the_file(tmp_path: Path) -> None:
    """It does not matter which source says TLS and which the address."""
    file = tmp_path / "edge.yaml"
    file.write_text("consul: {servers: ['a:1']}")
    loaded = load(file=file, env={"CONSUL_HTTP_SSL": "1"}, flags={})
    assert loaded.settings.consul.servers[0].base == "https://a:1"


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ({"CONSUL_CLIENT_CERT": "FILE"}, "CONSUL_CLIENT_CERT"),
        ({"CONSUL_CLIENT_KEY": "FILE"}, "CONSUL_CLIENT_KEY"),
    ],
)
def test_half_a_client_certificate_is_a_problem(
    tmp_path: Path, env: dict[str, str], name: str
) -> None:
    """Certificate and key come together, as in Go."""
    pem = tmp_path / "x.pem"
    pem.touch()
    (problem,) = told(dict.fromkeys(env, str(pem)))
    assert problem.startswith(f"{name}: consul.tls.")
    assert "beside it" in problem


class TestPrecedence:
    LEVELS = (
        ("file", "edge.yaml:1", 1.0),
        ("foreign", "CONSUL_CATALOG_TIMEOUT", 2.5),
        ("own", "CONSUL_EDGE_CONSUL__TIMEOUT", 3.0),
    )

    @pytest.mark.parametrize("count", [1, 2, 3], ids=["file", "foreign", "own"])
    def test_greater_source_goes_before_lesser_ones(self, tmp_path: Path, count: int) -> None:
        """Own variables go before Consul's, those before the file."""
        file = tmp_path / "edge.yaml"
        file.write_text("consul: {timeout: 1}")
        env = {name: str(value) for _, name, value in self.LEVELS[1:count]}
        loaded = load(file=file, env=env, flags={})
        _, source, value = self.LEVELS[count - 1]
        assert value == loaded.settings.consul.timeout
        assert loaded.sources["consul.timeout"].endswith(source)

    @pytest.mark.parametrize(("path", "flag"), FLAGS.items(), ids=FLAGS)
    def test_flag_goes_before_every_variable(self, path: str, flag: str) -> None:
        """A flag is the last word, and named as the source."""
        texts = {"listen": ":1", "consul.servers": "a", "log.level": "debug"}
        others = {"listen": ":2", "consul.servers": "b", "log.level": "error"}
        env = {SETTINGS[path].variable: others[path], "CONSUL_SERVERS": "c"}
        loaded = load(file=None, env=env, flags={path: texts[path]})
        assert flag == loaded.sources[path]
        assert attrgetter(path)(load_env({}, **{path: texts[path]}).settings) == attrgetter(path)(
            loaded.settings
        )

    def test_flag_given_more_than_once_is_a_list(self) -> None:
        """What argparse appends is taken as it is."""
        loaded = load(file=None, env={}, flags={"listen": [":1", ":2"], "log.level": None})
        assert (parse_listen(":1"), parse_listen(":2")) == loaded.settings.listen
        assert loaded.sources["log.level"] == "default"

    def test_list_of_servers_goes_before_the_one_address(self) -> None:
        """CONSUL_HTTP_ADDR counts only without CONSUL_SERVERS."""
        env = {"CONSUL_HTTP_ADDR": "a", "CONSUL_SERVERS": "b"}
        assert (parse_server("b"),) == load_env(env).settings.consul.servers

    def test_empty_variable_counts_as_absent(self) -> None:
        """An empty variable sets nothing, as in Go; so it is with ours."""
        names = [name for names in FOREIGN.values() for name in names]
        env = dict.fromkeys([*names, "CONSUL_EDGE_UI_PROXY", "CONSUL_EDGE_NOTHING"], "")
        assert load_env({}) == load_env(env)

    def test_foreign_variable_that_is_overridden_is_not_judged(self) -> None:
        """What was set for other programs and is not used cannot keep the edge from starting."""
        env = {"CONSUL_HTTP_ADDR": "a:b", "CONSUL_SERVERS": "a,b", "CONSUL_MAX_RETRIES": "x"}
        env["CONSUL_EDGE_CONSUL__MAX_RETRIES"] = "3"
        assert load_env(env).settings.consul.max_retries == 3

    def test_regular_name_goes_before_its_alias(self) -> None:
        """Of our two names for the admin token the regular one counts."""
        env = {"CONSUL_EDGE_ADMIN_TOKEN": "alias", "CONSUL_EDGE_ADMIN__TOKEN": "regular"}
        loaded = load_env(env)
        assert loaded.settings.admin.token == Secret("regular")
        assert loaded.sources["admin.token"] == "CONSUL_EDGE_ADMIN__TOKEN"


class TestTwins:
    @pytest.fixture
    def there(self, tmp_path: Path) -> str:
        """Give the path of a file that exists."""
        (tmp_path / "there").touch()
        return str(tmp_path / "there")

    def test_file_of_the_same_source_wins_and_keeps_the_token_behind_it(self, there: str) -> None:
        """Both are handed on, as Consul's client uses the token while the file is empty."""
        env = {"CONSUL_HTTP_TOKEN": "word", "CONSUL_HTTP_TOKEN_FILE": there}
        consul = load_env(env).settings.consul
        assert (Secret("word"), Path(there)) == (consul.token, consul.token_file)

    @pytest.mark.parametrize("name", ["token", "auth"])
    def test_secret_of_a_greater_source_drops_the_file(
        self, tmp_path: Path, there: str, name: str
    ) -> None:
        """A token of the environment is not undone by the file's token_file."""
        file = tmp_path / "edge.yaml"
        file.write_text(f"consul: {{{name}_file: {there}}}")
        env = {f"CONSUL_HTTP_{name.upper()}": "word"}
        loaded = load(file=file, env=env, flags={})
        assert attrgetter(f"{name}_file")(loaded.settings.consul) is None
        assert Secret("word") == attrgetter(name)(loaded.settings.consul)
        assert f"CONSUL_HTTP_{name.upper()}" == loaded.sources[f"consul.{name}_file"]

    def test_admin_token_has_its_twin_by_either_name(self, tmp_path: Path, there: str) -> None:
        """The alias of the file and the regular name of the token are of one rank."""
        env = {"CONSUL_EDGE_ADMIN__TOKEN": "word", "CONSUL_EDGE_ADMIN_TOKEN_FILE": there}
        admin = load_env(env).settings.admin
        assert (Secret("word"), Path(there)) == (admin.token, admin.token_file)
        file = tmp_path / "edge.yaml"
        file.write_text(f"admin: {{token_file: {there}}}")
        admin = load(file=file, env={"CONSUL_EDGE_ADMIN_TOKEN": "word"}, flags={}).settings.admin
        assert (Secret("word"), None) == (admin.token, admin.token_file)

    def test_file_of_a_greater_source_drops_the_secret(self, there: str) -> None:
        """An own variable for the file goes before Consul's for the token."""
        env = {"CONSUL_HTTP_TOKEN": "word", "CONSUL_EDGE_CONSUL__TOKEN_FILE": there}
        consul = load_env(env).settings.consul
        assert (None, Path(there)) == (consul.token, consul.token_file)


class TestUnknown:
    @pytest.mark.parametrize(
        ("name", "near"),
        [
            ("CONSUL_EDGE_CONSUL_TIMEOUT", "CONSUL_EDGE_CONSUL__TIMEOUT"),
            ("CONSUL_EDGE_LISTENS", "CONSUL_EDGE_LISTEN"),
            ("CONSUL_EDGE_UI_PROXI", "CONSUL_EDGE_UI_PROXY"),
            (
                "CONSUL_EDGE_CONSUL__POOL__MAX_CONECTIONS",
                "CONSUL_EDGE_CONSUL__POOL__MAX_CONNECTIONS",
            ),
        ],
    )
    def test_own_variable_that_is_unknown_is_told_with_the_nearest(
        self, name: str, near: str
    ) -> None:
        """A misspelt variable does not vanish without a word."""
        (problem,) = told({name: "x"})
        assert problem.startswith(f"{name}: ")
        assert problem.endswith(f"unknown variable; did you mean {near}?")

    def test_own_variable_like_nothing_is_told_without_a_guess(self) -> None:
        """A far-fetched guess helps nobody."""
        assert told({"CONSUL_EDGE_QQQ": "x"}) == ["CONSUL_EDGE_QQQ: qqq: 'x': unknown variable"]

    @pytest.mark.parametrize(
        "name",
        [
            "CONSUL_EDGE_SERVICE_HOST",
            "CONSUL_EDGE_SERVICE_PORT",
            "CONSUL_EDGE_SERVICE_PORT_HTTP",
            "CONSUL_EDGE_PORT",
            "CONSUL_EDGE_PORT_8510_TCP",
            "CONSUL_EDGE_PORT_8510_TCP_ADDR",
        ],
    )
    def test_variable_that_kubernetes_makes_is_let_be(self, name: str) -> None:
        """A Service called consul-edge puts variables into the pods beside it."""
        assert load_env({}) == load_env({name: "tcp://10.0.0.1:8510"})

    @pytest.mark.parametrize(
        "name",
        [
            "CONSUL_NAMESPACE",
            "CONSUL_PARTITION",
            "CONSUL_GRPC_ADDR",
            "PATH",
        ],
    )
    def test_variable_of_others_is_let_be(self, name: str) -> None:
        """What nothing here reads is no problem."""
        assert load_env({}) == load_env({name: "x"})
