"""Histories made by hand: what the judge must find, and what it must let pass."""

import base64
import json
from dataclasses import replace

from tests.torture.history import (
    Append,
    Death,
    Election,
    History,
    Kind,
    Last,
    Mode,
    Outcome,
    Probe,
    Question,
    Read,
    Reply,
    Via,
    Write,
)

KEY = Question("/v1/kv/a", Kind.KEY, ("a",), False)
WEB = Question("/v1/health/service/web", Kind.INSTANCES, ("web-1", "web-2"), True)

BYPASS = {"cache-status": "consul-edge; fwd=bypass"}
MISS = {"cache-status": "consul-edge; fwd=miss"}
COLLAPSED = {"cache-status": "consul-edge; fwd=miss; collapsed"}
LIVE = {"cache-status": "consul-edge; hit; detail=live", "age": "0"}
STALE = {"cache-status": "consul-edge; hit; detail=stale", "x-consul-edge-stale": "5", "age": "5"}

PEACE = [Probe(at, at + 0.1, True) for at in range(200)]


def put(subject: str, number: int, at: float, via: Via = Via.DIRECT) -> Write:
    """Write value *number* within a tenth of a second."""
    return Write(subject, f"{subject}#{number}", via, Outcome.DONE, at, at + 0.1)


def key_reply(value: str, headers: dict[str, str], index: int = 7) -> Reply:
    """Answer for ``KEY``."""
    entry = {"Key": "a", "Value": base64.b64encode(value.encode()).decode()}
    return Reply(200, headers | {"x-consul-index": str(index)}, json.dumps([entry]).encode())


def web_reply(*values: str, headers: dict[str, str], index: int = 7) -> Reply:
    """Answer for ``WEB``; each value names its instance."""
    found = [
        {"Service": {"ID": value.partition("#")[0], "Meta": {"seq": value}}} for value in values
    ]
    return Reply(200, headers | {"x-consul-index": str(index)}, json.dumps(found).encode())


def read(question: Question, reply: Reply, at: float, mode: Mode = Mode.DEFAULT) -> Read:
    """Read within a tenth of a second."""
    return Read("reader", question, mode, reply, at, at + 0.1)


KEY_WRITES = [put("a", 1, 10), put("a", 2, 20)]
WEB_WRITES = [put("web-1", 1, 10), put("web-2", 1, 10), put("web-1", 2, 20, Via.EDGE)]
OLD, NEW = ("web-1#1", "web-2#1"), ("web-1#2", "web-2#1")

