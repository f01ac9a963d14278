"""
How the enrichment asks Consul: in one identity's name, a few calls at once, never for long.

Rule 1: ``consul.semaphore_limit`` bounds the calls of all identities together, so that a cold
picture of a large cluster leaves room for clients.
Rule 2: a call has ``PATIENCE`` times ``consul.timeout``: a server that hangs costs that once, and
the next one still answers; what nobody answers by then has failed.  Only what there is no picture
without has ``consul.deadline``, as any client's read: an election is waited out.
Rule 3: whatever goes wrong becomes one thing, ``Unlearnt``, which says what was asked and why
there is no answer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import msgspec

from consul_edge.cache.cache import Cache
from consul_edge.cache.fetching import LARGE_BYTES, TooLarge, Unanswered
from consul_edge.cache.following import Following
from consul_edge.core.ask import Unclear
from consul_edge.core.entry import Entry
from consul_edge.core.errors import EdgeError, NoServer, Refused, ServerFailed
from consul_edge.enrich.snapshot import Failure, Kind

PATIENCE: Final = 1.4
"""Times ``consul.timeout``."""

_SHOWN: Final = 200
"""Characters of Consul's own words that are passed on."""

T = TypeVar("T")


class Unlearnt(Exception):
    """Raised when something was asked, and there is no answer to go by."""

    def __init__(self, failure: Failure, error: EdgeError) -> None:
        """
        Tell what happened.

        Args:
            error: What a client is told for whom this was all that he asked.
        """
        super().__init__(str(failure))
        self.failure = failure
        self.error = error


@dataclass(slots=True)
class Asker:
    """Asks in the name of one token."""

    cache: Cache
    token: str
    may_ask: asyncio.Semaphore
    """Shared by all identities."""

    patience: float
    """Seconds that a call may take."""

    deadline: float
    """Seconds that one may take without which there is nothing to show."""

    def bound(self, patience: float, deadline: float) -> None:
        """Take other bounds, which hold for what is asked from now on."""
        self.patience, self.deadline = patience, deadline

    def follow(self, target: str, heard: Callable[[], None]) -> Following | None:
        """Have the answer to *target* watched; None: Consul cannot be asked such a thing."""
        try:
            return self.cache.follow(target, self.token, heard)
        except Unclear:
            return None

    async def ask(self, target: str) -> Entry:
        """
        Ask once, past everything that is kept.

        Raises:
            Unlearnt: When there is no answer, or none but an error.
        """
        async with self.may_ask:
            ask = partial(self.cache.ask, target, self.token)
            return await self._answered(target, ask, self.patience)

    async def fetch(
        self, target: str, following: Following, *, is_essential: bool = False
    ) -> Entry:
        """
        Ask now for what is followed; without any answer, what is kept stands in.

        Raises:
            Unlearnt: As ``ask``.
        """
        patience = self.deadline if is_essential else self.patience
        async with self.may_ask:
            try:
                return await self._answered(target, following.fetch, patience)
            except Unlearnt as unlearnt:
                kept = following.entry
                if kept is None or unlearnt.failure.kind is Kind.HTTP_ERROR:
                    raise
                return kept

    async def _answered(
        self, target: str, ask: Callable[[], Awaitable[Entry]], patience: float
    ) -> Entry:
        path = target.partition("?")[0]
        try:
            async with asyncio.timeout(patience):
                entry = await ask()
        except TimeoutError:
            reason = f"no answer within {patience:g} s"
            error: EdgeError = ServerFailed(f"GET {path}:", reason, sent=True, timed_out=True)
            raise Unlearnt(Failure(path, Kind.TIMEOUT, reason), error) from None
        except Unanswered as unanswered:
            entry = unanswered.entry
        except NoServer as error:
            kind = Kind.TIMEOUT if error.timed_out else Kind.CONNECTION
            raise Unlearnt(Failure(path, kind, str(error)), error) from error
        except EdgeError as error:
            raise Unlearnt(Failure(path, Kind.UNKNOWN, str(error)), error) from error
        except Unclear:
            reason = "a name that Consul's API cannot be asked about"
            raise Unlearnt(Failure(path, Kind.UNKNOWN, reason), EdgeError(reason)) from None
        except TooLarge:
            reason = "the answer is larger than cache.max_entry_bytes"
            raise Unlearnt(Failure(path, Kind.UNKNOWN, reason), EdgeError(reason)) from None
        if entry.status != 200:
            words = entry.body[:_SHOWN].decode("utf-8", "replace").strip()
            reason = f"{entry.status} {words or entry.reason}"
            failure = Failure(path, Kind.HTTP_ERROR, reason, entry.status)
            raise Unlearnt(failure, Refused(entry.status, str(failure)))
        return entry


async def decoded(target: str, body: bytes, read: Callable[[bytes], T]) -> T:
    """
    Read a body, a large one outside the event loop.

    Raises:
        Unlearnt: When it is of another shape.
    """
    path = target.partition("?")[0]
    try:
        return read(body) if len(body) < LARGE_BYTES else await asyncio.to_thread(read, body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        reason = f"not what Consul answers: {error}"
        raise Unlearnt(
            Failure(path, Kind.UNKNOWN, reason), EdgeError(f"{path}: {reason}")
        ) from error
