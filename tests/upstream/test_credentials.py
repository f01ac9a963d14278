import base64
import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from consul_edge.core.headers import Pairs
from consul_edge.upstream.credentials import Credentials
from consul_edge.upstream.secret_file import LOOK_AGAIN, FileSecret

OWN = "own-token"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def complete(
    headers: Pairs,
    *,
    token: str = "",
    auth: str = "",
    for_clients: bool = False,
    parameter: bool = False,
) -> dict[str, str]:
    """Complete *headers*; give those that say in whose name a request is sent."""
    credentials = Credentials(
        token=lambda: token, auth=lambda: auth, token_for_clients=for_clients
    )
    completed = credentials.complete(headers, has_token_parameter=parameter)
    assert completed is headers
    names = [name for name, _ in headers]
    assert len(names) == len({name.lower() for name in names}), "one header each"
    return {name.lower(): value for name, value in headers}


def basic(auth: str) -> str:
    """Render HTTP Basic."""
    return "Basic " + base64.b64encode(auth.encode()).decode()


def write(path: Path, text: str, stamp: int) -> None:
    """Write a file as if at the second *stamp*, so that no clock's grain hides the change."""
    path.write_text(text)
    os.utime(path, (stamp, stamp))


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("X-Consul-Token", "")],
        [("x-consul-token", "t"), ("Authorization", "Bearer u")],
        [("Authorization", "Basic eDp5")],
        [("X-Consul-Token", "a"), ("X-Consul-Token", "b")],
    ],
    ids=["none", "empty", "both", "basic", "twice"],
)
def test_headers_without_a_reason_to_change_stay_byte_for_byte(headers: Pairs) -> None:
    """With neither auth nor a token to lend, what the client said is what Consul hears."""
    before = list(headers)
    credentials = Credentials(token=lambda: OWN, auth=lambda: "", token_for_clients=False)
    assert credentials.complete(headers, has_token_parameter=False) == before


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("X-Consul-Token", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer  ")],
        [("Authorization", "Basic eDp5")],
    ],
    ids=["none", "empty", "bearer-of-nothing", "bearer-of-blanks", "basic"],
)
def test_client_without_a_token_borrows_the_edges_where_allowed(headers: Pairs) -> None:
    """An empty token counts as none, as it does for Consul."""
    assert complete(headers, token=OWN, for_clients=True)["x-consul-token"] == OWN


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ([("X-Consul-Token", "t")], "t"),
        ([("x-consul-token", "t"), ("Authorization", "Bearer u")], "t"),
        ([("Authorization", "Bearer u"), ("X-CONSUL-TOKEN", "t")], "t"),
        ([("Authorization", "Bearer u")], "u"),
        ([("Authorization", "bEARER  u  v")], "u"),
        ([("X-Consul-Token", ""), ("Authorization", "Bearer u")], "u"),
    ],
    ids=["header", "header-first", "header-last", "bearer", "first-word", "empty-header"],
)
def test_clients_own_token_goes_before_the_edges(headers: Pairs, token: str) -> None:
    """Consul's precedence: ``X-Consul-Token``, then the first word of a Bearer."""
    assert token == complete(headers, token=OWN, for_clients=True)["x-consul-token"]


def test_token_parameter_goes_before_the_edges_token() -> None:
    """``?token=`` is a token: nothing is lent to who has one, and it stays Consul's to read."""
    assert complete([], token=OWN, for_clients=True, parameter=True) == {}


def test_edge_without_a_token_lends_none() -> None:
    """Where there is none to lend, no empty header is added."""
    assert complete([], token="", for_clients=True) == {}


def test_auth_is_sent_as_http_basic() -> None:
    """A password may hold colons and letters beyond ASCII."""
    assert complete([], auth="us\u00e9r:p:w") == {"authorization": basic("us\u00e9r:p:w")}


def test_bearer_token_moves_aside_for_auth() -> None:
    """There is one ``Authorization``: Basic takes it, and the token keeps its meaning."""
    headers = [("Accept", "x"), ("authorization", "Bearer u")]
    assert complete(headers, auth="user:word") == {
        "accept": "x",
        "x-consul-token": "u",
        "authorization": basic("user:word"),
    }


