"""What a confined process tries, one thing after the other; outcomes go to stdout as JSON."""

import ctypes
import json
import mmap
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path


def share_nothing() -> None:
    """Ask for a user namespace of its own."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x10000000) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def outcome(act: Callable[[], object]) -> str:
    """Try it."""
    try:
        act()
    except OSError:
        return "refused"
    return "done"


ATTEMPTS: dict[str, Callable[[], object]] = {
    "a socket of the internet": lambda: socket.socket().close(),
    "a socket of the kernel": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "memory to write and execute": lambda: mmap.mmap(-1, 4096, prot=7),
    "another priority": lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)),
    "another root": lambda: os.chroot("/"),
    "namespaces": share_nothing,
    "its own folder": lambda: Path(sys.argv[1], "x").write_text("x"),
    "files of the machine": lambda: Path("/etc/consul-edge-probe").touch(),
    "the kernel's settings": Path("/proc/sys/kernel/hostname").read_text,
    "the log of the kernel": lambda: Path("/dev/kmsg").open().close(),
    "other processes": Path(f"/proc/{os.getppid()}/status").read_text,
}

if __name__ == "__main__":
    sys.stdout.write(json.dumps({name: outcome(act) for name, act in ATTEMPTS.items()}))
