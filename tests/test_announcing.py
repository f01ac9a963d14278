"""What is told at the start: what matters in one line, and each risk that is taken."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from consul_edge.announcing import RISKS, Risk, announce, warn
from consul_edge.config import Settings, load
from consul_edge.logs import redact

SAFE = {"CONSUL__LOCAL_AGENT": "127.0.0.1:8500"}
"""What an installation without a risk says."""


def settings_of(**given: str) -> Settings:
    """Read settings that are safe but for what is given."""
    env = {f"CONSUL_EDGE_{name}": value for name, value in (SAFE | given).items()}
    return load(file=None, env=env, flags={}).settings


@pytest.fixture
def lines() -> Iterator[list[EventDict]]:
    """Collect what is logged."""
    with capture_logs() as lines:
        yield lines


TAKEN = {
    "consul.local_agent": ({"CONSUL__LOCAL_AGENT": ""}, {"local_agent": "127.0.0.1:8500"}),
    "consul.token_for_clients": ({"CONSUL__TOKEN_FOR_CLIENTS": "true"}, {}),
    "admin.trust_loopback": ({"ADMIN__TRUST_LOOPBACK": "true"}, {}),
    "cache.stale_kv": ({"CACHE__STALE_KV": "config/,web/"}, {"prefixes": "config/,web/"}),
    "consul.tls.verify": (
        {"CONSUL__TLS__VERIFY": "false", "CONSUL__SERVERS": "https://a,b"},
        {"servers": "a:443"},
    ),
    "tls.cert": (
        {"LISTEN": "127.0.0.1:1,:8510,10.0.0.7:8510,unix:///run/e.sock"},
        {"listen": ":8510,10.0.0.7:8510"},
    ),
    "consul.servers": (
        {"CONSUL__TOKEN": "t", "CONSUL__SERVERS": "10.0.0.1:8500,https://b,[::1]:8500"},
        {"servers": "10.0.0.1:8500"},
    ),
    "access.deny": (
        {"ACCESS__DENY": "/v1/catalog/,page"},
        {"closed": "/v1/catalog/nodes,/v1/catalog/services", "deny_too": "api"},
    ),
}
"""By the setting that a line names: what takes the risk, and what the line tells."""


@pytest.mark.parametrize("setting", TAKEN)
def test_risk_that_is_taken_is_a_warning_of_its_own(lines: list[EventDict], setting: str) -> None:
    """One line, by the setting's name, with what it is about."""
    given, facts = TAKEN[setting]
    warn(settings_of(**given))
    assert len(lines) == 1
    assert lines[0].pop("log_level") == "warning"
    assert setting in lines[0].pop("event")
    assert lines[0] == facts


def test_every_risk_has_a_case() -> None:
    """A line that no test takes may never come."""
    texts = [risk.text for risk in RISKS]
    assert len(texts) == len(TAKEN)
    assert all(sum(setting in text for text in texts) >= 1 for setting in TAKEN)


SAFELY = {
    "nothing": {},
    "loopback alone": {"LISTEN": "127.0.0.1:8510,[::1]:8510,localhost:8511"},
    "a unix socket": {"LISTEN": "unix:///run/edge.sock"},
    "a token over loopback": {"CONSUL__TOKEN": "t", "CONSUL__SERVERS": "127.0.0.9:8500,[::1]"},
    "a token over a unix socket": {"CONSUL__TOKEN": "t", "CONSUL__SERVERS": "unix:///run/c"},
    "a token over TLS": {"CONSUL__TOKEN": "t", "CONSUL__SERVERS": "https://10.0.0.1"},
    "plain servers and no token": {"CONSUL__SERVERS": "10.0.0.1:8500"},
    "all closed": {"ACCESS__ALLOW": "kv"},
    "closed with all that shows it": {"ACCESS__DENY": "/v1/catalog/,api,page"},
    "closed what nothing shows": {"ACCESS__DENY": "kv,acl"},
    "read-only": {"ACCESS__READ_ONLY": "true"},
}


@pytest.mark.parametrize("given", SAFELY.values(), ids=SAFELY)
def test_risk_that_is_not_taken_is_not_told(lines: list[EventDict], given: dict[str, str]) -> None:
    """Who reads a warning that is none reads the next one less well."""
    warn(settings_of(**given))
    assert lines == []


@pytest.mark.parametrize(
    "given",
    [
        {"CONSUL__AUTH": "u:p"},
        {"CONSUL__TOKEN_FILE": "/dev/null"},
        {"CONSUL__MAIN_SERVER": "10.0.0.1:8500", "CONSUL__TOKEN": "t"},
        {"CONSUL__LOCAL_AGENT": "10.0.0.1:8500", "CONSUL__TOKEN": "t"},
    ],
)
def test_secret_that_goes_out_unencrypted_anywhere_is_told(
    lines: list[EventDict], given: dict[str, str]
) -> None:
    """A password is a secret, too, and each place that is asked counts."""
    warn(settings_of(**({"CONSUL__SERVERS": "10.0.0.1:8500"} | given)))
    assert [line["servers"] for line in lines] == ["10.0.0.1:8500"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {},
            {"cache": "live", "acl": "no token of its own", "tls": "off", "access": "open"},
        ),
        (
            {"CACHE__MODE": "strict", "CONSUL__TOKEN": "t", "ACCESS__READ_ONLY": "true"},
            {"cache": "strict", "acl": "own token", "access": "read-only"},
        ),
        (
            {
                "TLS__CERT": "/dev/null",
                "TLS__KEY": "/dev/null",
                "CONSUL__TOKEN_FILE": "/dev/null",
                "CONSUL__TOKEN_FOR_CLIENTS": "true",
                "ACCESS__READ_ONLY": "true",
                "ACCESS__DENY": "acl",
            },
            {"tls": "on", "acl": "own token, for clients too", "access": "read-only, lists"},
        ),
        (
            {"TLS__CERT": "/dev/null", "TLS__KEY": "/dev/null", "TLS__CLIENT_CA": "/dev/null"},
            {"tls": "on, with client certificates", "servers": "127.0.0.1:8500"},
        ),
    ],
)
def test_start_is_told_in_one_line(
    lines: list[EventDict], given: dict[str, str], told: dict[str, str]
) -> None:
    """Listeners, servers, cache, tokens and what is closed, before any warning."""
    announce(settings_of(**given), local_agent="127.0.0.1:8500", instance="e1")
    first = lines[0]
    assert (first["event"], first["log_level"]) == ("serving", "info")
    assert first["listen"] == "127.0.0.1:8510"
    assert told.items() <= first.items()


def test_no_secret_is_told(lines: list[EventDict]) -> None:
    """That there is one is told, and never which."""
    given = {"CONSUL__TOKEN": "5ec2e7", "CONSUL__AUTH": "u:5ec2e7", "ADMIN__TOKEN": "5ec2e7"}
    servers = {"CONSUL__SERVERS": "10.0.0.1:8500", "LISTEN": ":8510"}
    announce(settings_of(**given, **servers), local_agent="a", instance="b")
    assert "5ec2e7" not in repr(lines)


@pytest.mark.parametrize("risk", RISKS, ids=lambda risk: risk.text[:30])
def test_risk_has_no_word_that_is_taken_for_a_secret(risk: Risk) -> None:
    """What would be blanked in it is what the operator is to read."""
    assert redact(risk.text) == risk.text
