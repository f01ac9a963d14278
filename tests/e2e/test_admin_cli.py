"""``consul-edge admin`` as an operator runs it, against a running edge."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.authority import Authority
from tests.edge import PORT, EdgeProcess
from tests.processes import Process, clean_environment, fresh_address
from tests.waiting import wait_until
from tests.wire import exchange

TOKEN: Final = "0000adm1-5ec2-e75e-c25e-c2e75ec2e75e"

SERVICES: Final = "/v1/catalog/services"


@pytest.fixture(scope="module")
def consul(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a stand-in: that behind a demo, which is an edge, too."""
    folder = tmp_path_factory.mktemp("demo")
    address = fresh_address()
    words = ("demo", "--nodes", "1", "--services", "1", "--churn", "0", "--seed", "1")
    command = (sys.executable, "-m", "consul_edge", *words, "--listen", f"{address}:{PORT}")
    process = Process("demo", command, folder / "log")
    try:
        wait_until(lambda: exchange((address, PORT), "GET", SERVICES).status == 200, "the demo")
        yield f"{address}:{PORT}"
    finally:
        process.terminate()


@pytest.fixture(scope="module")
def running(consul: str) -> Iterator[EdgeProcess]:
    """Give an edge whose admin token is configured."""
    with EdgeProcess([consul], {"admin": {"token": TOKEN}}) as edge:
        yield edge


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """Give a file with the right token."""
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    return file


