"""The ``py-consul`` package, pointed at the edge."""

import threading
from collections.abc import Iterator
from typing import Any

import consul  # type: ignore[import-untyped]  # py-consul ships no types
import pytest

from tests.consul import ConsulAgent
from tests.edge import EdgeProcess
from tests.waiting import wait_until

pytestmark = pytest.mark.real


def library(where: ConsulAgent | EdgeProcess) -> Any:
    """Give the package's own client."""
    return consul.Consul(host=where.address, port=where.port)


@pytest.fixture
def client(edge: EdgeProcess) -> Iterator[Any]:
    """Give a client that knows only the edge."""
    opened = library(edge)
    yield opened
    opened.http.session.close()


@pytest.fixture
def direct(consul_agent: ConsulAgent) -> Iterator[Any]:
    """Give a client that knows only Consul."""
    opened = library(consul_agent)
    yield opened
    opened.http.session.close()


def test_value_put_through_the_edge_is_read_back_with_its_index(client: Any, direct: Any) -> None:
    """The next read of the writer has the new value, at the index that Consul has."""
    for number in range(20):
        value = f"value {number}"
        assert client.kv.put("py/own", value)
        index, entry = client.kv.get("py/own")
        assert entry["Value"] == value.encode()
        assert (index, entry) == direct.kv.get("py/own")


def test_binary_value_through_the_edge_arrives_unchanged(client: Any) -> None:
    """Every byte survives both ways."""
    value = bytes(range(256)) * 8
    client.kv.put("py/binary", value)

    assert client.kv.get("py/binary")[1]["Value"] == value


def test_check_and_set_with_an_old_index_is_refused(client: Any) -> None:
    """Only the holder of the latest index may write."""
    client.kv.put("py/cas", "one")
    index = client.kv.get("py/cas")[1]["ModifyIndex"]

    assert client.kv.put("py/cas", "two", cas=index) is True
    assert client.kv.put("py/cas", "three", cas=index) is False
    assert client.kv.get("py/cas")[1]["Value"] == b"two"


def test_blocking_read_through_the_edge_wakes_on_a_write(client: Any, direct: Any) -> None:
    """A held read returns when somebody writes to Consul directly, before its wait ends."""
    client.kv.put("py/held", "before")
    index, _ = client.kv.get("py/held")
    woken: list[Any] = []
    reader = threading.Thread(
        target=lambda: woken.append(client.kv.get("py/held", index=index, wait="10m")), daemon=True
    )
    reader.start()
    direct.kv.put("py/held", "after")
    reader.join(60)

    assert not reader.is_alive()
    assert woken[0][1]["Value"] == b"after"
    assert woken[0][0] > index


def test_blocking_read_without_a_change_returns_the_same_index(client: Any) -> None:
    """The wait ends with the value and the index as they were."""
    client.kv.put("py/still", "same")
    before = client.kv.get("py/still")

    assert client.kv.get("py/still", index=before[0], wait="300ms") == before


def test_missing_key_through_the_edge_has_an_index_to_wait_on(client: Any, direct: Any) -> None:
    """Not found is a value, too: who waits on it wakes when the key is made."""
    index, entry = client.kv.get("py/missing")
    assert entry is None
    assert int(index) > 0
    direct.kv.put("py/missing", "made")

    assert client.kv.get("py/missing", index=index, wait="10s")[1]["Value"] == b"made"


def test_lock_through_the_edge_has_one_holder_at_a_time(client: Any) -> None:
    """A key held by one session cannot be taken by another until it is released."""
    first, second = client.session.create(ttl=60), client.session.create(ttl=60)

    assert client.kv.put("py/lock", "1", acquire=first) is True
    assert client.kv.put("py/lock", "2", acquire=second) is False
    assert client.kv.get("py/lock")[1]["Session"] == first
    assert client.kv.put("py/lock", "", release=first) is True
    assert client.kv.put("py/lock", "2", acquire=second) is True
    for session in (first, second):
        client.session.destroy(session)
    assert "Session" not in client.kv.get("py/lock")[1]


def test_session_through_the_edge_keeps_its_terms(client: Any) -> None:
    """Name, TTL, behaviour and delay arrive; it can be listed, renewed and destroyed."""
    session = client.session.create(name="py", ttl=77, behavior="delete", lock_delay=3)
    _, info = client.session.info(session)

    assert (info["Name"], info["TTL"], info["Behavior"]) == ("py", "77s", "delete")
    assert info["LockDelay"] == 3_000_000_000
    assert client.session.renew(session)["ID"] == session
    assert session in [one["ID"] for one in client.session.list()[1]]
    client.session.destroy(session)
    assert client.session.info(session)[1] is None


def test_registered_service_is_seen_in_catalog_and_health(client: Any, direct: Any) -> None:
    """A service of the agent appears in both, fails when its check fails, and goes."""
    check = consul.Check.ttl("1h")
    client.agent.service.register("py-web", service_id="py-1", port=80, tags=["a"], check=check)
    client.agent.check.ttl_pass("service:py-1")

    def passing() -> Any:
        return client.health.service("py-web", passing=True)[1]

    found = wait_until(passing, "the instance passing")
    assert found == direct.health.service("py-web", passing=True)[1]
    assert [one["ServiceID"] for one in client.catalog.service("py-web")[1]] == ["py-1"]
    assert client.catalog.services()[1]["py-web"] == ["a"]
    client.agent.check.ttl_fail("service:py-1")
    wait_until(lambda: passing() == [], "the instance failing")
    client.agent.service.deregister("py-1")
    wait_until(lambda: client.catalog.service("py-web")[1] == [], "the instance gone")


def test_external_node_through_the_edge_is_seen_at_once(client: Any) -> None:
    """Who registered a node finds it in the very next read, and who removed it finds it gone."""
    for number in range(5):
        name = f"py-node-{number}"
        client.catalog.register(name, f"192.0.2.{number}")
        assert name in [node["Node"] for node in client.catalog.nodes()[1]]
        client.catalog.deregister(name)
        assert name not in [node["Node"] for node in client.catalog.nodes()[1]]


def test_transaction_through_the_edge_is_all_or_nothing(client: Any) -> None:
    """Its writes are seen together; one that cannot be done undoes them all."""
    operation = {"KV": {"Verb": "set", "Key": "py/txn", "Value": "bWFkZQ=="}}
    result = client.txn.put([operation])
    assert result["Errors"] is None
    assert client.kv.get("py/txn")[1]["Value"] == b"made"

    failing = {"KV": {"Verb": "get", "Key": "py/none"}}
    other = {"KV": {"Verb": "set", "Key": "py/other", "Value": "eA=="}}
    with pytest.raises(consul.ConsulException, match="409"):
        client.txn.put([other, failing])
    assert client.kv.get("py/other")[1] is None
