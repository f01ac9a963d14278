"""That what the edge is measured against has a configuration without holes, and does its best."""

import re
import socket
from collections.abc import Callable, Iterator

import pytest

from tests.bench import answers, contenders, programs
from tests.bench.plan import Plan, cores
from tests.bench.probing import Expected, trouble_of
from tests.bench.programs import Program
from tests.bench.scenarios.hits import FROM_MEMORY
from tests.peers import require

UPSTREAM = "127.0.0.1:8500"

MAKE: dict[str, Callable[[str], Program]] = {
    "nginx, cache": lambda upstream: programs.nginx(upstream, caches=True),
    "nginx, large": lambda upstream: programs.nginx(upstream, caches=True, large=True),
    "nginx, proxy": programs.nginx,
    "haproxy, cache": lambda upstream: programs.haproxy(upstream, caches=True),
    "haproxy, large": lambda upstream: programs.haproxy(upstream, caches=True, large=True),
    "haproxy, proxy": programs.haproxy,
    "varnish, cache": programs.varnish,
}

BODIES = {"small": 162, "very-large": 700_000}


@pytest.fixture
def program(request: pytest.FixtureRequest) -> Iterator[Program]:
    """Give one that is prepared and not started."""
    prepared = MAKE[request.param](UPSTREAM)
    yield prepared
    prepared.stop()


def filled(program: Program) -> str:
    """Give all that it is told, as it is told."""
    texts = [text for text in program._files.values() if isinstance(text, str)]
    return "\n".join(map(program._filled, [*program._arguments, *texts]))


@pytest.mark.parametrize("program", MAKE, indirect=True)
def test_configuration_has_no_word_left_to_fill_in(program: Program) -> None:
    """Whatever varies has been put in its place, the address to listen on included."""
    text = filled(program)

    assert re.findall(r"@[A-Z]+@", text) == []
    assert program.server in text


@pytest.mark.parametrize("program", [name for name in MAKE if ", proxy" in name], indirect=True)
def test_plain_proxy_keeps_nothing(program: Program) -> None:
    """It is measured by what passing on costs."""
    assert "cache" not in filled(program).replace("open_file_cache", "")


@pytest.mark.real
@pytest.mark.parametrize("name", [name for name in MAKE if ", proxy" not in name])
def test_cache_gives_all_of_what_it_keeps_and_says_that_it_keeps_it(name: str) -> None:
    """The second answer is whole, however large, and its header shows that it is a kept one."""
    for peer in ("nginx", "haproxy", "varnishd"):
        require(peer)
    locations = " ".join(f"location = /{body} {{ alias @FOLDER@/{body}; }}" for body in BODIES)
    files = {body: b"x" * size for body, size in BODIES.items()}
    who = name.partition(",")[0]
    with contenders.stub(locations, files) as stub, MAKE[name](stub.server) as cache:
        for body, size in BODIES.items():
            expected = Expected(size, *FROM_MEMORY[who])
            first = trouble_of(cache.http, f"/{body}", {}, Expected(size))
            # What is large is being kept still when its first answer is complete.
            looks = (trouble_of(cache.http, f"/{body}", {}, expected) for _ in range(100))

            assert first == ""
            assert "" in looks


@pytest.mark.real
def test_stub_answers_at_once_but_holds_who_waits_for_a_change() -> None:
    """A watch of the edge's has something to wait at, as at a Consul where nothing happens."""
    require("nginx")
    plan = Plan(1, 1, *cores())
    with contenders.holding_stub(plan, "[]") as stub:
        assert trouble_of(stub.http, "/v1/health/service/x", {}, Expected(2)) == ""
        with socket.create_connection((stub.address, stub.port), timeout=0.2) as asking:
            asking.sendall(answers.poll(stub.server, "/v1/health/service/x", 42, "30s"))

            with pytest.raises(TimeoutError):
                asking.recv(1)
