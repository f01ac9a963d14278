import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.upstream.slots import Lease, Place, Slots


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def make(limit: int = 4, poll_limit: int = 2) -> tuple[Slots, Clock]:
    """Make a budget and its clock."""
    clock = Clock()
    return Slots(limit=limit, poll_limit=poll_limit, now=clock), clock


@pytest.mark.parametrize("poll", [True, False], ids=["poll", "short"])
def test_new_server_has_room_for_both_kinds(*, poll: bool) -> None:
    """Nothing is counted before anything is taken."""
    slots, _ = make()
    assert slots.has_room(poll=poll)


def test_polls_at_their_limit_leave_room_for_short_ones() -> None:
    """Parked blocking queries never take the last connection away from reads and writes."""
    slots, _ = make()
    slots.lease(poll=True)
    slots.lease(poll=True)
    assert (slots.has_room(poll=True), slots.has_room(poll=False)) == (False, True)


def test_all_connections_in_use_leave_no_room() -> None:
    """The limit counts every kind together."""
    slots, _ = make()
    for poll in (True, False, False, False):
        slots.lease(poll=poll)
    assert (slots.has_room(poll=True), slots.has_room(poll=False)) == (False, False)
    assert (slots.polls, slots.short) == (1, 3)


@pytest.mark.parametrize("poll", [True, False], ids=["poll", "short"])
def test_connection_given_back_makes_room_again(*, poll: bool) -> None:
    """What ends is not counted any more."""
    slots, _ = make(limit=1, poll_limit=1)
    lease = slots.lease(poll=poll)
    assert not slots.has_room(poll=poll)
    lease.give()
    assert slots.has_room(poll=poll)
    lease.give()
    assert (slots.polls, slots.short) == (0, 0), "given back once, however often that is said"


def test_abandoned_poll_is_charged_until_consul_lets_it_go() -> None:
    """Closing a poll frees nothing at Consul until its wait has ended."""
    slots, clock = make(limit=1)
    slots.charge(70.75)
    clock.now += 70.5
    assert (slots.abandoned, slots.has_room(poll=False)) == (1, False)
    clock.now += 0.25
    assert (slots.abandoned, slots.has_room(poll=False)) == (0, True)


def test_abandoned_polls_end_in_the_order_of_their_times() -> None:
    """A long one that was abandoned first does not keep shorter ones charged."""
    slots, clock = make()
    for seconds in (300.0, 10.0, 60.0):
        slots.charge(seconds)
    counts = []
    for now in (105.0, 111.0, 161.0, 401.0):
        clock.now = now
        counts.append(slots.abandoned)
    assert counts == [3, 2, 1, 0]


def test_abandoned_polls_take_the_places_of_polls_and_not_of_reads() -> None:
    """Clients that park and leave cannot take the connections that reads and writes need."""
    slots, _ = make(limit=4, poll_limit=2)
    for _ in range(2):
        slots.lease(poll=True).abandon(600.0)
    assert (slots.has_room(poll=True), slots.has_room(poll=False)) == (False, True)


def test_poll_abandoned_after_its_time_is_not_charged() -> None:
    """A query whose bound has passed already is held by nobody."""
    slots, _ = make(limit=1)
    slots.lease(poll=True).abandon(-3.0)
    assert (slots.abandoned, slots.has_room(poll=False)) == (0, True)


def test_place_stays_counted_between_its_polls() -> None:
    """Nobody else gets the room of a watch in the moment between two of its rounds."""
    slots, _ = make(poll_limit=1)
    place = Place(slots)
    poll = place.lend()
    assert slots.polls == 1, "counted once while a poll has it"
    poll.give()
    assert not slots.has_room(poll=True)
    place.give()
    assert slots.polls == 0


def test_abandoned_poll_is_charged_beside_the_place_that_it_had() -> None:
    """Consul holds it on, and the watch may send another one."""
    slots, _ = make(poll_limit=2)
    place = Place(slots)
    place.lend().abandon(10.0)
    assert (slots.polls, slots.abandoned) == (1, 1)
    place.give()
    assert (slots.polls, slots.abandoned) == (0, 1)


@given(steps=st.lists(st.tuples(st.sampled_from(["poll", "short", "abandon"]), st.booleans())))
def test_taking_only_where_there_is_room_keeps_every_bound(
    steps: list[tuple[str, bool]],
) -> None:
    """Whatever comes and goes, connections stay within the limit and polls within theirs."""
    slots, clock = make(limit=5, poll_limit=3)
    polls: list[Lease] = []
    for kind, passes in steps:
        if kind == "abandon" and polls:
            polls.pop().abandon(10.0)
        elif kind != "abandon" and slots.has_room(poll=kind == "poll"):
            lease = slots.lease(poll=kind == "poll")
            if kind == "poll":
                polls.append(lease)
        clock.now += 4.0 if passes else 0.0
        assert slots.short + slots.polls + slots.abandoned <= 5
        assert slots.polls + slots.abandoned <= 3
