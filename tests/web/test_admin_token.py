"""The token that is made when none is configured: where it is, and who can read it how long."""

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from consul_edge.config import Secret
from consul_edge.demo.standin import StandIn
from consul_edge.web.admin_token import AdminToken
from tests.house import House, edge_over

INFO: Final = "/api/v1/admin/cache/proxy/info"


def make(
    token: str | None = None, file: Path | None = None
) -> tuple[AdminToken, list[dict[str, Any]]]:
    """Make a token, if one is to be made; give what was logged, too."""
    one = AdminToken(Secret(token) if token else None, file, lambda: 0.0)
    with capture_logs() as logged:
        one.make()
    return one, [dict(line) for line in logged]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have temporary files of these tests in a folder of their own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a running stand-in."""
    one = StandIn(nodes=1, services=0)
    async with one.running():
        yield one


@pytest.fixture
def open_mask() -> Iterator[None]:
    """Let new files be everybody's, unless whoever makes them says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


def only_file(folder: Path) -> Path:
    """Give the token's file, the only one that there is."""
    (file,) = folder.rglob("admin-token")
    return file


def token_in(line: Mapping[str, Any]) -> str:
    """Read the token whose file a line of the log names."""
    return Path(line["file"]).read_text().strip()


@contextlib.contextmanager
def held(folder: Path) -> Iterator[int]:
    """Open a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def left_in(folder: Path) -> list[Path]:
    """List what there is."""
    return list(folder.iterdir())


async def status_with(house: House, token: str) -> int:
    """Try a token."""
    answer = await house.ask("GET", INFO, [("Authorization", f"Bearer {token}")])
    return answer.status


async def test_no_token_is_configured_the_one_in_the_logged_file_lets_in(
    standin: StandIn, folder: Path
) -> None:
    """The log says where it is, and not what it is."""
    with capture_logs() as logged:
        async with edge_over(standin.base_url) as edge:
            (line,) = [line for line in logged if line["event"] == "admin token made"]
            token = token_in(line)
            assert line["file"] == str(only_file(folder))
            assert await status_with(edge, token) == 200
            assert await status_with(edge, "guessed") == 403
    assert token not in repr(logged)


@pytest.mark.usefixtures("open_mask")
def test_made_token_can_be_read_by_its_owner_alone(folder: Path) -> None:
    """The file is 0600 in a folder of 0700, whatever the umask."""
    one, _ = make()
    file = only_file(folder)
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (
        0o600,
        0o700,
    )
    one.remove()


def test_made_token_is_passed_by_when_old_files_are_cleaned_up(folder: Path) -> None:
    """Its folder is locked while the edge runs, which systemd-tmpfiles heeds."""
    one, _ = make()
    with held(only_file(folder).parent) as descriptor:
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        one.remove()
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_made_tokens_are_long_and_never_the_same() -> None:
    """Nobody guesses them, and one says nothing of the next."""
    made = []
    for _ in range(3):
        one, logged = make()
        made.append(token_in(logged[0]))
        one.remove()
    assert len(set(made)) == 3
    assert min(map(len, made)) >= 40


async def test_edge_ends_its_made_token_is_gone(standin: StandIn, folder: Path) -> None:
    """Neither the file nor its folder is left."""
    async with edge_over(standin.base_url):
        assert only_file(folder).exists()
    assert left_in(folder) == []


def test_file_was_removed_by_another_the_end_is_quiet(folder: Path) -> None:
    """Somebody may have cleaned up."""
    one, _ = make()
    only_file(folder).unlink()
    one.remove()
    one.remove()
    assert left_in(folder) == []


@pytest.mark.parametrize("by_file", [False, True], ids=["token", "token_file"])
def test_token_is_configured_none_is_made(by_file: bool, folder: Path) -> None:
    """Only one lets in."""
    file = folder / "configured"
    file.write_text("word\n")
    one, logged = make(None if by_file else "word", file if by_file else None)
    assert one.is_it("word")
    assert logged == []
    assert list(folder.rglob("admin-token")) == []


def test_token_that_is_not_made_yet_lets_nobody_in() -> None:
    """Before the start there is none, and none is not the empty one."""
    one = AdminToken(None, None, lambda: 0.0)
    assert [one.is_it(given) for given in ("", "x")] == [False, False]


async def test_no_file_can_be_made_the_edge_serves_without_admin_calls(
    standin: StandIn, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without room for a file has no admin calls, and its clients have their proxy."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "missing"))
    with capture_logs() as logged:
        async with edge_over(standin.base_url) as edge:
            assert (await edge.ask("GET", "/v1/catalog/nodes")).status == 200
            assert await status_with(edge, "x") == 403
    assert "no admin token could be made; set admin.token_file to have one" in {
        line["event"] for line in logged if line["log_level"] == "warning"
    }


def test_link_stands_where_the_file_shall_be_it_is_not_followed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even in a folder that somebody else prepared, nothing of his is written or left trusted."""
    trap, victim = folder / "trap", folder / "victim"
    trap.mkdir()
    victim.write_text("precious")
    (trap / "admin-token").symlink_to(victim)
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **_: str(trap))
    one, logged = make()
    assert victim.read_text() == "precious"
    assert logged[0]["log_level"] == "warning"
    assert not one.is_it("precious")