GUILTY = {
    "a plain KV read that misses an acknowledged write": (
        "older than promised",
        History(KEY_WRITES, [read(KEY, key_reply("a#1", BYPASS), 21)]),
    ),
    "a consistent read that misses it in the middle of an election": (
        "older than promised",
        History(
            KEY_WRITES,
            [read(KEY, key_reply("a#1", BYPASS), 21, Mode.CONSISTENT)],
            elections=[Election(21.0)],
            probes=PEACE,
        ),
    ),
    "a key that was there all the time and is answered as missing": (
        "older than promised",
        History(KEY_WRITES, [read(KEY, Reply(404, {**BYPASS, "x-consul-index": "7"}), 21)]),
    ),
    "a fetch that misses a write directly at Consul": (
        "older than promised",
        History(
            [put("web-2", 1, 10), put("web-2", 2, 20)],
            [read(WEB, web_reply("web-2#1", headers=MISS), 21)],
        ),
    ),
    "a live entry that misses a write directly at Consul for longer than promised": (
        "older than promised",
        History(
            [put("web-2", 1, 10), put("web-2", 2, 20)],
            [read(WEB, web_reply("web-2#1", headers=LIVE), 26)],
        ),
    ),
    "a live entry that misses a write through the same edge": (
        "older than promised",
        History(WEB_WRITES, [read(WEB, web_reply(*OLD, headers=LIVE), 20.2)]),
    ),
    "a collapsed read that joined a fetch from before its own write": (
        "older than promised",
        History(WEB_WRITES, [read(WEB, web_reply(*OLD, headers=COLLAPSED), 20.2)]),
    ),
    "an empty list while there were instances throughout": (
        "older than promised",
        History(WEB_WRITES, [read(WEB, web_reply(headers=MISS), 30)]),
    ),
    "a stale answer that is older than its age": (
        "older than promised",
        History(
            [put("web-2", 1, 10), put("web-2", 2, 20)],
            [read(WEB, web_reply("web-2#1", headers=STALE), 32)],
            elections=[Election(50.0)],
            probes=[Probe(29.0, 29.5, True)],
        ),
    ),
    "a stale answer that is older than its age, before servers that forgot it came back": (
        "older than promised",
        History(
            [put("web-2", 1, 10), put("web-2", 2, 20)],
            [read(WEB, web_reply("web-2#1", headers=STALE), 32)],
            elections=[Election(34.0)],
            probes=[Probe(29.0, 29.5, True), Probe(34.5, 34.6, True)],
            deaths=[Death(29.6, 33.0)],
        ),
    ),
    "what a new leader says whose memory is whole, while the old one is started again": (
        "older than promised",
        History(
            WEB_WRITES,
            [read(WEB, web_reply(headers=MISS), 31)],
            elections=[Election(31.0, "new")],
            probes=PEACE,
            deaths=[Death(30.2, 30.8, "old")],
        ),
    ),
    "a value that nobody wrote": (
        "never written",
        History(KEY_WRITES, [read(KEY, key_reply("a#3", BYPASS), 21)]),
    ),
    "a value that is written only later": (
        "never written",
        History(KEY_WRITES, [read(KEY, key_reply("a#2", BYPASS), 15)]),
    ),
    "a value whose write was refused": (
        "never written",
        History(
            [
                put("a", 1, 10),
                replace(put("a", 2, 20), outcome=Outcome.UNKNOWN),
                replace(put("a", 3, 22), outcome=Outcome.REFUSED, is_conditional=True),
            ],
            [read(KEY, key_reply("a#3", BYPASS), 25)],
        ),
    ),
    "data of another identity": (
        "another identity's data",
        History(
            WEB_WRITES,
            [replace(read(WEB, web_reply(*NEW, headers=MISS), 21), identity="left")],
            rights={"left": frozenset({"web-1"})},
        ),
    ),
    "data that its own identity may see and does not": (
        "older than promised",
        History(
            WEB_WRITES,
            [replace(read(WEB, web_reply(headers=MISS), 21), identity="left")],
            rights={"left": frozenset({"web-1"})},
        ),
    ),
    "a stale answer while servers could answer": (
        "stale without an outage",
        History(WEB_WRITES, [read(WEB, web_reply(*NEW, headers=STALE), 30)], probes=PEACE),
    ),
    "a stale answer where locks live": (
        "stale where locks live",
        History(
            KEY_WRITES,
            [read(KEY, key_reply("a#2", STALE), 31)],
            elections=[Election(31.0)],
            probes=PEACE,
        ),
    ),
    "a plain KV read that is answered from what is kept": (
        "hit where Consul must answer",
        History(KEY_WRITES, [read(KEY, key_reply("a#2", LIVE), 21)]),
    ),
    "a consistent read that is answered from what is kept": (
        "hit where Consul must answer",
        History(WEB_WRITES, [read(WEB, web_reply(*NEW, headers=LIVE), 21, Mode.CONSISTENT)]),
    ),
    "a live entry whose last proof is old": (
        "live without a proof",
        History(WEB_WRITES, [read(WEB, web_reply(*NEW, headers=LIVE | {"age": "4"}), 30)]),
    ),
    "a read that fails while servers could answer": (
        "failed without an outage",
        History(KEY_WRITES, [read(KEY, Reply(500, {}, b"no Consul server"), 30)], probes=PEACE),
    ),
    "a connection that breaks while servers could answer": (
        "failed without an outage",
        History(KEY_WRITES, [read(KEY, Reply(0, {}, b"reset"), 30)], probes=PEACE),
    ),
    "an answer without an index": (
        "without an index",
        History(KEY_WRITES, [read(KEY, key_reply("a#2", BYPASS, index=0), 21)]),
    ),
    "what a watcher knew that goes back with a new leader": (
        "index went back",
        History(
            KEY_WRITES,
            [
                read(KEY, key_reply("a#2", MISS, index=9), 20.5),
                replace(read(KEY, key_reply("a#1", MISS, index=8), 22), index=9),
            ],
            elections=[Election(21.5)],
            probes=PEACE,
        ),
    ),
    "an index that goes back": (
        "index went back",
        History(
            KEY_WRITES,
            [replace(read(KEY, key_reply("a#2", BYPASS, index=8), 29), index=9)],
            elections=[Election(24.5)],
            probes=PEACE,
        ),
    ),
    "a watcher that is held for long after a change": (
        "woken too late",
        History(
            KEY_WRITES,
            [replace(read(KEY, key_reply("a#2", BYPASS, index=9), 15), ended=29.0, index=8)],
            probes=PEACE,
        ),
    ),
    "a request that made two things": (
        "done twice",
        History(
            appends=[Append("once-1", Outcome.UNKNOWN, 10, 11)],
            appended={"once-1": 2},
        ),
    ),
    "an acknowledged request that made nothing": (
        "lost",
        History(appends=[Append("once-1", Outcome.DONE, 10, 11)]),
    ),
    "a conditional write that is refused though its writer is alone": (
        "refused though alone",
        History(
            [put("a", 1, 10), replace(put("a", 2, 20), outcome=Outcome.REFUSED)],
        ),
    ),
    "a watcher that does not know the final state": (
        "left behind",
        History(lasts=[Last("watcher 1", KEY, {"a": "a#1"}, {"a": "a#2"})]),
    ),
    "a watcher that never had an answer": (
        "left behind",
        History(lasts=[Last("watcher 1", KEY, None, {"a": None})]),
    ),
}


