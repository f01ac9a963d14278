"""What a client is told when no server gave it a usable answer."""

from consul_edge.core.errors import EdgeError, LimitReached, NoServer
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.servers import Server

_FULL = "has all its connections in use"


class Failures:
    """The last that each server did, in the order of asking."""

    def __init__(self) -> None:
        """Begin with nothing against anybody."""
        self.error: Answer | None = None
        """Consul's own last error, for want of anything better."""
        self.limit = ""
        """The setting for whose sake some server was not asked."""
        self._reasons: dict[str, str] = {}
        self._most = 0

    def __bool__(self) -> bool:
        return bool(self._reasons)

    def note(self, server: Server, reason: str) -> None:
        """Remember why *server* gave no answer."""
        self._reasons[server.name] = reason

    def note_answer(self, server: Server, answer: Answer) -> None:
        """Remember an error that *server* answered with."""
        self.error = answer
        self.note(server, f"answered {answer.status} {answer.text.strip()[:100]}")

    def note_full(self, server: Server, *, poll: bool) -> None:
        """Remember that *server* was not asked, and which bound was met."""
        self.note(server, _FULL)
        slots = server.slots
        if poll and slots.has_room(poll=False):
            self.limit, self._most = "watch.max_per_server", slots.poll_limit
        else:
            self.limit, self._most = "consul.connections_per_server", slots.limit

    def to_error(self) -> EdgeError:
        """Make what is raised: the bound if that was all, else what each server did."""
        if self.limit and all(reason == _FULL for reason in self._reasons.values()):
            text = f"{self.limit} ({self._most}) is reached at every server"
            return LimitReached(503, self.limit, text)
        return NoServer(self._reasons)
