"""
No secret is told anywhere but where it belongs: planted in every place that can carry one, looked
for in every place that tells anything.  What clients send in requests is in ``test_secrets``.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from consul_edge import cli
from consul_edge.demo.standin import StandIn
from consul_edge.web.keys import ARCHIVE, CACHE
from tests.consul import MASTER_TOKEN, ConsulAgent
from tests.edge import EdgeProcess
from tests.house import edge_over
from tests.peers import require
from tests.wire import Answer, Wire, exchange

CLIENTS = "c11e2700-5ec2-e75e-c25e-c2e75ec2e75e"
"""A client's token, which Consul does not know."""

DOCUMENTS = (
    *("/", "/nodes", "/metrics", "/-/ready", "/-/healthy", "/api/v1/edge", "/api/v1/openapi.json"),
    *("/api/v1/nodes", "/api/v1/services", "/api/v1/services?format=columns", "/api/v1/sites"),
    *("/api/v1/services?format=csv", "/api/v1/categories", "/api/v1/sd", "/api/v1/nowhere"),
    *("/api/v1/monitoring/data", "/api/v1/monitoring/summary", "/api/v1/monitoring/categories"),
    *("/api/v1/categorize?service=web", "/static/page.css", "/nowhere"),
)
"""Whatever the edge itself writes."""

READS = (*("/v1/catalog/nodes",) * 3, "/v1/health/service/consul", "/v1/kv/a?stale", "/v1/kv/a")
"""What is kept, and perhaps for longer than the process lives."""

ADMIN = (
    *("/api/v1/admin/cache/all/info", "/api/v1/admin/cache/proxy/info", "/api/v1/admin/rules"),
    *("/api/v1/admin/cache/proxy/info?prefix=/v1/", "/api/v1/admin/cache/nodes/info"),
)