def test_clients_own_basic_gives_way_to_auth() -> None:
    """A client's password for the proxy before Consul is not what this edge was told to use."""
    headers = [("Authorization", "Basic eDp5")]
    assert complete(headers, auth="user:word") == {"authorization": basic("user:word")}


def test_bearer_that_a_header_outranks_does_not_replace_it() -> None:
    """Beside ``X-Consul-Token`` a Bearer means nothing to Consul, so it is dropped for auth."""
    headers = [("X-Consul-Token", "t"), ("Authorization", "Bearer u")]
    assert complete(headers, auth="user:word")["x-consul-token"] == "t"


def test_auth_alone_lends_no_token() -> None:
    """Proving oneself to the proxy before Consul says nothing about a client's rights."""
    assert "x-consul-token" not in complete([], auth="user:word", token=OWN)


def test_secret_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    """A file's last newline is not part of the secret."""
    path = tmp_path / "token"
    path.write_text("  from-file\n")
    assert FileSecret(path, "fallback", Clock())() == "from-file"


def test_secret_file_changed_is_read_again_after_a_second(tmp_path: Path) -> None:
    """A new secret holds from the next look on, and looks are a second apart."""
    path, clock = tmp_path / "token", Clock()
    write(path, "first", 1000)
    secret = FileSecret(path, "", clock)
    assert secret() == "first"
    write(path, "other", 2000)
    clock.now += LOOK_AGAIN * 0.9
    assert secret() == "first"
    clock.now += LOOK_AGAIN * 0.1
    assert secret() == "other"


def test_secret_file_replaced_by_rename_is_read_again(tmp_path: Path) -> None:
    """A file of the same size and time that took the old one's place is another file."""
    path, clock = tmp_path / "token", Clock()
    write(path, "first", 1000)
    secret = FileSecret(path, "", clock)
    assert secret() == "first"
    write(tmp_path / "new", "other", 1000)
    (tmp_path / "new").replace(path)
    clock.now += LOOK_AGAIN
    assert secret() == "other"


def test_secret_file_unchanged_is_not_read_again(tmp_path: Path) -> None:
    """Looking costs a stat; only a change costs a read."""
    path, clock = tmp_path / "token", Clock()
    write(path, "first", 1000)
    secret = FileSecret(path, "", clock)
    assert secret() == "first"
    status = path.stat()
    path.write_text("other")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    clock.now += LOOK_AGAIN
    assert secret() == "first"


def test_secret_file_gone_keeps_the_last_secret(tmp_path: Path) -> None:
    """A file that vanishes for a moment must not turn everybody anonymous."""
    path, clock = tmp_path / "token", Clock()
    write(path, "first", 1000)
    secret = FileSecret(path, "fallback", clock)
    assert secret() == "first"
    path.unlink()
    clock.now += LOOK_AGAIN
    assert secret() == "first"
    write(path, "again", 3000)
    clock.now += LOOK_AGAIN
    assert secret() == "again"


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"], ids=repr)
def test_secret_file_without_a_secret_means_the_fallback(
    tmp_path: Path, content: bytes | None
) -> None:
    """A file that is missing, empty or no text holds nothing; the configured secret does."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    assert FileSecret(path, "fallback", Clock())() == "fallback"


def test_secret_file_emptied_keeps_the_last_secret(tmp_path: Path) -> None:
    """A file that is empty for a moment is one that is just being written."""
    path, clock = tmp_path / "token", Clock()
    write(path, "first", 1000)
    secret = FileSecret(path, "fallback", clock)
    assert secret() == "first"
    write(path, "\n", 2000)
    clock.now += LOOK_AGAIN
    assert secret() == "first"


def test_looking_at_secret_files_logs_no_secret(tmp_path: Path) -> None:
    """The log says that the file was read, or why not, and nothing of what is in it."""
    path, clock = tmp_path / "token", Clock()
    secret = FileSecret(path, "fallback", clock)
    with capture_logs() as logged:
        for stamp, content in enumerate([None, b"s3cret-1", b"s3cret-2", b"\xffs3cret-3"]):
            if content is not None:
                path.write_bytes(content)
                os.utime(path, (stamp, stamp))
            secret()
            clock.now += LOOK_AGAIN
    assert [entry["event"] for entry in logged] == [
        "secret file cannot be read",
        "secret file read again",
        "secret file cannot be read",
    ]
    assert "s3cret" not in repr(logged)