def admin(
    *words: str | Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "consul_edge", "admin", *map(str, words)],
        env=clean_environment() | dict(env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """Give the one line that says why nothing was done."""
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line.removeprefix("consul-edge: ")


def fill(edge: EdgeProcess, *targets: str) -> None:
    """Have some answers kept."""
    for target in targets:
        assert exchange((edge.address, edge.port), "GET", target).status == 200


def test_flush_by_hand_is_told_in_one_line(running: EdgeProcess, token_file: Path) -> None:
    """When, what, how much, and that it was here only."""
    fill(running, SERVICES)
    done = admin("flush", "proxy", "--url", running.http, "--token-file", token_file)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert "1 flushed" in line
    assert "everything" in line


@pytest.mark.parametrize(
    ("words", "flushed"),
    [
        (("--key", f"{SERVICES}?dc=dc1&near=x"), 1),
        (("--key", f"{SERVICES}?near=x"), 0),
        (("--prefix", f"{SERVICES}?"), 1),
        (("--prefix", SERVICES), 2),
    ],
)
def test_key_or_prefix_is_said_only_that_is_flushed(
    words: tuple[str, ...], flushed: int, running: EdgeProcess, token_file: Path
) -> None:
    """A target is typed as it is: the command encodes what must be."""
    where = ("--url", running.http, "--token-file", token_file)
    admin("flush", "all", *where)
    fill(running, SERVICES, f"{SERVICES}?near=x&dc=dc1")
    done = admin("flush", "proxy", *words, *where, "--json")
    assert json.loads(done.stdout)["flushed"] == flushed


def test_info_by_hand_is_a_page_of_lines(running: EdgeProcess, token_file: Path) -> None:
    """The sums, then the keys."""
    fill(running, SERVICES)
    done = admin("info", "proxy", "--url", running.http, "--token-file", token_file)
    assert done.returncode == 0
    first, *_, last = done.stdout.splitlines()
    assert first.startswith("cache       proxy of instance ")
    assert last.endswith(f"  {SERVICES}")


def test_json_is_asked_for_the_answer_is_shown_as_it_came(
    running: EdgeProcess, token_file: Path
) -> None:
    """For programs."""
    done = admin("info", "all", "--url", running.http, "--token-file", token_file, "--json")
    assert json.loads(done.stdout)["namespaces"]["proxy"]["max_entries"] == 10_000


@pytest.mark.parametrize("name", ["CONSUL_EDGE_ADMIN_TOKEN", "CONSUL_EDGE_ADMIN_TOKEN_FILE"])
def test_token_of_the_environment_is_used(
    name: str, running: EdgeProcess, token_file: Path
) -> None:
    """As the edge itself would."""
    value = TOKEN if name.endswith("TOKEN") else str(token_file)
    done = admin("info", "proxy", "--url", running.http, env={name: value})
    assert done.returncode == 0, done.stderr


def test_configuration_of_the_edge_has_address_and_token(running: EdgeProcess) -> None:
    """Nothing else need be said on the edge's own machine."""
    done = admin("flush", "proxy", "--config", running.config)
    assert done.returncode == 0, done.stderr


def test_edge_listens_everywhere_it_is_asked_at_loopback(consul: str, tmp_path: Path) -> None:
    """What is listened on is not always what can be asked: the file is this edge's, the call
    goes to loopback, where nobody listens on this port.
    """
    config = tmp_path / "edge.yaml"
    config.write_text(f"{{listen: '0.0.0.0:1', consul: {{servers: ['{consul}']}}}}")
    assert refusal(admin("info", "proxy", "--config", config)) == (
        "127.0.0.1:1 cannot be asked: Connection refused"
    )


def test_edge_has_a_certificate_it_must_show_that(consul: str, tmp_path: Path) -> None:
    """The configuration says which; whoever else answers there is not given the token."""
    pair = Authority(tmp_path).issue("edge", "edge.example")
    tls = {"cert": str(pair.cert), "key": str(pair.key)}
    with EdgeProcess([consul], {"tls": tls, "admin": {"token": TOKEN}}) as edge:
        assert admin("info", "proxy", "--config", edge.config).returncode == 0
        other = Authority(tmp_path).issue("other", "edge.example")
        edge.settings["tls"] = {"cert": str(other.cert), "key": str(other.key)}
        edge.write_config()
        line = refusal(admin("info", "proxy", "--config", edge.config))
    assert line == f"{edge.server} shows another certificate than that of tls.cert"


def test_certificate_is_unknown_nothing_is_sent(
    consul: str, tmp_path: Path, token_file: Path
) -> None:
    """Who names an address by hand trusts what the system trusts."""
    pair = Authority(tmp_path).issue("edge", "127.0.0.1")
    tls = {"cert": str(pair.cert), "key": str(pair.key)}
    with EdgeProcess([consul], {"tls": tls, "admin": {"token": TOKEN}}) as edge:
        url = f"https://{edge.server}"
        line = refusal(admin("info", "proxy", "--url", url, "--token-file", token_file))
        assert "certificate verify failed" in line
        assert not [line for line in edge.log_lines() if "admin call" in line]


def test_unix_socket_is_named_no_token_is_needed(consul: str, tmp_path: Path) -> None:
    """Whoever can open it may."""
    path = tmp_path / "edge.sock"
    with EdgeProcess([consul], {"listen": f"unix://{path}"}) as edge:
        for words in (("--socket", path), ("--socket", f"unix://{path}")):
            assert admin("flush", "proxy", *words).returncode == 0
        assert admin("info", "proxy", "--config", edge.config).returncode == 0


def test_token_was_made_its_file_is_in_the_log(consul: str) -> None:
    """An edge without a configured token is administered by whoever can read its file, until it
    ends; the token itself is nowhere in the log.
    """
    with EdgeProcess([consul]) as edge:
        line = next(line for line in edge.log_lines() if "admin token made" in line)
        file = Path(line.rpartition("file=")[2])
        done = admin("info", "proxy", "--url", edge.http, "--token-file", file)
        assert done.returncode == 0, done.stderr
        assert file.read_text().strip() not in "\n".join(edge.log_lines())
        edge.terminate()
        assert not file.parent.exists()


def test_demo_trusts_loopback(consul: str) -> None:
    """Whoever tries it need not look for a token."""
    done = admin("info", "proxy", "--url", f"http://{consul}")
    assert done.returncode == 0, done.stderr


def test_no_token_is_found_it_is_said_how_to_give_one(running: EdgeProcess) -> None:
    """One line with every way."""
    line = refusal(admin("flush", "proxy", "--url", running.http))
    assert line.startswith(f"{running.server} answered 401: admin calls need")
    for way in ("--token-file", "CONSUL_EDGE_ADMIN_TOKEN_FILE", "--config", "unix socket"):
        assert way in line


def test_token_is_wrong_the_edge_says_so(running: EdgeProcess, tmp_path: Path) -> None:
    """And nobody repeats it."""
    file = tmp_path / "wrong"
    file.write_text("5ec2e7\n")
    done = admin("flush", "proxy", "--url", running.http, "--token-file", file)
    assert refusal(done) == f"{running.server} answered 403: this is not the admin token."


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("flush", "none"), "answered 404: there is no cache 'none': expected one of proxy"),
        (("flush", "proxy", "--key", "v1/kv"), "answered 400: key: 'v1/kv': expected a request"),
        (("flush", "proxy", "--key", ""), "answered 400: key: '': expected a request target"),
        (("info", "proxy/../x"), "answered 404: there is no cache 'proxy/../x'"),
    ],
)
def test_edge_refuses_its_reason_is_shown(
    words: tuple[str, ...], says: str, running: EdgeProcess, token_file: Path
) -> None:
    """In its own words, as one line; an empty key does not mean everything."""
    assert says in refusal(admin(*words, "--url", running.http, "--token-file", token_file))


