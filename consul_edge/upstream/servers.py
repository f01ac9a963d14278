"""
The Consul servers: their order, which one is active, and which are out.

Rule 1: the configured order is the order of asking; the one that answered last stays first until
it fails (sticky), and ``main_server`` comes after all others.
Rule 2: only a failed connection or a failed heartbeat opens a server's circuit.  A server whose
circuit is open is asked when all others have failed, never left out: a wrong guess must not
become an outage.
Rule 3: nothing here waits.  Whoever waits for a change of the situation awaits ``news()``.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence

import structlog

from consul_edge import metrics
from consul_edge.core.address import Address
from consul_edge.upstream.gauges import Gauges
from consul_edge.upstream.slots import Slots

log = structlog.get_logger()


class Tenure:
    """
    One leader as one server sees it.

    It ends with the server's silence, with an empty leader and with another one: a server whose
    tenure is the same object as before has had the same leader all the time.
    """

    __slots__ = ("began_at", "heard_at", "leader")

    def __init__(self, leader: str, heard_at: float) -> None:
        """Begin with the heartbeat, sent at *heard_at*, that named *leader*."""
        self.leader = leader
        self.began_at = heard_at
        self.heard_at = heard_at
        """When the last heartbeat that named it was sent."""


class Server:
    """One Consul server, or one address of a name that has several."""

    def __init__(
        self,
        address: Address,
        slots: Slots,
        *,
        label: str,
        tls_name: str | None,
        host: str | None = None,
    ) -> None:
        """
        Describe a server that is presumed well.

        Args:
            address: Where to connect.

            slots: Its connection budget.

            label: The configured ``host:port``: what metrics call it, also when *address* is one
                of several that a name stands for.

            tls_name: The name to ask for and to check in its certificate; None: the host.

            host: What to say in ``Host``; None: the address.
        """
        self.address = address
        self.name = address.name
        self.label = label
        self.tls_name = tls_name
        self.host = host
        self.slots = slots
        self.is_out = False
        self.is_gone = False
        """No longer one of those that are asked, and never again: it stays out."""
        self.failures = 0
        """Failed heartbeats in a row."""
        self.leader: str | None = None
        """Its leader at the last heartbeat: "" none, None not known."""
        self.last_leader = ""
        """The last leader it named, also when it has named none since."""
        self.leaders_seen = 0
        """Counts up whenever another leader was found: what was forwarded before may be lost."""
        self.tenure: Tenure | None = None
        """Of its leader; None: it has named none, or was silent since."""
        self._counters = {
            status: metrics.SERVER_FALLBACK.labels(label, status)
            for status in ("success", "failure", "timeout")
        }

    def __repr__(self) -> str:
        return f"<Server {self.name}{' out' if self.is_out else ''} leader={self.leader!r}>"

    def follows(self, leader: str, at: float) -> bool:
        """
        Note that it named *leader* in answer to a heartbeat sent at *at*.

        Returns:
            Whether that is news.
        """
        changed = self.leader != leader
        if changed and (self.leader is not None or self.last_leader not in ("", leader)):
            self.leaders_seen += 1
            log.info("leader found", server=self.name, leader=leader)
        self.leader = self.last_leader = leader
        if self.tenure is not None and self.tenure.leader == leader:
            self.tenure.heard_at = at
            return changed
        self.tenure = Tenure(leader, at)
        return True

    def has_no_leader(self) -> None:
        """Note that it named none."""
        if self.leader:
            log.warning("no leader", server=self.name)
        self.leader = ""
        self.tenure = None

    def count(self, status: str) -> None:
        """Count one attempt: ``success``, ``failure`` or ``timeout``."""
        self._counters[status].inc()


class Servers:
    """All servers that reads may rotate over, in order."""

    def __init__(
        self,
        servers: Sequence[Server],
        *,
        last_resort: Sequence[Server] = (),
        wake: Callable[[Server], None] = lambda _: None,
        patience: float = 20.0,
    ) -> None:
        """
        Begin with the first server active.

        Args:
            servers: In the configured order; never empty.

            last_resort: ``main_server``, unless it is one of *servers*.

            wake: Called when a server should be looked at now.

            patience: Seconds that an election is waited out.
        """
        self.wake = wake
        self.patience = patience
        self._leaderless_since: float | None = None
        self._led_at = float("-inf")
        self.active = servers[0]
        self._news: asyncio.Future[None] | None = None
        self._gauges = Gauges(lambda server: server is self.active)
        self.replace(servers, last_resort)

    def replace(self, servers: Sequence[Server], last_resort: Sequence[Server] = ()) -> None:
        """Follow a change of the names' addresses; the active server stays while it is there."""
        self._servers = tuple(servers)
        self._all = (*self._servers, *last_resort)
        if self.active not in self._all:
            self.active = self._all[0]
        self._gauges.show(self._all)

    def __iter__(self) -> Iterator[Server]:
        return iter(self._all)

    def candidates(self) -> tuple[Server, ...]:
        """List the servers in the order of asking."""
        at = self._all.index(self.active)
        return tuple(sorted((*self._all[at:], *self._all[:at]), key=self._rank))

    @property
    def are_out(self) -> bool:
        """Whether the circuit of every server is open."""
        return all(server.is_out for server in self._all)

    def are_useless(self, now: float) -> bool:
        """Whether asking is in vain: every server is out, or was without a leader for longer than
        any election is waited out.
        """
        since = self._leaderless_since
        return self.are_out or (since is not None and now - since > self.patience)

    def silent_for(self, now: float) -> float:
        """Give the seconds since a heartbeat last named a leader; infinite if none ever did."""
        return now - self._led_at

    def well(self) -> tuple[Server, ...]:
        """List those on which something may be hung for long: not the last resort if there are
        others, and none without a leader.
        """
        able = [server for server in self._all if not server.is_out and server.leader != ""]
        return tuple([server for server in able if server in self._servers] or able)

    def answered(self, server: Server) -> None:
        """
        Note that *server* gave a usable answer.

        It becomes active if the active one is out, has no leader or is only the last resort; one
        slow answer, or one that another server gave first, moves nothing.
        """
        active = self.active
        if server in self._all and self._rank(server) < self._rank(active):
            log.info("active server changed", server=server.name, before=active.name)
            self.active = server

    def lost(self, server: Server, reason: str) -> None:
        """Open the circuit of *server*; whoever waits on it moves on."""
        if server.is_out:
            return
        server.is_out = True
        server.tenure = None
        metrics.UPSTREAM_LOSSES.labels(server.label).inc()
        log.warning("server lost", server=server.name, reason=reason)
        self.wake(server)
        self.announce()

    def heard(self, server: Server, leader: str | None, *, at: float) -> None:
        """
        Note that *server* answered a heartbeat.

        Args:
            leader: What it said: "" no leader, None if its answer could not be read.

            at: When the heartbeat was sent: what it proves was true from then on.
        """
        server.failures = 0
        changed = server.is_out
        if server.is_out:
            server.is_out = False
            log.info("server back", server=server.name)
        if leader:
            changed |= server.follows(leader, at)
        elif leader == "":
            server.has_no_leader()
        else:
            server.leader = None
        if server.leader:
            self._leaderless_since = None
            self._led_at = at
        elif self._leaderless_since is None and not self.well():
            self._leaderless_since = at
        if changed:
            self.announce()

    def news(self) -> "asyncio.Future[None]":
        """Return what is done when a server is lost or back, or a leader is found."""
        if self._news is None or self._news.done():
            self._news = asyncio.get_running_loop().create_future()
        return self._news

    def announce(self) -> None:
        """Wake everyone who waits for news."""
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _rank(self, server: Server) -> int:
        """Order servers by hope: well, the last resort, without a leader, out."""
        if server.is_out:
            return 3
        if server.leader == "":
            return 2
        return 0 if server in self._servers else 1
