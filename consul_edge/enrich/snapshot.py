"""
The cluster as one identity sees it at one moment: a value that never changes.

Rule 1: what could not be learnt is told as a failure beside what is known; nothing here ever
looks like an empty cluster for want of an answer.
Rule 2: what did not change between two snapshots is the same object in both: whoever derives
something from a part may keep it for as long as it gets the same part.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from consul_edge.enrich.shapes import CheckShape, HealthShape, MemberShape, NodeShape

OWN_SERVICE: Final = "consul"
"""Consul's registration of its own servers: no service of anybody's."""


class Kind(StrEnum):
    """Why something was not learnt, as the metric has it."""

    TIMEOUT = "timeout"
    CONNECTION = "connection"
    HTTP_ERROR = "http_error"
    UNKNOWN = "unknown"


class Failure(Struct, frozen=True):
    """Something that was asked, and what came of it."""

    target: str
    """The path that was asked, ``/v1/health/service/web``."""

    kind: Kind
    reason: str
    """``no answer within 2.8 s``, ``403 Permission denied``."""

    status: int = 0
    """Of Consul's answer; 0 if there was none."""

    @property
    def is_denial(self) -> bool:
        """Whether it is not to be known: what was known before may not be shown any more."""
        return self.status == 403

    def __str__(self) -> str:
        """
        Say it in a line.

        >>> str(Failure("/v1/agent/members", Kind.HTTP_ERROR, "403 Permission denied"))
        '/v1/agent/members: 403 Permission denied'
        """
        return f"{self.target}: {self.reason}"


_NOTHING: Final[Mapping[str, "Failure"]] = MappingProxyType({})


class Snapshot(Struct, frozen=True, kw_only=True):
    """Everything that Consul says of its nodes and services."""

    nodes: Mapping[str, NodeShape]
    """By name, in Consul's order."""

    members: Mapping[str, MemberShape]
    """By name; empty where they cannot be read, of which ``problems`` tells."""

    node_checks: Mapping[str, tuple[CheckShape, ...]]
    """Checks of the nodes themselves, by node."""

    services: Mapping[str, tuple[HealthShape, ...]]
    """Instances by service name, those of Consul's own among them, names in natural order.  Each
    has its own checks and its node's."""

    stale: Mapping[str, Failure] = _NOTHING
    """Service names whose instances are those of before, since asking again has failed."""

    missing: Mapping[str, Failure] = _NOTHING
    """Service names of whose instances nothing is known."""

    nodes_in_doubt: Mapping[str, Failure] = _NOTHING
    """Nodes that have, or may have, instances of stale or missing names: their number is not
    known."""

    problems: tuple[Failure, ...] = ()
    """What else could not be learnt."""

    @property
    def is_whole(self) -> bool:
        """Whether there is nothing that could not be learnt."""
        return not (self.stale or self.missing or self.nodes_in_doubt or self.problems)
