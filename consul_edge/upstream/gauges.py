"""
How the servers are, for whoever scrapes: looked at then, so that requests pay nothing.

Rule: one label may stand for several addresses of a name: it is as well as the best of them.
"""

from collections.abc import Callable, Iterable
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from consul_edge import metrics
from consul_edge.upstream.slots import Slots

if TYPE_CHECKING:
    from consul_edge.upstream.servers import Server

Group = tuple["Server", ...]
"""Those that share a label."""

CONNECTIONS: Final[dict[str, Callable[[Slots], int]]] = {
    "short": attrgetter("short"),
    "poll": attrgetter("polls"),
    "abandoned": Slots.count_abandoned,
}


class Gauges:
    """What is shown of the servers that there are."""

    def __init__(self, is_active: Callable[["Server"], bool]) -> None:
        """
        Show nothing yet.

        Args:
            is_active: Tells whether a server is the one that is asked first.
        """
        self._is_active = is_active
        self._labels: set[str] = set()

    def show(self, servers: "Iterable[Server]") -> None:
        """Look at *servers* from now on, and at no others."""
        groups: dict[str, Group] = {}
        for server in servers:
            groups[server.label] = (*groups.get(server.label, ()), server)
        for label in self._labels - groups.keys():
            metrics.forget_server(label)
        self._labels = set(groups)
        for label, group in groups.items():
            metrics.UPSTREAM_UP.labels(label).set_function(partial(_is_any_well, group))
            metrics.UPSTREAM_ACTIVE.labels(label).set_function(partial(self._has_active, group))
            for state in metrics.STATES:
                circuit = metrics.UPSTREAM_CIRCUIT.labels(label, state)
                circuit.set_function(partial(_is_in, group, state))
            for kind, read in CONNECTIONS.items():
                gauge = metrics.UPSTREAM_CONNECTIONS.labels(label, kind)
                gauge.set_function(partial(_total, group, read))

    def _has_active(self, group: Group) -> bool:
        return any(self._is_active(server) for server in group)


def _is_any_well(group: Group) -> bool:
    return any(not server.is_out for server in group)


def _is_in(group: Group, state: str) -> bool:
    """Tell whether *state* is that of the best of them."""
    return state == min(map(_state_of, group), key=metrics.STATES.index)


def _state_of(server: "Server") -> str:
    if server.is_out:
        return "open"
    return "leaderless" if server.leader == "" else "closed"


def _total(group: Group, read: Callable[[Slots], int]) -> int:
    return sum(read(server.slots) for server in group)