@dataclass(frozen=True)
class Told:
    """All that an edge with many secrets told in its life, and the secrets."""

    secrets: dict[str, str]
    """By where they are planted, each another text."""

    answers: list[Answer]
    events: list[str]
    words: bytes
    """Of its command line, as everybody may list them."""
    snapshot: bytes
    mode: int
    """Of the snapshot's file."""
    log: list[str]

    def found(self, *texts: str | bytes) -> list[str]:
        """Name the secrets that are in one of some texts."""
        raw = [text.encode() if isinstance(text, str) else text for text in texts]
        return [
            place
            for place, secret in self.secrets.items()
            if any(secret.encode() in text for text in raw)
        ]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Have an edge over an agent that denies by default asked for everything, and end it."""
    require("consul")
    folder = tmp_path_factory.mktemp("secrets")
    with ConsulAgent(acl=True) as agent, planted(agent, folder) as (edge, secrets):
        answers = ask(edge, secrets["admin.token_file"])
        events = [first_events(edge, token) for token in (MASTER_TOKEN, CLIENTS)]
        words = Path(f"/proc/{edge.pid}/cmdline").read_bytes()
        edge.terminate()
        file = folder / "snapshot"
        mode = file.stat().st_mode
        yield Told(secrets, answers, events, words, file.read_bytes(), mode, edge.log_lines())


@contextlib.contextmanager
def planted(agent: ConsulAgent, folder: Path) -> Iterator[tuple[EdgeProcess, dict[str, str]]]:
    """Run an edge whose own token may do everything, with a password and an admin token."""
    secrets = {
        "admin.token_file": "ad317000-5ec2-e75e",
        "admin.token": "ad317001-5ec2-e75e",
        "consul.auth_file": "ba51c000c5ec2e75e",
        "consul.auth": "ba51c001c5ec2e75e",
        "consul.token": "70ce1100-5ec2-e75e",
        "CONSUL_HTTP_TOKEN": "e7700001-5ec2-e75e",
        "CONSUL_HTTP_AUTH": "e7700002c5ec2e75e",
        "the client": CLIENTS,
        "consul.token_file": MASTER_TOKEN,
    }
    for name in ("admin.token_file", "consul.auth_file", "consul.token_file"):
        user = "edge:" if "auth" in name else ""
        (folder / name).write_text(f"{user}{secrets[name]}\n")
    settings = {
        "consul": {
            "token": secrets["consul.token"],
            "auth": f"edge:{secrets['consul.auth']}",
            "token_for_clients": True,
        },
        "admin": {
            "token": secrets["admin.token"],
            "token_file": str(folder / "admin.token_file"),
        },
        "cache": {"snapshot": str(folder / "snapshot"), "stale_kv": ["a"]},
        "log": {"access": True, "level": "debug"},
    }
    env = {
        "CONSUL_EDGE_CONSUL__TOKEN_FILE": str(folder / "consul.token_file"),
        "CONSUL_EDGE_CONSUL__AUTH_FILE": str(folder / "consul.auth_file"),
        "CONSUL_HTTP_TOKEN": secrets["CONSUL_HTTP_TOKEN"],
        "CONSUL_HTTP_AUTH": f"edge:{secrets['CONSUL_HTTP_AUTH']}",
    }
    with EdgeProcess([agent.server], settings, env=env) as edge:
        yield edge, secrets


def ask(edge: EdgeProcess, admin: str) -> list[Answer]:
    """Ask for everything, as everybody."""
    where = (edge.address, edge.port)
    answers = []
    exchange(where, "PUT", "/v1/kv/a", [("X-Consul-Token", MASTER_TOKEN)], b"kept")
    for token in (CLIENTS, MASTER_TOKEN, ""):
        headers = [("X-Consul-Token", token)] if token else []
        answers += [exchange(where, "GET", target, headers) for target in (*DOCUMENTS, *READS)]
    bearer = [("Authorization", f"Bearer {admin}")]
    answers += [exchange(where, "GET", target, bearer) for target in ADMIN]
    answers.append(exchange(where, "POST", "/api/v1/admin/cache/sites/flush", bearer))
    return answers


def first_events(edge: EdgeProcess, token: str) -> str:
    """Follow the events until the first of them, or the refusal."""
    with Wire(edge.address, edge.port) as wire:
        wire.send("GET", "/api/v1/events", [("X-Consul-Token", token)])
        head = wire.read_head()
        first = wire.read_chunk() if head[0] == 200 else b""
    return f"{head} {first!r}"


@pytest.mark.real
def test_no_secret_is_in_what_the_edge_writes_itself(told: Told) -> None:
    """Documents, pages, metrics, admin calls and refusals, heads included."""
    assert {200, 404} <= {answer.status for answer in told.answers}
    texts = [f"{one.reason} {one.headers}".encode() + one.content for one in told.answers]
    assert len(texts) > 3 * len(DOCUMENTS)
    assert told.found(*texts) == []


@pytest.mark.real
def test_no_secret_is_in_the_log(told: Told) -> None:
    """With each request and each detail, until the end."""
    assert len(told.log) > len(DOCUMENTS)
    assert told.found(*told.log) == []


@pytest.mark.real
def test_no_secret_is_in_the_stream_of_events(told: Told) -> None:
    """A reader is told who he is by nothing that others could use."""
    assert "200" in told.events[0]
    assert told.found(*told.events) == []


@pytest.mark.real
def test_no_secret_is_in_the_snapshot(told: Told) -> None:
    """What outlives the process holds what tokens have seen, and none of them."""
    assert b"catalog_nodes" in told.snapshot
    assert told.found(told.snapshot) == []


@pytest.mark.real
def test_snapshot_is_its_owners_alone(told: Told) -> None:
    """It holds what tokens have seen."""
    assert told.mode & 0o077 == 0


@pytest.mark.real
def test_no_secret_is_in_the_words_of_the_process(told: Told) -> None:
    """Everybody on the machine may list them (``ps``)."""
    assert b"serve" in told.words
    assert told.found(told.words) == []


@pytest.mark.parametrize("command", ["serve", "demo", "print-config", "admin", "bench"])
def test_no_option_takes_a_secret(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What stands on a command line stands in histories and lists of processes."""
    with pytest.raises(SystemExit):
        cli.run([command, "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert options
    secret = re.compile(r"token|auth|secret|password")
    assert {one for one in options if secret.search(one)} <= {"--token-file", "--admin-token-file"}


SECRET = "5ec2e75e-c2e7-5ec2-e75e-c25ec2e75ec2"
NUMBER = "5162751627516275"

FILES = {
    "good": f"consul: {{token: {SECRET}, auth: 'u:{SECRET}'}}\nadmin: {{token: {SECRET}}}\n",
    "a mistake beside": f"consul: {{token: {SECRET}, timeout: soon}}\nadmin: {{token: {SECRET}}}",
    "a misspelt key": f"consul: {{tokn: {SECRET}}}\n",
    "a key in the wrong place": f"token: {SECRET}\nadmin_token: {SECRET}\n",
    "a number": f"consul: {{token: {NUMBER}}}\n",
    "a list": f"consul: {{token: [{SECRET}]}}\n",
    "a mapping": f"consul: {{auth: {{user: u, password: {SECRET}}}}}\n",
    "twice": f"consul:\n  token: {SECRET}\n  token: {SECRET}x\n",
    "no YAML": f'consul: {{token: "{SECRET}\n',
    "no YAML behind it": f"consul:\n  token: {SECRET}\n   auth: '{SECRET}'\n",
    "a tag": f"consul: {{token: !secret {SECRET}}}\n",
    "an anchor": f"consul: {{token: &t {SECRET}, auth: *u}}\n",
    "control characters": f'consul: {{token: "{SECRET}\\n"}}\n',
    "a server's user": f"consul: {{servers: ['http://u:{SECRET}@10.0.0.1:8500']}}\n",
    "a server's parameter": f"consul: {{servers: ['http://10.0.0.1:8500?token={SECRET}']}}\n",
    "a server's fragment": f"consul: {{main_server: 'http://10.0.0.1:8500#{SECRET}'}}\n",
    "a user without a scheme": f"consul: {{servers: ['u:{SECRET}@10.0.0.1', 'a']}}\n",
    "a warm target": f"cache: {{warm: ['/v1/kv/a?token={SECRET}', '/v1/acl/info/{SECRET}']}}\n",
    "a secret instead of a section": f"consul: {SECRET}\n",
    "a secret in a list instead": f"admin: [{SECRET}]\n",
    "a secret instead of everything": f"{SECRET}\n",
    "an access list": f"access: {{deny: ['/v1/kv/a?token={SECRET}']}}\n",
}
"""Secrets in a file, each with a mistake but in the first."""


@pytest.mark.parametrize("command", ["check-config", "print-config", "serve"])
@pytest.mark.parametrize("name", FILES)
def test_no_secret_of_the_file_is_shown_whatever_is_wrong_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, name: str
) -> None:
    """Problems are told by place and name, and values are masked, in all commands."""
    is_good = name == "good" and command != "serve"
    text = FILES[name] + ("" if name != "good" or is_good else "watch: {wait: soon}\n")
    file = tmp_path / "edge.yaml"
    file.write_text(text)
    code = cli.run([command, "--config", str(file)])
    told = "".join(capsys.readouterr())
    assert [one for one in (SECRET, NUMBER) if one in told] == [], told
    assert told
    assert code == (0 if is_good else 2), told


VARIABLES = {
    "CONSUL_HTTP_TOKEN": SECRET,
    "CONSUL_HTTP_AUTH": f"u:{SECRET}",
    "CONSUL_HTTP_ADDR": f"http://u:{SECRET}@10.0.0.1:8500",
    "CONSUL_SERVERS": f"10.0.0.1,http://u:{SECRET}@10.0.0.2",
    "CONSUL_EDGE_CONSUL__TOKEN": SECRET,
    "CONSUL_EDGE_CONSUL__TOKN": SECRET,
    "CONSUL_EDGE_TOKEN": SECRET,
    "CONSUL_EDGE_ADMIN_TOKEN": SECRET,
    "CONSUL_EDGE_CONSUL__AUTH": f"u:{SECRET}",
    "CONSUL_EDGE_CACHE__WARM": f"/v1/kv/a?token={SECRET}",
}


@pytest.mark.parametrize("variable", VARIABLES)
def test_no_secret_of_a_variable_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str
) -> None:
    """The environment is masked like the file, with a mistake beside it."""
    for name in tuple(os.environ):
        if name.startswith(("CONSUL_", "MAIN_SERVER")):
            monkeypatch.delenv(name)
    monkeypatch.setenv(variable, VARIABLES[variable])
    monkeypatch.setenv("CONSUL_EDGE_LOG__LEVEL", "chatty")
    for command in ("check-config", "print-config"):
        assert cli.run([command]) == 2
        assert SECRET not in "".join(capsys.readouterr())


async def test_no_token_is_in_the_keys_of_what_is_kept() -> None:
    """Answers, pictures and documents are told apart by digests that only this process makes."""
    standin = StandIn(nodes=3, services=5, tokens={"": None, SECRET: None})
    async with standin.running() as url, edge_over(url) as house:
        headers = [("X-Consul-Token", SECRET)]
        for target in ("/v1/catalog/nodes", "/v1/health/service/web", "/api/v1/services"):
            for _ in range(2):
                assert (await house.ask("GET", target, headers)).status == 200
        lines = list(house.app[CACHE].lines)
        assert any(line.key.identity for line in lines)
        kept = [repr(line.key) + line.key.name for line in lines]
        archive = house.app[ARCHIVE]
        documents = repr([*archive._documents._cache, *archive._listings._cache])
        assert any(line.key.identity in documents for line in lines if line.key.identity)
        assert [text for text in (*kept, documents) if SECRET in text] == []
