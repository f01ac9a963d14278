"""Where the programs that tests need come from."""

import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from tests import peers
from tests.aptsources import AptSource, os_release, read_apt_sources
from tests.peers import PEERS, PeerMissingError, require

KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"

SOURCES = f"""
# the machine's own
Types: deb deb-src
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: {KEYS}

Types: deb
URIs: http://mirror.invalid/debian-security
Suites: bookworm-security
Components: main
Signed-By: {KEYS}

Enabled: no
Types: deb
URIs: http://off.invalid/debian
Suites: bookworm
Components: main
"""

LIST = f"""
deb [arch=amd64] http://other.invalid/apt bookworm main
# deb http://off.invalid/debian bookworm main
deb-src http://mirror.invalid/debian bookworm main
deb http://mirror.invalid/debian/ bookworm-updates main
deb [ arch=amd64 signed-by={KEYS} ] http://mirror.invalid/debian/ bookworm main contrib
"""


def apt_folder(tmp_path: Path, name: str, text: str) -> Path:
    """Make a folder as apt keeps it, with one file."""
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / name).write_text(text)
    return tmp_path


def test_sources_in_deb822_form_name_the_mirror(tmp_path: Path) -> None:
    """The release's own suite comes first, its updates after it; what is off is left out."""
    folder = apt_folder(tmp_path, "sources.list.d/debian.sources", SOURCES)

    found = read_apt_sources(folder, "bookworm")

    assert found[0] == AptSource(
        "http://mirror.invalid/debian", "bookworm", ("main", "contrib"), KEYS
    )
    assert [source.suite for source in found] == [
        "bookworm",
        "bookworm-updates",
        "bookworm-security",
    ]


@pytest.mark.parametrize("name", ["sources.list", "sources.list.d/debian.list"])
def test_sources_in_one_line_form_name_the_mirror(tmp_path: Path, name: str) -> None:
    """Options are read, comments, sources of others and of source packages are not."""
    found = read_apt_sources(apt_folder(tmp_path, name, LIST), "bookworm")

    assert found[0] == AptSource(
        "http://mirror.invalid/debian/", "bookworm", ("main", "contrib"), KEYS
    )
    assert [source.suite for source in found] == ["bookworm", "bookworm-updates"]


def test_release_file_with_quotes_is_read_without(tmp_path: Path) -> None:
    """Values may be quoted or not; a missing file is an unknown machine."""
    (tmp_path / "os-release").write_text('ID=debian\nVERSION="12 (bookworm)"\n')

    read = os_release(tmp_path / "os-release")

    assert read == {"ID": "debian", "VERSION": "12 (bookworm)"}
    assert os_release(tmp_path / "none") == {}


def test_missing_peer_skips_its_test_on_a_developers_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who has no such program sees the test skipped by name, with the reason."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setitem(peers._known, "wrk", PeerMissingError("no mirror"))

    with pytest.raises(pytest.skip.Exception, match="no wrk: no mirror"):
        require("wrk")


def test_missing_peer_fails_its_test_under_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all must run, nothing is skipped in silence."""
    monkeypatch.setenv("CI", "true")
    monkeypatch.setitem(peers._known, "wrk", PeerMissingError("no mirror"))

    with pytest.raises(pytest.fail.Exception, match="no mirror"):
        require("wrk")


def test_machine_that_is_no_debian_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The reason of a skip tells what would have been needed."""
    monkeypatch.setattr(peers, "os_release", lambda: {"ID": "other"})

    with pytest.raises(PeerMissingError, match="no Debian machine"):
        peers._from_cache(PEERS["consul"], tmp_path)


@pytest.fixture
def packaged(tmp_path: Path) -> Path:
    """Give a package whose program claims to be Consul."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("no dpkg-deb to build a package with")
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: consul\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x.invalid>\n"
        "Description: x\n"
    )
    program = tree / "usr/bin/consul"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho Consul v0: $LD_LIBRARY_PATH\n")
    program.chmod(0o755)
    (tree / "usr/lib").mkdir()
    (tree / "usr/lib/libx.so.1").write_text("")
    package = tmp_path / "consul.deb"
    subprocess.run(["dpkg-deb", "-b", tree, package], check=True, capture_output=True)
    return package


@pytest.mark.real
def test_peer_fetched_by_several_at_once_is_unpacked_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, packaged: Path
) -> None:
    """Those that wait find what the first one made, and it runs with its own libraries."""
    fetched: list[Path] = []

    def download(_wanted: peers.Peer, work: Path) -> list[Path]:
        fetched.append(work)
        return [packaged]

    monkeypatch.setattr(peers, "_download", download)
    cache, found = tmp_path / "cache", []
    threads = [
        threading.Thread(target=lambda: found.append(peers._from_cache(PEERS["consul"], cache)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = subprocess.run([found[0]], capture_output=True, text=True, check=True).stdout

    assert len(fetched) == 1
    assert found == [cache / "consul" / "run"] * 4
    assert said == f"Consul v0: {cache / 'consul' / 'root' / 'usr/lib'}\n"
    assert sorted(path.name for path in cache.iterdir()) == ["consul", "consul.lock"]


@pytest.mark.real
def test_package_that_does_not_run_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, packaged: Path
) -> None:
    """A program that does not say what it is leaves nothing behind that looks like one."""
    monkeypatch.setattr(peers, "_download", lambda _wanted, _work: [packaged])
    cache = tmp_path / "cache"
    impostor = peers.Peer("nginx", "nginx", "usr/bin/consul", ("-v",), "nginx version")

    with pytest.raises(PeerMissingError, match="does not run"):
        peers._from_cache(impostor, cache)

    assert [path.name for path in cache.iterdir()] == ["nginx.lock"]
