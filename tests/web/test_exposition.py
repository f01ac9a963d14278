"""``/metrics`` makes nobody wait: rendered beside the event loop, with breaks, one at a time."""

import asyncio
import threading

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from consul_edge import metrics
from consul_edge.demo.standin import StandIn
from consul_edge.metrics import nodes
from tests.house import edge_over
from tests.scrape import scrape


async def test_metrics_are_rendered_in_a_thread_of_their_own() -> None:
    """What gauges look at is looked at there, too; the loop goes on meanwhile."""
    seen: set[threading.Thread] = set()

    def look() -> float:
        seen.add(threading.current_thread())
        return 1.0

    async with StandIn(nodes=1, services=1).running() as url, edge_over(url) as edge:
        metrics.WATCHES_WANTED.set_function(look)
        await asyncio.to_thread(scrape, edge.base)

    assert seen
    assert threading.main_thread() not in seen


async def test_scrapes_at_the_same_time_are_rendered_one_after_the_other() -> None:
    """However many scrape, they take one thread from the others."""
    inside, most = 0, 0
    lock = threading.Lock()
    gate = threading.Event()

    def look() -> float:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        gate.wait(0.05)
        with lock:
            inside -= 1
        return 1.0

    async with StandIn(nodes=1, services=1).running() as url, edge_over(url) as edge:
        metrics.WATCHES_WANTED.set_function(look)
        await asyncio.gather(*(asyncio.to_thread(scrape, edge.base) for _ in range(4)))
        metrics.WATCHES_WANTED.set_function(lambda: 0.0)

    assert most == 1


@pytest.fixture
def breaths(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Count the pauses in place of making them."""
    found: list[float] = []
    monkeypatch.setattr("consul_edge.metrics.nodes.time.sleep", found.append)
    return found


def many() -> CollectorRegistry:
    """Make a registry with a histogram of a hundred children: a thousand samples."""
    registry = CollectorRegistry()
    histogram = nodes._ManyHistograms("many", "Many.", ["name"], registry=registry)
    for number in range(100):
        histogram.labels(str(number))
    return registry


def test_thousands_of_samples_are_rendered_with_breaks(breaths: list[float]) -> None:
    """Collected and rendered in a thread, each of a few dozen lets others work."""
    rendered: list[bytes] = []
    registry = many()
    thread = threading.Thread(target=lambda: rendered.append(generate_latest(registry)))
    thread.start()
    thread.join()

    samples = [line for line in rendered[0].splitlines() if not line.startswith(b"#")]
    assert len(breaths) == 2 * (len(samples) // nodes.STEP)


def test_event_loop_itself_never_pauses(breaths: list[float]) -> None:
    """Whoever looks at the registry in the main thread is not made to sleep there."""
    generate_latest(many())

    assert breaths == []
