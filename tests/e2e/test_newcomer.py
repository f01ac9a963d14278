"""
A newcomer with nothing but the README: its commands, in its order, in a copy of what is here.

Rule 1: every line of a block marked ``sh`` is run as it stands, by ``sh``, in the copy, with
nothing in the environment but ``PATH`` and ``HOME``.
Rule 2: what another program of this machine may hold is exchanged, and only that: the address, by
what the README says of it, and the servers, which are examples.
Rule 3: ``make test`` is not run by itself: it is what runs this.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.consul import ConsulAgent
from tests.markdown import ROOT, Block, Page
from tests.peers import search_path
from tests.processes import Process, fresh_address
from tests.waiting import wait_until
from tests.wire import exchange

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
"""Everything that the edge needs is installed once: on a machine with much to do that is long."""

README: Final = Page(ROOT / "README.md")
BLOCKS: Final = [block for block in README.blocks if block.language == "sh"]

NOT_RUN: Final = {"make test"}
GOES_ON: Final = re.compile(r"make run$|\S+ serve ")
"""Commands that end when somebody ends them."""

ADDRESS: Final = "127.0.0.1:8510"
SERVERS: Final = "10.0.0.1:8500,10.0.0.2:8500,10.0.0.3:8500"
PORT: Final = 8510

NO_INDEX: Final = re.compile(r"connection broken|Could not fetch URL|Name or service not known")
"""What pip says where no package can be had."""


@dataclass
class Said:
    """What became of a line that ended."""

    line: str
    output: str


@dataclass
class Newcomer:
    """Somebody at a terminal of their own."""

    folder: Path
    server: str
    said: list[Said] = field(default_factory=list)
    running: Process | None = None

    def __post_init__(self) -> None:
        """Know no variable but two."""
        path = search_path(self.folder.parent / "bin", "curl")
        self.environment = {"PATH": path, "HOME": os.environ["HOME"]}
        self.address = ""

    def do(self, block: Block) -> None:
        """Run the lines of a block; what is exported holds until its end."""
        before: list[str] = []
        for line in block.lines:
            if line in NOT_RUN:
                continue
            if GOES_ON.match(line):
                self.start(before, line)
            elif line.startswith("export "):
                before.append(line)
            else:
                self.run(before, line)

    def run(self, before: list[str], line: str) -> None:
        """Run what ends."""
        done = subprocess.run(
            ["sh", "-ec", self.meant([*before, line])],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        self.said.append(Said(line, done.stdout))
        if done.returncode:
            pytest.fail(excuse(line, done.stdout), pytrace=False)

    def start(self, before: list[str], line: str) -> None:
        """Start what goes on, in the place of what went on before, and wait until it serves."""
        self.end()
        self.address = fresh_address()
        script = self.meant([*before, f"exec {line}"])
        command = ("env", "-i", *(f"{name}={value}" for name, value in self.environment.items()))
        log = self.folder.parent / "log"
        running = Process(line, (*command, "sh", "-ec", f"cd {self.folder}\n{script}"), log)
        self.running = running

        def is_there() -> bool:
            if not running.alive:
                pytest.fail(excuse(line, running.log_text()), pytrace=False)
            return exchange((self.address, PORT), "GET", "/-/ready").status == 200

        wait_until(is_there, f"{line} at {self.address}", within=300)

    def meant(self, lines: list[str]) -> str:
        """Exchange what this machine has otherwise."""
        ours = f"{self.address}:{PORT}"
        script = "\n".join(lines).replace(SERVERS, self.server)
        script = re.sub("make run$", f'make run ARGS="--listen {ADDRESS}"', script)
        return script.replace(ADDRESS, ours)

    def end(self) -> None:
        """Press Ctrl-C, as it were."""
        if self.running is not None:
            self.running.terminate()

    def of(self, part: str) -> str:
        """Give what the last line with *part* in it said."""
        return next(said.output for said in reversed(self.said) if part in said.line)


def excuse(line: str, output: str) -> str:
    """Tell what went wrong with a line, unless it is that no packages can be had: then skip."""
    if NO_INDEX.search(output) and os.environ.get("CI", "").lower() not in {"true", "1"}:
        pytest.skip(f"no packages can be had here: {line}")
    return f"{line}\n{output}"


@pytest.fixture(scope="module")
def newcomer(
    tmp_path_factory: pytest.TempPathFactory, consul_agent: ConsulAgent
) -> Iterator[Newcomer]:
    """Give somebody who has gone through the README, and whose edge still runs."""
    folder = tmp_path_factory.mktemp("newcomer") / "consul-edge"
    unknown = (ROOT / ".gitignore").read_text().replace("/", "").split()
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", *unknown))
    one = Newcomer(folder, consul_agent.server)
    try:
        for block in BLOCKS:
            one.do(block)
        yield one
    finally:
        one.end()


def test_demo_is_asked_as_consul_would_be(newcomer: Newcomer) -> None:
    """Two commands after the first one a client reads through the edge."""
    first = newcomer.said[0]
    assert first.line.startswith("curl")
    assert "/v1/catalog/services" in first.line
    assert '"consul":[]' in first.output.replace(" ", "").replace("\n", "")


def test_edge_is_installed_and_a_client_reads_through_it(newcomer: Newcomer) -> None:
    """The client was told the address by ``CONSUL_HTTP_ADDR`` alone."""
    answer = newcomer.of("$CONSUL_HTTP_ADDR")
    assert re.search(r"^HTTP/1.1 200 ", answer, re.MULTILINE)
    assert re.search(r"^X-Consul-Index: \d+", answer, re.MULTILINE)
    assert re.search(r"^Cache-Status: consul-edge; fwd=miss", answer, re.MULTILINE)


def test_metrics_can_be_scraped(newcomer: Newcomer) -> None:
    """They count what was asked."""
    assert 'consul_edge_http_requests_total{code="200"' in newcomer.of("/metrics")


def test_caches_are_inspected_and_flushed_and_the_settings_reloaded(newcomer: Newcomer) -> None:
    """With the token of the file that was made before the start."""
    for call in ("all/info", "proxy/flush", "/-/reload"):
        assert '"success":true' in newcomer.of(call).replace(" ", ""), call


def test_every_kind_of_line_was_run() -> None:
    """What goes on, what ends, and nothing that is left out but the tests themselves."""
    lines = [line for block in BLOCKS for line in block.lines]
    assert [line for line in lines if GOES_ON.match(line)] == [
        "make run",
        next(line for line in lines if " serve " in line),
    ]
    assert {line for line in lines if line in NOT_RUN} == NOT_RUN
    assert sum(line.startswith("curl ") for line in lines) == 6
    assert '`make run ARGS="--listen ' in README.prose
    assert ADDRESS in next(line for line in lines if " serve " in line)
    assert SERVERS in next(line for line in lines if " serve " in line)
