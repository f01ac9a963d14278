"""
The programs beside Python that tests need: found on this machine, else taken from Debian.

Rule 1: nothing is installed.  Packages are unpacked into a cache folder, which needs no root.
Rule 2: the mirror and its keys are this machine's own, read from its apt sources; apt verifies.
Rule 3: a program counts only if it has been seen to run.
"""

import fcntl
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.aptsources import AptSource, os_release, read_apt_sources

STEP_TIMEOUT: Final = 300.0
"""Seconds for one run of apt: generous, since a big package may come over a slow line."""


class PeerMissingError(Exception):
    """Raised when a program is neither here nor to be had; the text says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One program and where it comes from."""

    program: str
    """Its name on ``PATH``."""

    package: str
    """The Debian package that brings it."""

    path: str
    """Where in the package it is."""

    proof: tuple[str, ...]
    """Arguments that make it say what it is."""

    says: str
    """What it then says, on either output."""

    suite: str | None = None
    """The Debian release to take the package alone from; None: this machine's own, with all
    that the package needs and the machine lacks."""


PEERS: Final = {
    peer.program: peer
    for peer in (
        Peer("consul", "consul", "usr/bin/consul", ("version",), "Consul v", suite="bullseye"),
        Peer("nginx", "nginx", "usr/sbin/nginx", ("-v",), "nginx version"),
        Peer("wrk", "wrk", "usr/bin/wrk", ("-v",), "wrk "),
        Peer("haproxy", "haproxy", "usr/sbin/haproxy", ("-v",), "HAProxy version"),
        Peer("varnishd", "varnish", "usr/sbin/varnishd", ("-V",), "varnishd (varnish-"),
        Peer(
            "redis-server", "redis-server", "usr/bin/redis-server", ("--version",), "Redis server"
        ),
        Peer(
            "prometheus", "prometheus", "usr/bin/prometheus", ("--version",), "prometheus, version"
        ),
        Peer("systemd-analyze", "systemd", "usr/bin/systemd-analyze", ("--version",), "systemd 2"),
        Peer(
            "systemd-socket-activate",
            "systemd",
            "usr/bin/systemd-socket-activate",
            ("--version",),
            "systemd 2",
        ),
        Peer(
            "kubectl",
            "kubectl",
            "usr/bin/kubectl",
            ("version", "--client"),
            "Kustomize Version",
            suite="trixie",  # an older one knows no folders among resources
        ),
        Peer("curl", "curl", "usr/bin/curl", ("--version",), "curl "),
        Peer("promtool", "prometheus", "usr/bin/promtool", ("--version",), "promtool, version"),
        Peer(
            "chromium", "chromium", "usr/lib/chromium/chromium", ("--version",), "Chromium", None
        ),
    )
}

_known: Final[dict[str, Path | PeerMissingError]] = {}


def require(name: str) -> Path:
    """
    Give the program, or skip the running test by name; with ``CI=true`` nothing may be skipped.

    Args:
        name: A key of :data:`PEERS`.
    """
    try:
        return peer(name)
    except PeerMissingError as missing:
        if os.environ.get("CI", "").lower() in {"true", "1"}:
            pytest.fail(f"{name} is needed here: {missing}", pytrace=False)
        pytest.skip(f"no {name}: {missing}")


def peer(name: str) -> Path:
    """
    Give an executable that behaves as the program *name*.

    Raises:
        PeerMissingError: When it is not on ``PATH`` and cannot be fetched; asked again, at once.
    """
    if name not in _known:
        try:
            _known[name] = _on_path(PEERS[name]) or _from_cache(PEERS[name])
        except PeerMissingError as missing:
            _known[name] = missing
    found = _known[name]
    if isinstance(found, PeerMissingError):
        raise found
    return found


def search_path(folder: Path, *names: str) -> str:
    """
    Give a ``PATH`` by which scripts find programs under their names; as :func:`require`.

    Args:
        folder: Where links to them are made.
    """
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).symlink_to(require(name))
    return os.pathsep.join((str(folder), os.environ.get("PATH", os.defpath)))


