import asyncio

from consul_edge.core.address import Address, parse_server
from consul_edge.upstream.names import INTERVAL, Names, resolve
from tests.virtual import elapse, in_virtual_time, now

Pairs = list[tuple[Address, Address]]

NAMED = parse_server("https://consul.example:8501/prefix")
OTHER = parse_server("other.example")
LITERAL = parse_server("10.0.0.9:8500")


class Resolver:
    """Answers look-ups as a test says."""

    def __init__(self, **answers: list[str]) -> None:
        """Take the addresses of each first label."""
        self.answers = answers
        self.asked: list[float] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        """Give what the test has set; nothing set is a name that cannot be resolved."""
        assert port in (8500, 8501)
        self.asked.append(now())
        await asyncio.sleep(0)
        found = self.answers.get(host.partition(".")[0])
        if found is None:
            raise OSError("Name or service not known")
        return found


class Follower:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Pairs] = []

    def __call__(self, pairs: Pairs) -> None:
        """Be called as ``changed``."""
        self.told.append(pairs)

    @property
    def hosts(self) -> list[list[str]]:
        """The hosts of each time."""
        return [[found.host for _, found in pairs] for pairs in self.told]


async def test_every_address_of_a_name_is_a_server_of_its_own() -> None:
    """All addresses count, in the order of the list and of the resolver."""
    follower = Follower()
    look_up = Resolver(consul=["10.0.0.2", "10.0.0.1"], other=["::1"])
    await Names([OTHER, NAMED, LITERAL], follower, look_up=look_up).look()
    assert follower.hosts == [["::1", "10.0.0.2", "10.0.0.1", "10.0.0.9"]]


async def test_address_found_keeps_all_but_the_host() -> None:
    """Scheme, port and prefix are those of the name, which stays known beside it."""
    follower = Follower()
    await Names([NAMED], follower, look_up=Resolver(consul=["10.0.0.1"])).look()
    found = parse_server("https://10.0.0.1:8501/prefix")
    assert follower.told == [[(NAMED, found)]]


async def test_address_that_is_no_name_is_not_looked_up() -> None:
    """An IP literal and a socket's path have nothing to resolve."""
    follower, look_up = Follower(), Resolver()
    socket = parse_server("unix:///run/consul.sock")
    await Names([LITERAL, socket], follower, look_up=look_up).look()
    assert follower.told == [[(LITERAL, LITERAL), (socket, socket)]]
    assert look_up.asked == []


async def test_resolver_that_rotates_its_answers_changes_nothing() -> None:
    """The order of a round-robin DNS is no news, or the active server would wander."""
    follower, look_up = Follower(), Resolver(consul=["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    names = Names([NAMED], follower, look_up=look_up)
    await names.look()
    for answer in (["10.0.0.2", "10.0.0.3", "10.0.0.1"], ["10.0.0.3", "10.0.0.1", "10.0.0.2"]):
        look_up.answers["consul"] = answer
        await names.look()
    assert follower.hosts == [["10.0.0.1", "10.0.0.2", "10.0.0.3"]]


async def test_address_gone_and_one_come_leave_the_others_in_place() -> None:
    """What stays keeps its place; what is new comes behind it."""
    follower, look_up = Follower(), Resolver(consul=["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    names = Names([NAMED], follower, look_up=look_up)
    await names.look()
    look_up.answers["consul"] = ["10.0.0.4", "10.0.0.3", "10.0.0.1"]
    await names.look()
    assert follower.hosts[1:] == [["10.0.0.1", "10.0.0.3", "10.0.0.4"]]


async def test_look_up_that_fails_keeps_the_last_addresses() -> None:
    """A resolver that is down is no reason to forget servers that are up."""
    follower, look_up = Follower(), Resolver(consul=["10.0.0.1"], other=["10.0.0.2"])
    names = Names([NAMED, OTHER], follower, look_up=look_up)
    await names.look()
    del look_up.answers["consul"]
    look_up.answers["other"] = ["10.0.0.3"]
    await names.look()
    assert follower.hosts == [["10.0.0.1", "10.0.0.2"], ["10.0.0.1", "10.0.0.3"]]


async def test_name_that_never_resolved_stays_as_it_is() -> None:
    """The edge starts without its DNS; connecting says what is wrong."""
    follower = Follower()
    await Names([NAMED], follower, look_up=Resolver()).look()
    assert follower.told == [[(NAMED, NAMED)]]


async def test_name_that_resolves_at_last_gives_its_addresses() -> None:
    """The unresolved name itself is no server any more then."""
    follower, look_up = Follower(), Resolver()
    names = Names([NAMED], follower, look_up=look_up)
    await names.look()
    look_up.answers["consul"] = ["10.0.0.1"]
    await names.look()
    assert follower.hosts == [["consul.example"], ["10.0.0.1"]]


def test_names_are_looked_at_again_and_again() -> None:
    """Each interval asks once, and only a change is told; closing ends it."""

    async def follow() -> None:
        follower, look_up = Follower(), Resolver(consul=["10.0.0.1"])
        names = Names([NAMED], follower, look_up=look_up)
        await names.start()
        await elapse(INTERVAL * 2.5)
        look_up.answers["consul"] = ["10.0.0.2"]
        await elapse(INTERVAL)
        await names.close()
        await elapse(INTERVAL * 3)
        assert look_up.asked == [0, INTERVAL, INTERVAL * 2, INTERVAL * 3]
        assert follower.hosts == [["10.0.0.1"], ["10.0.0.2"]]

    in_virtual_time(follow)


def test_follower_that_fails_does_not_end_the_following() -> None:
    """A defect behind the call-back is logged, and the next interval looks again."""

    async def follow() -> None:
        look_up = Resolver(consul=["10.0.0.1"])
        calls = []

        def changed(pairs: Pairs) -> None:
            calls.append(pairs)
            if len(calls) == 2:
                raise LookupError("a defect")

        names = Names([NAMED], changed, look_up=look_up)
        await names.start()
        for last in (2, 3):
            look_up.answers["consul"] = [f"10.0.0.{last}"]
            await elapse(INTERVAL * 1.1)
        await names.close()
        assert len(calls) == 3

    in_virtual_time(follow)


def test_addresses_without_names_are_never_looked_at_again() -> None:
    """Nothing runs in the background for literals."""

    async def follow() -> None:
        follower = Follower()
        names = Names([LITERAL], follower, look_up=Resolver())
        await names.start()
        assert len(asyncio.all_tasks()) == 1
        await names.close()
        assert len(follower.told) == 1

    in_virtual_time(follow)


async def test_systems_resolver_gives_each_address_once() -> None:
    """``getaddrinfo`` lists an address for each way to use it; one is enough."""
    found = await resolve("localhost", 8500)
    assert found
    assert set(found) <= {"127.0.0.1", "::1"}
    assert len(found) == len(set(found))
