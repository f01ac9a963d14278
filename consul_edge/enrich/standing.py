"""How sure it is that a view is what Consul would say now."""

from enum import StrEnum

from msgspec import Struct


class State(StrEnum):
    """How sure it is that a view is what Consul would say now."""

    LIVE = "live"
    """Proven by watches all the time."""

    FRESH = "fresh"
    """Read a moment ago, and being proven again."""

    STALE = "stale"
    """Given for want of anything better."""


class Standing(Struct, frozen=True):
    """How a view stands."""

    state: State
    age: float
    """Seconds since the least proven part of it was proven last."""

    active_server: str
    """``host:port``."""

    main_server: str
    """A bare host, as the original had it."""