def late(subject: str, number: int, at: float) -> Write:
    """Write with an answer that says nothing."""
    return replace(put(subject, number, at), outcome=Outcome.UNKNOWN)


INNOCENT = {
    "the newest value": History(KEY_WRITES, [read(KEY, key_reply("a#2", BYPASS), 21)]),
    "a value whose write is under way": History(
        KEY_WRITES, [read(KEY, key_reply("a#2", BYPASS), 20.05)]
    ),
    "the value before a write that is under way": History(
        KEY_WRITES, [read(KEY, key_reply("a#1", BYPASS), 20.05)]
    ),
    "a key before its first write": History(
        KEY_WRITES, [read(KEY, Reply(404, {**BYPASS, "x-consul-index": "1"}), 5)]
    ),
    "a write that ended in an error and came late": History(
        [late("a", 1, 10), put("a", 2, 20)], [read(KEY, key_reply("a#1", BYPASS), 30)]
    ),
    "a write that ended in an error and never came": History(
        [put("a", 1, 10), late("a", 2, 20)], [read(KEY, key_reply("a#1", BYPASS), 30)]
    ),
    "a conditional write refused because an earlier one came late": History(
        [late("a", 1, 10), replace(put("a", 2, 20), outcome=Outcome.REFUSED)]
    ),
    "a live entry within its bound": History(
        [put("web-2", 1, 10), put("web-2", 2, 20)],
        [read(WEB, web_reply("web-2#1", headers=LIVE), 22)],
    ),
    "what any server said to a stale read": History(
        KEY_WRITES, [read(KEY, key_reply("a#1", BYPASS), 60, Mode.STALE)]
    ),
    "a new leader that has not applied the last writes": History(
        KEY_WRITES,
        [read(KEY, key_reply("a#1", BYPASS), 21)],
        elections=[Election(21.0)],
        probes=PEACE,
    ),
    "a stale answer as old as it says, in an outage": History(
        [put("web-2", 1, 10), put("web-2", 2, 27)],
        [read(WEB, web_reply("web-2#1", headers=STALE), 31)],
        elections=[Election(31.0)],
        probes=PEACE,
    ),
    "a read that fails in an election": History(
        KEY_WRITES, [read(KEY, Reply(500), 31)], elections=[Election(31.0)], probes=PEACE
    ),
    "what a leader says whose log is all it has": History(
        WEB_WRITES,
        [read(WEB, web_reply(headers=MISS), 31)],
        elections=[Election(31.0)],
        probes=PEACE,
        deaths=[Death(30.2, 30.8)],
    ),
    "what the old leader says that was started again and elected once more": History(
        WEB_WRITES,
        [read(WEB, web_reply(headers=MISS), 31)],
        elections=[Election(31.0, "old")],
        probes=PEACE,
        deaths=[Death(30.2, 30.8, "old")],
    ),
    "a watcher that is held in an election": History(
        KEY_WRITES,
        [replace(read(KEY, key_reply("a#2", BYPASS, index=9), 15), ended=29.0, index=8)],
        elections=[Election(22.0)],
        probes=PEACE,
    ),
    "a watcher that is held while others' data changes": History(
        KEY_WRITES,
        [
            replace(
                read(KEY, Reply(404, BYPASS | {"x-consul-index": "8"}), 15),
                ended=29.0,
                index=8,
                identity="left",
            )
        ],
        probes=PEACE,
        rights={"left": frozenset()},
    ),
    "a watcher that is held while nothing changes": History(
        KEY_WRITES,
        [replace(read(KEY, key_reply("a#2", BYPASS, index=9), 21), ended=41.0, index=9)],
        probes=PEACE,
    ),
    "an index that goes back with a new leader that has not applied the last writes": History(
        KEY_WRITES,
        [
            read(KEY, key_reply("a#2", MISS, index=9), 20.5),
            replace(read(KEY, key_reply("a#2", MISS, index=8), 22), index=9),
        ],
        elections=[Election(21.5)],
        probes=PEACE,
    ),
    "what a new leader has said before it was at its work, and the edge has kept since": History(
        [put("web-1", 1, 10), put("web-1", 2, 20, Via.EDGE)],
        [read(WEB, web_reply("web-1#1", headers=LIVE), 24)],
        elections=[Election(21.5)],
        probes=PEACE,
    ),
    "an error of Consul's own": History(KEY_WRITES, [read(KEY, Reply(403), 31)]),
}
