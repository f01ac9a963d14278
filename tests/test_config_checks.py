"""What must hold between settings, that secrets stay secret, and how settings are shown."""

import copy
import os
from pathlib import Path

import pytest

from consul_edge.config import Secret, load, render
from consul_edge.config.schema import SECTIONS, mask, suggest
from consul_edge.core.errors import ConfigError
from tests.config_files import load_text, problems_of, told


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the path of a file that does not exist yet."""
    return tmp_path / "edge.yaml"


class TestChecks:
    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("tls: {cert: FILE}", "tls.cert: 'FILE': expected tls.key beside it"),
            ("tls: {key: FILE}", "tls.key: 'FILE': expected tls.cert beside it"),
            ("tls: {client_ca: FILE}", "tls.client_ca: 'FILE': expected tls.cert beside it"),
            ("consul: {tls: {cert: FILE}}", "consul.tls.cert: 'FILE': expected consul.tls.key be"),
            ("consul: {tls: {key: FILE}}", "consul.tls.key: 'FILE': expected consul.tls.cert be"),
            (
                "consul: {tls: {ca_file: nofile}}",
                "ca_file: 'nofile': expected a readable file: No",
            ),
            ("consul: {tls: {ca_file: FOLDER}}", "expected a readable file: Is a directory"),
            ("consul: {tls: {ca_path: FILE}}", "expected a readable folder: Not a directory"),
            ("consul: {token_file: nofile}", "consul.token_file: 'nofile': expected a readable"),
            ("consul: {auth_file: nofile}", "consul.auth_file: 'nofile': expected a readable"),
            ("consul: {token_file: FILE/x}", "expected a readable file: Not a directory"),
            (
                "watch: {max_per_server: 180}",
                "watch.max_per_server: 180: expected less than the 180 of",
            ),
            (
                "consul: {connections_per_server: 100}",
                "consul.connections_per_server: 100: expected more than the 110 of watch",
            ),
            ("consul: {tls: {enabled: true}, servers: 'unix:///x'}", "expected no consul.tls.en"),
        ],
    )
    def test_settings_that_do_not_fit_are_told(
        self, file: Path, tmp_path: Path, text: str, problem: str
    ) -> None:
        """What must hold between settings, and between them and the disk, is checked."""
        there, folder = tmp_path / "there.pem", tmp_path
        there.touch()
        text = text.replace("FILE", str(there)).replace("FOLDER", str(folder))
        (found,) = told(file, text)
        assert problem.replace("FILE", "there.pem") in found

    def test_file_without_permission_is_told(
        self, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file that is there and may not be read is a problem (asked of the system: no root)."""
        (tmp_path / "token").touch()
        monkeypatch.setattr(os, "access", lambda *_: False)
        (found,) = told(file, f"consul: {{token_file: {tmp_path}/token}}")
        assert "expected a readable file: Permission denied" in found

    def test_files_that_are_there_are_accepted(self, file: Path, tmp_path: Path) -> None:
        """Pairs that are whole and files that can be read are no problem."""
        pem = tmp_path / "x.pem"
        pem.touch()
        text = (
            f"tls: {{cert: {pem}, key: {pem}, client_ca: {pem}}}\n"
            f"consul: {{token_file: {pem}, tls: {{cert: {pem}, key: {pem}, ca_path: {tmp_path}}}}}"
        )
        assert pem == load_text(file, text).settings.consul.tls.cert

    @pytest.mark.parametrize(
        ("text", "path"),
        [
            ("listen: 127.0.0.1:8500", "consul.servers"),
            ("listen: ':8500'", "consul.servers"),
            ("listen: '[::]:1'\nconsul: {servers: [a, 'localhost:1']}", "consul.servers"),
            ("listen: 'unix:///run/e'\nconsul: {servers: 'unix:///run/e'}", "consul.servers"),
            ("listen: ':1'\nconsul: {main_server: '[::1]:1'}", "consul.main_server"),
            ("listen: ['a:1', ':2']\nconsul: {local_agent: '127.0.0.1:2'}", "consul.local_agent"),
        ],
    )
    def test_edge_pointed_at_itself_is_told(self, file: Path, text: str, path: str) -> None:
        """A server that is one of the listeners is refused with a text that says so."""
        (problem,) = problems_of(file, text)
        assert path == problem.path
        assert "the edge's own listen" in problem.expected


