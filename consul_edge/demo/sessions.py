"""
Sessions: who holds locks, and what ends a holder.

A session dies when it is destroyed, when one of its node's checks is lost, or when twice its TTL
passed without a renewal (Consul, too, waits for twice the TTL).  When that is falls to a timer
which the server owns; this module only knows what dying means.
"""

from msgspec.structs import replace

from consul_edge.demo.catalog import Catalog, Rejected
from consul_edge.demo.keys import Keys
from consul_edge.demo.ledger import SESSIONS, Ledger
from consul_edge.demo.records import CRITICAL, Session


class Sessions:
    """The sessions of one state."""

    def __init__(self, ledger: Ledger, catalog: Catalog, keys: Keys) -> None:
        self._ledger = ledger
        self._catalog = catalog
        self._keys = keys
        self._sessions: dict[str, Session] = {}
        catalog.on_check_lost = self._lose

    def get(self, session_id: str) -> Session | None:
        """Look a session up."""
        return self._sessions.get(session_id)

    def all(self) -> list[Session]:
        """List the sessions in the order of their ids."""
        return [self._sessions[key] for key in sorted(self._sessions)]

    def of(self, node: str) -> list[Session]:
        """List the sessions of one node."""
        return [session for session in self.all() if session.node.lower() == node.lower()]

    def index(self) -> int:
        """Give the index of the table, which every answer about sessions has."""
        return self._ledger.highest(SESSIONS)

    def create(self, session: Session) -> None:
        """
        Add a session.

        Raises:
            Rejected: When its node or one of its checks is missing, or critical.
        """
        index = self._ledger.next()
        shelf = self._catalog.node(session.node)
        if shelf is None:
            raise Rejected("Missing node registration")
        for name in session.checks or ():
            check = shelf.checks.get(name.lower())
            if check is None:
                raise Rejected(f"Missing check '{name}' registration")
            if check.status == CRITICAL:
                raise Rejected(f"Check '{name}' is in {CRITICAL} state")
        self._sessions[session.id] = replace(session, create_index=index, modify_index=index)
        self._ledger.stamp(SESSIONS, index)

    def destroy(self, session_id: str) -> None:
        """Remove a session and with it its locks; nothing if it is missing."""
        index = self._ledger.next()
        if session_id in self._sessions:
            self._end(session_id, index)

    def _end(self, session_id: str, index: int) -> None:
        session = self._sessions.pop(session_id)
        self._ledger.stamp(SESSIONS, index)
        delete = session.behavior == "delete"
        self._keys.invalidate(session_id, index, session.lock_delay, delete=delete)

    def _lose(self, node: str, check: str, index: int) -> None:
        for session in self.of(node) if self._sessions else ():
            if check in (session.checks or ()):
                self._end(session.id, index)

    def renumber(self, index: int) -> None:
        """Bring every index down to at most *index*."""
        for key, session in self._sessions.items():
            self._sessions[key] = replace(
                session,
                create_index=min(session.create_index, index),
                modify_index=min(session.modify_index, index),
            )
