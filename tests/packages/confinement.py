"""
A program under the restrictions of a unit file, without systemd: as far as the machine permits.

Rule 1: what is applied is read from the unit file, so that the test follows it.
Rule 2: system calls are those of systemd's own groups, as ``systemd-analyze`` lists them.
Rule 3: every step ends in ``exec``: the program keeps the process id that the test knows.

``python -m tests.packages.confinement UNIT STATE COMMAND...`` becomes COMMAND.  As root it gets a
user and mounts of its own before; for anybody it loses its rights and most system calls.
Homes are empty but for Python and this repository, where they are there.
What is not imitated: PrivateUsers, PrivateTmp (tests live there), the cgroup's limits and devices,
and ProtectHostname.
"""

import ctypes
import ctypes.util
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.packages import unit
from tests.packages.unit import is_on
from tests.peers import cache_folder, peer

USER: Final = 64123
"""Nobody's number on any machine, as DynamicUser's is."""

HOMES: Final = (Path("/root"), Path("/home"))

LIBRARY: Final = "libseccomp.so.2"

ALLOW: Final = 0x7FFF0000
EPERM: Final = 0x00050001
NOT_EQUAL, EQUAL, GREATER, MASKED = 1, 4, 6, 7

PROT_WRITE, PROT_EXEC = 2, 4
NAMESPACES: Final = (0x80, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
LAST_FAMILY: Final = 46

Argument = tuple[int, int, int, int]
"""Its place, how it is compared, and with what; a mask first, where it is masked."""

_BECOME: Final = "become"


class _Compared(ctypes.Structure):
    _fields_ = (
        ("place", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def command(path: Path, state: Path, words: Sequence[str]) -> list[str]:
    """
    Give the words that run *words* confined.

    Args:
        state: The one folder that can be written, as StateDirectory is.
    """
    here = [sys.executable, "-m", "tests.packages.confinement"]
    if not can_mount():
        return [*_stripped(), *here, _BECOME, str(path), *words]
    apart = ["unshare", "--mount", "--ipc", "--propagation", "private", "--"]
    return [*apart, *here, str(path), str(state), *words]


def can_mount() -> bool:
    """Tell whether this machine lets us have mounts of our own; root of a container may not."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    probe = ["unshare", "--mount", "--ipc", "--propagation", "private", "--", "mount", "-t"]
    done = subprocess.run([*probe, "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    return done.returncode == 0


def _stripped(*, user: bool = False) -> list[str]:
    """Give the words that take away rights; without root there are none to take."""
    words = ["setpriv", "--no-new-privs"]
    if os.geteuid() == 0:
        words += ["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    if user:
        words += [f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    return [*words, "--"]


def _mount(settings: Mapping[str, list[str]], state: Path) -> None:
    """Put the machine out of reach, but for reading and for the folder *state*."""
    run = _run
    aside = state / "aside"
    aside.mkdir()
    for home in HOMES:
        _empty(home, aside)
    if settings.get("ProtectSystem") == ["strict"]:
        run("mount", "--bind", str(state), str(state))
        run("mount", "--options", "remount,bind,ro", "/")
        run("mount", "--options", "remount,bind,rw", str(state))
    if is_on(dict(settings), "PrivateDevices"):
        kept = [Path("/dev") / name for name in ("null", "zero", "random", "urandom")]
        devices = state / "dev"
        devices.mkdir()
        for device in kept:
            (devices / device.name).touch()
            run("mount", "--bind", str(device), str(devices / device.name))
        run("mount", "--rbind", str(devices), "/dev")
    if settings.get("ProcSubset") == ["pid"]:
        run("mount", "-t", "proc", "proc", "/proc", "-o", "subset=pid,hidepid=invisible")


def _empty(home: Path, aside: Path) -> None:
    """Leave nothing in *home* but what the tests run from."""
    wanted = {unit.ROOT, Path(sys.prefix), Path(sys.base_prefix), cache_folder()}
    kept = {}
    for number, place in enumerate(sorted(wanted)):
        if place.is_relative_to(home) and place.exists():
            kept[place] = aside / f"{home.name}-{number}"
            kept[place].mkdir()
            _run("mount", "--bind", str(place), str(kept[place]))
    if home.is_dir():
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "none", str(home))
    for place, copy in kept.items():
        place.mkdir(parents=True, exist_ok=True)
        _run("mount", "--bind", str(copy), str(place))


def _run(*words: str) -> None:
    subprocess.run(words, check=True)


def _calls(groups: str) -> Iterator[str]:
    """Name the system calls of *groups*, as this machine's systemd knows them."""
    for word in groups.split():
        if not word.startswith("@"):
            yield word
            continue
        listed = subprocess.run(
            [peer("systemd-analyze"), "syscall-filter", word],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for line in listed.splitlines()[1:]:
            name = line.strip()
            if name and not name.startswith("#"):
                yield from _calls(name)


def _library() -> str:
    """Find the library that makes filters: here, or beside the systemd that was fetched."""
    fetched = (cache_folder() / "systemd-analyze" / "root").rglob(LIBRARY)
    return ctypes.util.find_library("seccomp") or next(map(str, fetched), LIBRARY)


class Filter:
    """One filter of system calls; several are all in force."""

    def __init__(self, default: int) -> None:
        """Begin with what happens to calls that have no rule."""
        self._library = ctypes.CDLL(_library())
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(default))

    def add(self, action: int, name: str, *arguments: Argument) -> None:
        """Add a rule; a call that this architecture does not have needs none."""
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return
        compared = (_Compared * len(arguments))(*(_Compared(*one) for one in arguments))
        added = self._library.seccomp_rule_add_array(
            self._context, ctypes.c_uint32(action), number, len(arguments), compared
        )
        if added != 0:
            raise OSError(-added, f"no rule for {name}")

    def load(self) -> None:
        """Have it in force, for this process and what it becomes."""
        loaded = self._library.seccomp_load(self._context)
        if loaded != 0:
            raise OSError(-loaded, "seccomp_load")


def filters(settings: Mapping[str, list[str]]) -> Iterator[Filter]:
    """Make what the unit asks for."""
    denied: list[tuple[int, str, tuple[Argument, ...]]] = []
    both = PROT_WRITE | PROT_EXEC
    if is_on(dict(settings), "MemoryDenyWriteExecute"):
        denied += [
            (EPERM, "mmap", ((2, MASKED, both, both),)),
            (EPERM, "mprotect", ((2, MASKED, PROT_EXEC, PROT_EXEC),)),
            (EPERM, "pkey_mprotect", ((2, MASKED, PROT_EXEC, PROT_EXEC),)),
        ]
    families = {getattr(socket, name) for name in settings["RestrictAddressFamilies"][-1].split()}
    others = set(range(LAST_FAMILY)) - families
    denied += [(EPERM, "socket", ((0, EQUAL, family, 0),)) for family in sorted(others)]
    denied += [(EPERM, "socket", ((0, GREATER, LAST_FAMILY, 0),))]
    if is_on(dict(settings), "RestrictNamespaces"):
        denied += [(EPERM, "unshare", ()), (EPERM, "setns", ())]
        denied += [(EPERM, "clone", ((0, MASKED, flag, flag),)) for flag in NAMESPACES]
    if is_on(dict(settings), "LockPersonality"):
        denied += [(EPERM, "personality", ((0, NOT_EQUAL, 0, 0),))]
    if is_on(dict(settings), "RestrictRealtime"):
        denied += [(EPERM, "sched_setscheduler", ((1, GREATER, 0, 0),))]
    yield _filter(ALLOW, denied)
    # The last: it may forbid what puts filters in force.
    allowed: set[str] = set(_calls("@default"))
    for groups in settings.get("SystemCallFilter", ()):
        if groups.startswith("~"):
            allowed -= set(_calls(groups[1:])) - set(_calls("@default"))
        else:
            allowed |= set(_calls(groups))
    yield _filter(EPERM, [(ALLOW, name, ()) for name in sorted(allowed)])


def _filter(default: int, rules: Sequence[tuple[int, str, tuple[Argument, ...]]]) -> Filter:
    made = Filter(default)
    for action, name, arguments in rules:
        made.add(action, name, *arguments)
    return made


def main(words: Sequence[str]) -> None:
    """Do the steps that are left, and become the program."""
    if words[0] != _BECOME:
        path, state, *rest = words
        os.chown(state, USER, USER)
        become = [sys.executable, "-m", "tests.packages.confinement", _BECOME, path, *rest]
        stripped = _stripped(user=True)
        _mount(unit.read(Path(path)), Path(state))
        os.execvp(stripped[0], [*stripped, *become])
    path, *rest = words[1:]
    os.umask(int(unit.read(Path(path))["UMask"][-1], 8))
    # All are made before one is in force: what makes them may be forbidden then.
    for made in list(filters(unit.read(Path(path)))):
        made.load()
    os.execvp(rest[0], list(rest))


if __name__ == "__main__":
    main(sys.argv[1:])
