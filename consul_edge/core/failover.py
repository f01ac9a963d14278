"""
What an answer of one server says about that server.

Rule 1: every decision on whether an answer is final or another server is asked is made here.
Rule 2: an error that a client can cause at will is an answer (``No path to datacenter``, 403,
agent health's 429 and 503): passing it on is right, and retrying it would multiply the load.
The texts are Consul's own (``agent/consul/rpc.go``, ``agent/consul/structs``; CONSUL.md 0, A.7).
"""

from enum import Enum
from typing import Final


class Verdict(Enum):
    """What to do with an answer."""

    FINAL = "final"
    """It is the client's."""

    NO_LEADER = "no_leader"
    """The cluster is between leaders and nothing was done: ask again when there is one."""

    LOST_LEADER = "lost_leader"
    """The way to the leader broke: a read is asked again, a write may have been done."""

    ELSEWHERE = "elsewhere"
    """This server will not, another one might."""


JUDGED: Final = frozenset({429, 500})
"""Statuses whose text matters; any other is final whatever it says."""

READABLE_BYTES: Final = 4096
"""How much of an error's body is read to judge it: Consul's texts are a line."""

_NO_LEADER: Final = "no cluster leader"

_FORWARDED: Final = "rpc error making call: "
"""What each server that passed a request on puts before the error that came back."""

_ECHOES: Final = ("invalid config entry kind: ",)
"""Beginnings of texts that end in the client's own words, which may be anything."""

_LOST_LEADER: Final = (
    "raft leader not found in server lookup mapping",
    "not ready to serve consistent reads",
    "no known consul servers",
    "leadership lost while committing log",
    "node is not the leader",
    "leadership transfer in progress",
    "raft is already shutdown",
    "i/o deadline reached",
    "rpc error getting client: failed to get",
    "rpc error making call: eof",
    "rpc error making call: stream closed",
    "rpc error making call: session shutdown",
    "rpc error making call: connection reset",
    "rpc error making call: i/o deadline",
    # Go's own words for a broken connection: "write tcp 10.0.0.1:1->10.0.0.2:8300: broken pipe".
    "rpc error making call: read tcp ",
    "rpc error making call: write tcp ",
    "rpc error making call: dial tcp ",
)

_TOO_MANY_CONNECTIONS: Final = "too many concurrent connections"
_ASK_ANOTHER: Final = "try again later or against a different server"


def judge(status: int, text: str) -> Verdict:
    """
    Judge an answer by its status and, for an error, its text.

    >>> judge(500, "rpc error making call: No cluster leader").name
    'NO_LEADER'
    >>> judge(500, "No path to datacenter").name
    'FINAL'
    """
    if status not in JUDGED:
        return Verdict.FINAL
    line = text.strip().lower()
    if status == 429:
        asks = _ASK_ANOTHER in line or _TOO_MANY_CONNECTIONS in line
        return Verdict.ELSEWHERE if asks else Verdict.FINAL
    while line.startswith(_FORWARDED + "rpc error"):
        line = line.removeprefix(_FORWARDED)
    if line.removeprefix(_FORWARDED).startswith(_ECHOES):
        return Verdict.FINAL
    if line.endswith(_NO_LEADER):
        return Verdict.NO_LEADER
    if any(line.startswith(known) or line.endswith(known) for known in _LOST_LEADER):
        return Verdict.LOST_LEADER
    return Verdict.FINAL


def changes_nothing(status: int, verdict: Verdict) -> bool:
    """
    Tell whether a write that was answered so was certainly not carried out.

    >>> changes_nothing(403, Verdict.FINAL), changes_nothing(500, Verdict.LOST_LEADER)
    (True, False)
    """
    return 400 <= status < 500 or verdict is Verdict.NO_LEADER
