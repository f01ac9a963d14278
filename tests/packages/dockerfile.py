"""
A Dockerfile without Docker: read, and carried out in a folder that stands for the image's root.

Rule 1: what it copies comes from the context that ``.dockerignore`` leaves, and from nowhere else.
Rule 2: absolute paths that it names are those of the folder; its base image is this machine.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from tests.packages.unit import ROOT

FILE: Final = ROOT / "deploy" / "docker" / "Dockerfile"
IGNORE: Final = FILE.with_name("Dockerfile.dockerignore")

PLACES: Final = ("/opt/consul-edge", "/src")
"""Absolute paths that are moved below the folder."""


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction."""

    name: str
    text: str

    def form(self) -> list[str]:
        """Give the words of an exec form; anything else is an error."""
        words: list[str] = json.loads(self.text)
        return words


def read(path: Path = FILE) -> list[Step]:
    """Give the steps of a Dockerfile."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines))
    steps = (line.partition(" ") for line in whole.splitlines() if line.strip())
    return [Step(name, text.strip()) for name, _, text in steps]


def context() -> list[str]:
    """Give the files of the repository that Docker would be sent."""
    rules = [line for line in IGNORE.read_text().splitlines() if line and not line.startswith("#")]
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode == 0:
        files = listed.stdout.decode().splitlines()
    else:
        files = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file()]
    return sorted(file for file in files if (ROOT / file).is_file() and _is_sent(file, rules))


def _is_sent(file: str, rules: list[str]) -> bool:
    is_sent = True
    for rule in rules:
        pattern = rule.removeprefix("!")
        if any(_matches(part, pattern) for part in _with_parents(file)):
            is_sent = rule.startswith("!")
    return is_sent


def _matches(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch(path.rpartition("/")[2], pattern[3:])
    return path.count("/") == pattern.count("/") and fnmatch(path, pattern)


def _with_parents(file: str) -> Iterator[str]:
    parts = file.split("/")
    for length in range(1, len(parts) + 1):
        yield "/".join(parts[:length])


@dataclass
class Image:
    """What the steps leave: files below *root*, and how it is started."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    last: dict[str, Step] = field(default_factory=dict)
    """The last step of each kind, of the last stage."""

    def moved(self, text: str) -> str:
        """Put absolute paths below the root."""
        for place in PLACES:
            text = re.sub(rf"(?<![\w.-]){place}\b", f"{self.root}{place}", text)
        return text

    def path(self, text: str) -> Path:
        """Give the place of an absolute path."""
        return Path(self.moved(text))


def build(root: Path, **arguments: str) -> Image:
    """
    Carry the steps out; a step that fails is an error with what it said.

    Args:
        arguments: As of ``--build-arg``.
    """
    image = Image(root)
    (root / "bin").mkdir(parents=True)
    python = root / "bin" / "python"
    # A link would not find what is installed beside this one.
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    sent = context()
    given = dict(arguments)
    for step in read():
        if step.name == "FROM":
            image.env = {"PATH": f"{root / 'bin'}:{os.environ['PATH']}"}
            image.last, folder = {}, root
        text = image.moved(_filled(step.text, {**image.env, **given}))
        image.last[step.name] = Step(step.name, text)
        match step.name:
            case "ARG":
                name, _, value = text.partition("=")
                given.setdefault(name, value)
            case "ENV":
                image.env |= _pairs(text)
            case "LABEL":
                image.labels |= _pairs(text)
            case "WORKDIR":
                folder = Path(text)
            case "COPY":
                _copy(text, sent, folder)
            case "RUN":
                _run(text, folder, image.env)
    return image


def _filled(text: str, values: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        return values[match[1] or match[2]]

    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, text)


def _pairs(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(text))


def _copy(text: str, sent: list[str], folder: Path) -> None:
    words = shlex.split(text)
    if words[0].startswith("--from="):
        assert Path(words[1]).exists(), f"{words[1]} was not made by the stage before"
        return
    *sources, target = words
    for source in sources:
        files = [file for file in sent if file == source or file.startswith(f"{source}/")]
        assert files, f"COPY {source}: there is no such thing in the context"
        for file in files:
            inside = file.removeprefix(source).lstrip("/")
            place = folder / target / inside if inside else folder / target
            if target.endswith("/"):
                place = folder / target / file
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, place)


def _run(text: str, folder: Path, env: dict[str, str]) -> None:
    # Where pip looks is this machine's to say.
    own = {name: value for name, value in os.environ.items() if name not in {*env, "PYTHONPATH"}}
    done = subprocess.run(
        ["/bin/sh", "-ec", text],
        cwd=folder,
        env=own | env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"RUN {text}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
