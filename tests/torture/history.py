"""
What happened in a run, recorded as values: who wrote what, who was told what, and when.

Rule 1: every *subject* (a KV key, a service instance) has one writer, so its values have an order.
A value names its writer and a sequence number; None stands for a subject that is not there.
Rule 2: times are of one clock, taken before a request is sent and after its answer was read: they
may only make an operation longer than it was, which never accuses anybody wrongly.
Rule 3: a write whose answer is an error may have been done, now or later: raft gives no more.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

ANY: Final = "(some value)"
"""Read where an answer tells that a subject is there, but not its value."""

_DETAIL: Final = re.compile(r"detail=([a-z-]+)")


class Via(Enum):
    """The way that an operation takes to Consul."""

    EDGE = "through the edge"
    DIRECT = "directly at Consul"


class Outcome(Enum):
    """What its answer says of a write."""

    DONE = "acknowledged"
    REFUSED = "refused"
    """Consul said no: the condition did not hold."""
    UNKNOWN = "unknown"


class Mode(Enum):
    """Consul's consistency modes, and its agent cache."""

    DEFAULT = "default"
    STALE = "stale"
    CACHED = "cached"
    CONSISTENT = "consistent"


class Kind(Enum):
    """How an answer's body is read."""

    KEY = "one KV entry"
    RECURSE = "KV entries below a prefix"
    KEYS = "KV keys below a prefix"
    INSTANCES = "instances of a service"
    SERVICES = "names of services"


@dataclass(frozen=True, slots=True)
class Question:
    """Something that is asked again and again."""

    target: str
    kind: Kind
    scope: tuple[str, ...]
    """The subjects that its answer speaks of; of services those whose being there decides alone
    whether the service (their name before the dash) is there."""
    is_kept: bool
    """Whether the edge may answer plain default-mode reads from what it keeps."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, or the want of one."""

    status: int
    """0: there was none."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""

    @property
    def index(self) -> int:
        """Consul's index; 0 if there is none."""
        text = self.headers.get("x-consul-index", "")
        return int(text) if text.isdecimal() else 0

    @property
    def is_hit(self) -> bool:
        """Whether the edge answered it from what it keeps."""
        return "; hit" in self.headers.get("cache-status", "")

    @property
    def is_collapsed(self) -> bool:
        """Whether it came with another client's fetch."""
        return "collapsed" in self.headers.get("cache-status", "")

    @property
    def is_stale(self) -> bool:
        """Whether it says that it is given for want of anything better."""
        return "x-consul-edge-stale" in self.headers or (self.is_hit and self.detail == "stale")

    @property
    def detail(self) -> str:
        """The edge's reason for how it answered."""
        found = _DETAIL.search(self.headers.get("cache-status", ""))
        return found[1] if found else ""

    @property
    def age(self) -> float:
        """Seconds since the last proof, as the answer has it."""
        text = self.headers.get("age", "")
        return float(text) if text.isdecimal() else 0.0


@dataclass(frozen=True, slots=True)
class Write:
    """One write to one subject."""

    subject: str
    value: str | None
    via: Via
    outcome: Outcome
    began: float
    ended: float
    is_conditional: bool = False
    """Whether Consul refuses it if anything was written since its writer looked."""
    told: str = ""
    """What its answer said, for people."""

    def __str__(self) -> str:
        return (
            f"{self.began:.3f}-{self.ended:.3f} {self.subject} = {self.value!r} was"
            f" {self.outcome.value} {self.via.value}: {self.told}"
        )


@dataclass(frozen=True, slots=True)
class Read:
    """One read, or one round of a watcher."""

    reader: str
    question: Question
    mode: Mode
    reply: Reply
    began: float
    ended: float
    via: Via = Via.EDGE
    index: int = 0
    """That the client had; 0: it did not wait."""
    identity: str = ""

    def __str__(self) -> str:
        ways = f" {self.mode.value}" + (f" index={self.index}" if self.index else "")
        told = {
            name: value
            for name, value in self.reply.headers.items()
            if name in ("cache-status", "age", "x-consul-index", "x-consul-edge-server")
        }
        return (
            f"{self.began:.3f}-{self.ended:.3f} {self.reader} {self.identity} read"
            f" {self.question.target}{ways} {self.via.value}: {self.reply.status} {told}"
            f" {said(self.question, self.reply)}"
        )


@dataclass(frozen=True, slots=True)
class Append:
    """A request that makes a new thing each time that Consul acts on it."""

    marker: str
    outcome: Outcome
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Probe:
    """A consistent read directly at Consul: whether there was a leader that could serve."""

    began: float
    ended: float
    was_served: bool


@dataclass(frozen=True, slots=True)
class Election:
    """A server became leader, by its own log."""

    at: float
    server: str = ""


@dataclass(frozen=True, slots=True)
class Death:
    """A server was dead: its memory is built anew from its log, once somebody leads."""

    began: float
    ended: float
    server: str = ""


@dataclass(frozen=True, slots=True)
class Last:
    """What a watcher knew in the end, and what was true then."""

    watcher: str
    question: Question
    seen: Mapping[str, str | None] | None
    """None: it never had an answer."""
    truth: Mapping[str, str | None]


@dataclass(slots=True)
class History:
    """All of one run, in the order in which it ended."""

    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    appends: list[Append] = field(default_factory=list)
    appended: dict[str, int] = field(default_factory=dict)
    """How often each marker was found in the end."""
    probes: list[Probe] = field(default_factory=list)
    elections: list[Election] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    lasts: list[Last] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """For people."""
    rights: dict[str, frozenset[str]] = field(default_factory=dict)
    """The subjects that an identity may read; one that is not named may read all."""

    def may_read(self, identity: str, subject: str) -> bool:
        """Tell whether *subject* is any of the business of *identity*."""
        return identity not in self.rights or subject in self.rights[identity]


def said(question: Question, reply: Reply) -> dict[str, str | None] | None:
    """
    Read from an answer the value of each subject that it speaks of; None for an error.

    A subject that is no part of the question's scope is given, too: the judge will ask why.
    """
    is_kv = question.kind in (Kind.KEY, Kind.RECURSE, Kind.KEYS)
    if reply.status == 404 and is_kv:
        return dict.fromkeys(question.scope)
    if reply.status != 200:
        return None
    found: dict[str, str | None] = dict.fromkeys(question.scope)
    found.update(_entries(question, json.loads(reply.body)))
    return found


def _entries(question: Question, document: Any) -> Iterator[tuple[str, str]]:
    match question.kind:
        case Kind.KEY | Kind.RECURSE:
            for entry in document:
                yield entry["Key"], base64.b64decode(entry["Value"] or "").decode()
        case Kind.KEYS:
            yield from ((key, ANY) for key in document)
        case Kind.INSTANCES:
            for one in document:
                service = one.get("Service")
                if isinstance(service, dict):
                    yield service["ID"], service["Meta"]["seq"]
                else:
                    yield one["ServiceID"], one["ServiceMeta"]["seq"]
        case Kind.SERVICES:
            services = {subject.rpartition("-")[0]: subject for subject in question.scope}
            for name in document:
                if name != "consul":
                    yield services.get(name, name), ANY