def test_nobody_listens_the_address_is_named(token_file: Path) -> None:
    """With what the system said."""
    address = fresh_address()
    done = admin("info", "proxy", "--url", f"http://{address}:1", "--token-file", token_file)
    assert refusal(done) == f"{address}:1 cannot be asked: Connection refused"


def test_socket_is_missing_its_path_is_named(tmp_path: Path) -> None:
    """With what the system said."""
    path = tmp_path / "none.sock"
    done = admin("info", "proxy", "--socket", path)
    assert refusal(done) == f"unix://{path} cannot be asked: No such file or directory"


def test_token_cannot_be_sent_it_is_not_shown(running: EdgeProcess, tmp_path: Path) -> None:
    """No header holds every character."""
    file = tmp_path / "odd"
    file.write_text("5ec2e7\nx\u2014")
    done = admin("info", "proxy", "--url", running.http, "--token-file", file)
    assert refusal(done) == "the admin token has characters that no header can have"


def test_proxy_of_the_environment_is_not_asked(running: EdgeProcess, token_file: Path) -> None:
    """It would get the token."""
    env = dict.fromkeys(("http_proxy", "HTTP_PROXY", "ALL_PROXY"), f"http://{fresh_address()}:1")
    done = admin("info", "proxy", "--url", running.http, "--token-file", token_file, env=env)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "the following arguments are required"),
        (("clear", "proxy"), "invalid choice: 'clear'"),
        (("flush",), "the following arguments are required: CACHE"),
        (("flush", "proxy", "--key", "/v1/a", "--prefix", "/v1/"), "not allowed with argument"),
        (("flush", "proxy", "--url", "http://a", "--socket", "b"), "not allowed with argument"),
        (("flush", "proxy", "--url", "a:1"), "argument --url: expected http(s)://host:port"),
        (("flush", "proxy", "--url", "http://"), "argument --url: expected http(s)://host:port"),
        (("flush", "proxy", "--token-file", "none"), "argument --token-file: cannot be read"),
        (("flush", "proxy", "--token-file", os.devnull), "is empty: expected a token in it"),
        (("flush", "proxy", "--config", "none"), "1 problem in the configuration"),
    ],
    ids=str,
)
def test_wrong_usage_is_2_with_a_text(words: tuple[str, ...], says: str) -> None:
    """Nothing is asked of anybody."""
    done = admin(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