def cache_folder() -> Path:
    """Give the folder that holds unpacked programs between runs."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "consul-edge" / "peers"


def _on_path(wanted: Peer) -> Path | None:
    # Servers live in sbin, which a user's PATH may lack.
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"))
    found = shutil.which(wanted.program, path=places)
    if found is None:
        return None
    _prove(wanted, Path(found))
    return Path(found)


def _from_cache(wanted: Peer, cache: Path | None = None) -> Path:
    cache = cache or cache_folder()
    home = cache / wanted.program
    starter = home / "run"
    if not starter.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / f"{wanted.program}.lock"):
            if not starter.exists():  # else another process fetched it while we waited
                _fetch(wanted, home)
    _prove(wanted, starter)
    return starter


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(wanted: Peer, home: Path) -> None:
    """Unpack beside *home*, prove that it runs, and only then give it its name."""
    work = Path(tempfile.mkdtemp(prefix=f"{wanted.program}.", dir=home.parent))
    try:
        root = work / "root"
        for package in _download(wanted, work):
            _run(["dpkg", "-x", str(package), str(root)], work)
        final = home.resolve() / "root"
        _write_starter(wanted, root, root, work / "try")
        _prove(wanted, work / "try")
        _write_starter(wanted, root, final, work / "run")
        for part in work.iterdir():
            if part.name not in {"root", "run"}:
                shutil.rmtree(part) if part.is_dir() else part.unlink()
        work.chmod(0o755)
        if home.exists():  # left by an older version of this file
            shutil.rmtree(home)
        work.rename(home)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _download(wanted: Peer, work: Path) -> list[Path]:
    """Fetch the package, for the machine's own release with everything that is not installed."""
    release = os_release()
    if release.get("ID") != "debian" or shutil.which("apt-get") is None:
        raise PeerMissingError("not on PATH, and this is no Debian machine to take it from")
    suite = wanted.suite or release.get("VERSION_CODENAME", "stable")
    lists, downloads = work / "lists", work / "downloads"
    (lists / "partial").mkdir(parents=True)
    downloads.mkdir()
    listed = work / "sources.list"
    listed.write_text(_list_file(suite, own=wanted.suite is None))
    options = [
        *("-o", f"Dir::Etc::sourcelist={listed}"),
        *("-o", "Dir::Etc::sourceparts=/dev/null"),
        *("-o", f"Dir::State::Lists={lists}"),
        # Beyond the three: leave the machine's own package caches as they are.
        *("-o", f"Dir::Cache={downloads}"),
    ]
    _run(["apt-get", *options, "-qq", "update"], downloads)
    names = [wanted.package]
    if wanted.suite is None:
        needed = ["--print-uris", "--no-install-recommends", "-o", "Debug::NoLocking=true"]
        printed = _run(["apt-get", *options, "-qq", *needed, "install", wanted.package], downloads)
        # 'http://…/nginx_1.22.1-9_amd64.deb' nginx_1.22.1-9_amd64.deb 527204 SHA256:…
        names += [
            shlex.split(line)[1].split("_")[0] for line in printed.splitlines() if ".deb'" in line
        ]
    _run(["apt-get", *options, "-qq", "download", *dict.fromkeys(names)], downloads)
    packages = sorted(downloads.glob("*.deb"))
    if not packages:
        raise PeerMissingError(f"apt-get downloaded nothing for {wanted.package} from {suite}")
    return packages


def _list_file(suite: str, *, own: bool) -> str:
    """Write the lines of a one-line source list for *suite*, with its updates if it is *own*."""
    sources = read_apt_sources()
    if not sources:
        raise PeerMissingError("no apt source of this machine names a Debian mirror")

    def line(source: AptSource, suite: str) -> str:
        keys = source.signed_by or "/usr/share/keyrings/debian-archive-keyring.gpg"
        return f"deb [signed-by={keys}] {source.uri} {suite} main\n"

    if not own:
        return line(sources[0], suite)
    wanted = [source for source in sources if source.suite.startswith(suite)]
    return "".join(line(source, source.suite) for source in wanted) or line(sources[0], suite)


def _write_starter(wanted: Peer, root: Path, final: Path, starter: Path) -> None:
    """Write a script that becomes the program (same pid) with its libraries in reach."""
    folders = sorted({library.parent for library in root.rglob("lib*.so*")})
    libraries = ":".join(str(final / folder.relative_to(root)) for folder in folders)
    lines = ["#!/bin/sh"]
    if libraries:
        lines.append(f"export LD_LIBRARY_PATH={shlex.quote(libraries)}")
    lines.append(f'exec {shlex.quote(str(final / wanted.path))} "$@"')
    starter.write_text("\n".join(lines) + "\n")
    starter.chmod(0o755)


def _prove(wanted: Peer, program: Path) -> None:
    try:
        done = subprocess.run(
            [program, *wanted.proof], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerMissingError(f"{program} does not run: {error}") from error
    said = done.stdout + done.stderr
    if wanted.says not in said:
        raise PeerMissingError(f"{program} does not run: {said.strip()[-300:]}")


def _run(command: list[str], folder: Path) -> str:
    environment = os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=STEP_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerMissingError(f"{command[0]} failed: {error}") from error
    if done.returncode != 0:
        raise PeerMissingError(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
    return done.stdout
