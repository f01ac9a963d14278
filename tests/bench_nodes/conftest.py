"""What the tests of ``consul-edge bench`` stand on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from consul_edge import cli
from consul_edge.bench import measuring
from tests.bench_nodes.small_edge import TOKEN, SmallEdge

Bench = Callable[..., Awaitable[int]]


@pytest.fixture
async def edge(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SmallEdge]:
    """Run a small edge, by whose clock the bench measures."""
    small = SmallEdge()
    await small.start()
    monkeypatch.setattr(measuring, "time", SimpleNamespace(perf_counter=small.clock))
    yield small
    await small.close()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """Give a file with the admin token."""
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    return file


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Give a folder that is not there yet."""
    return tmp_path / "made" / "results"


def files(folder: Path) -> list[Path]:
    """List what is in a folder; nothing if there is none."""
    return list(folder.glob("*"))


@pytest.fixture
def bench(
    edge: SmallEdge, output: Path, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    """Give the command, with the admin token unless told otherwise."""
    monkeypatch.setattr("os.environ", {})

    async def run(mode: str, *words: object, with_token: bool = True) -> int:
        argv = ["bench", "nodes", "--mode", mode, "--url", edge.url, "--output", output]
        argv += ["--admin-token-file", token_file] if with_token else []
        # In a thread: the command brings a loop of its own.
        return await asyncio.to_thread(cli.run, list(map(str, (*argv, *words))))

    return run
