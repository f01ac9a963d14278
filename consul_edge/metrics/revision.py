"""
Which revision of the source this is.

An image or a package says so in a file ``REVISION`` beside the package; pip notes it when it
installs from a repository (PEP 610); a working tree knows it itself.
"""

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

import msgspec

UNKNOWN: Final = "unknown"

_HASH: Final = re.compile(r"[0-9a-f]{7,64}")


class _Vcs(msgspec.Struct):
    commit_id: str = ""


class _Origin(msgspec.Struct):
    vcs_info: _Vcs = msgspec.field(default_factory=_Vcs)


def revision(package: Path = Path(__file__).parent.parent) -> str:
    """
    Give the revision of *package*, or ``unknown``.

    Args:
        package: The folder of the package.
    """
    found = _read(package / "REVISION") or _of_pip() or _of_git(package.parent / ".git")
    return found if _HASH.fullmatch(found) else UNKNOWN


def _of_pip() -> str:
    try:
        origin = distribution("consul-edge").read_text("direct_url.json")
        return msgspec.json.decode(origin or "{}", type=_Origin).vcs_info.commit_id
    except (PackageNotFoundError, msgspec.MsgspecError):
        return ""


def _of_git(folder: Path) -> str:
    head = _read(folder / "HEAD")
    kind, _, name = head.partition("ref: ")
    if kind or not name:
        return head
    packed = _read(folder / "packed-refs").splitlines()
    return _read(folder / name) or next(
        (line.split()[0] for line in packed if line.endswith(f" {name}")), ""
    )


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