class TestSecrets:
    WORD = "b1gs3cret"

    def test_secret_shows_itself_only_when_asked(self) -> None:
        """Neither repr nor str nor formatting shows a secret."""
        secret = Secret(self.WORD)
        assert f"{secret} {secret!r} {secret!s}" == "*** *** ***"
        assert secret.reveal() == self.WORD

    def test_secrets_are_compared_by_what_they_hide(self) -> None:
        """A reload can tell whether the token changed."""
        assert Secret("a") == Secret("a") != Secret("b")
        assert hash(Secret("a")) == hash(copy.copy(Secret("a")))
        assert Secret("a") != "a"

    def test_secret_is_in_no_text_of_the_settings(self, file: Path) -> None:
        """Settings can be logged."""
        loaded = load_text(file, f"consul: {{token: {self.WORD}, auth: 'user:{self.WORD}'}}")
        assert self.WORD not in repr(loaded)
        assert self.WORD not in render(loaded)
        assert loaded.settings.consul.token == Secret(self.WORD)

    @pytest.mark.parametrize(
        "text",
        [
            'consul: {token: "WORD\\n"}',
            "consul: {token: [WORD]}",
            "consul: {auth: {user: WORD}}",
            "consul: {tokn: WORD}",
            "consul: {token: a, token: WORD}",
            "consul: {Auth: WORD}",
            "consul: {servers: 'http://user:WORD@host'}",
            "consul: {servers: 'http://us/er:WORD@host'}",
            "consul: {servers: 'user:WORD@host,b'}",
            "consul: {servers: ['http://host?token=WORD']}",
            "server: ['http://user:WORD@host']",
            "konsul: {token: WORD}",
            "token: word: WORD",
        ],
    )
    def test_secret_is_in_no_problem(self, file: Path, text: str) -> None:
        """What is told about a wrong configuration can be shown to anybody."""
        for problem in problems_of(file, text.replace("WORD", self.WORD)):
            assert self.WORD not in str(problem)

    def test_secret_of_an_unknown_variable_is_in_no_problem(self) -> None:
        """A misspelt variable for a secret does not give the secret away."""
        with pytest.raises(ConfigError) as caught:
            load(file=None, env={"CONSUL_EDGE_CONSUL_TOKEN": self.WORD}, flags={})
        assert self.WORD not in str(caught.value)


class TestRender:
    def test_rendered_settings_load_as_the_same(self, file: Path, tmp_path: Path) -> None:
        """What print-config writes is a configuration, but for its secrets."""
        pem = tmp_path / "a b.pem"
        pem.touch()
        loaded = load_text(
            file,
            "listen: [':1', '[::1]:2', 'unix:///run/e']\n"
            "allowed_hosts: ['on', '1e3', e]\n"
            "consul:\n"
            "  servers: ['https://a/x', 'unix:///run/c', 'b']\n"
            "  timeout: 1.5s\n"
            f"  token_file: {pem}\n"
            "  tls: {server_name: 'null'}\n"
            "limits: {body_bytes: 1000}\n"
            "cache:\n"
            "  stale_kv: ['a,b', ' x ', '1']\n"
            "  warm: ['/v1/health/service/web?passing', '/v1/catalog/nodes']\n"
            "  endpoints: {/v1/kv/config/: watch, coordinate_nodes: {ttl: 5}, kv: pass}\n",
        )
        again = tmp_path / "again.yaml"
        again.write_text(render(loaded))
        assert loaded.settings == load(file=again, env={}, flags={}).settings

    def test_rendered_setting_names_its_source(self, file: Path) -> None:
        """Each line ends with where its value came from."""
        file.write_text("watch: {max_per_server: 7}\n")
        flags = {"listen": ":1"}
        text = render(load(file=file, env={"CONSUL_HTTP_TOKEN": "x"}, flags=flags))
        lines = [line.strip() for line in text.splitlines()]
        assert "listen: [':1']  # --listen" in lines
        assert "token: '***'  # CONSUL_HTTP_TOKEN" in lines
        assert f"max_per_server: 7  # {file}:1" in lines
        assert "timeout: 2s  # default" in lines


class TestSchema:
    def test_every_section_is_known_by_its_path(self) -> None:
        """The table knows what holds settings."""
        assert {
            "tls",
            "consul",
            "consul.pool",
            "consul.tls",
            "cache",
            "watch",
            "limits",
            "access",
            "nodes",
            "sites",
            "rules",
            "admin",
            "log",
        } == set(SECTIONS)

    def test_nearest_key_prefers_the_same_name_elsewhere(self) -> None:
        """A key at the wrong place is more likely than a misspelt one."""
        assert suggest("tls.verify") == "unknown key; did you mean consul.tls.verify?"

    def test_long_value_is_cut(self) -> None:
        """A problem stays readable whatever was pasted into the file."""
        assert len(str(mask("log.level", "x" * 10_000))) < 200
