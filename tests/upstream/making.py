"""Servers to decide about, which nobody connects to, and what their metrics say."""

from prometheus_client import Counter, Gauge

from consul_edge.core.address import parse_server
from consul_edge.upstream.servers import Server
from consul_edge.upstream.slots import Slots


def make_server(name: str, *, label: str = "") -> Server:
    """Make a server that is presumed well; *name* is its host."""
    address = parse_server(f"{name}.unit.test:8500")
    slots = Slots(limit=10, poll_limit=5, now=lambda: 0.0)
    return Server(address, slots, label=label or address.name, tls_name=None)


def make_servers(names: str) -> list[Server]:
    """Make one server for each letter of *names*."""
    return [make_server(name) for name in names]


def letters(*servers: Server) -> str:
    """Write servers as their letters."""
    return "".join(server.name.partition(".")[0] for server in servers)


def value_of(metric: Counter | Gauge) -> float:
    """Read one series as a scrape would."""
    (family,) = metric.collect()
    return family.samples[0].value
