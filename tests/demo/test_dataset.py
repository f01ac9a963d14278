"""The data set: always the same for the same seed, as large as asked, and awkward on purpose."""

from collections import Counter

import msgspec
import pytest

from consul_edge.demo.dataset import SITES_KEY, DataSet
from consul_edge.demo.members import FAILED
from consul_edge.demo.state import State
from consul_edge.demo.vocabulary import KINDS


def loaded(**size: int) -> State:
    """Load a data set."""
    state = State()
    DataSet(**size).load(state)
    return state


@pytest.fixture(scope="module")
def state() -> State:
    """Give the default data set."""
    return loaded()


def test_the_same_seed_makes_the_same_data() -> None:
    """Two generators agree in every registration."""
    assert list(DataSet(seed=7).items()) == list(DataSet(seed=7).items())


def test_another_seed_makes_other_data() -> None:
    """The seed matters."""
    assert list(DataSet(seed=7).items()) != list(DataSet(seed=8).items())


def test_the_default_has_155_instances_on_12_nodes(state: State) -> None:
    """Instances of consul itself come on top."""
    instances = [s for shelf in state.catalog.nodes() for s in shelf.services.values()]
    assert len(list(state.catalog.nodes())) == 12
    assert Counter(s.name == "consul" for s in instances) == {False: 155, True: 3}


def test_the_kinds_make_one_round_of_155() -> None:
    """So the default has every kind in its share."""
    assert sum(kind.share for kind in KINDS) == 155


def test_about_one_in_twenty_checks_warns_and_one_in_thirty_is_critical(state: State) -> None:
    """The shares of the services' checks are exact."""
    statuses = Counter(
        check.status
        for shelf in state.catalog.nodes()
        for check in shelf.checks.values()
        if check.service_id
    )
    assert statuses == {"passing": 142, "warning": 8, "critical": 5}


def test_one_agent_is_dead_and_its_node_says_so(state: State) -> None:
    """Member and serfHealth agree."""
    [dead] = [member for member in state.members if member.status == FAILED]
    shelf = state.catalog.node(dead.name)
    assert shelf is not None
    assert shelf.checks["serfhealth"].status == "critical"


def test_external_nodes_are_no_members(state: State) -> None:
    """They have no agent."""
    names = {member.name for member in state.members}
    external = [s.node for s in state.catalog.nodes() if "external-node" in (s.node.meta or {})]
    assert external
    assert not names & {node.name for node in external}


def test_metas_hold_what_a_page_must_escape(state: State) -> None:
    """Markup in a company, and names beyond ASCII."""
    services = [s for shelf in state.catalog.nodes() for s in shelf.services.values()]
    companies = {(service.meta or {}).get("company", "") for service in services}
    assert "<img src=x onerror=alert(1)>" in companies
    assert any(not service.name.isascii() for service in services)


def test_every_instance_has_what_skills_eye_looks_for(state: State) -> None:
    """Company, site, env, instance and name; a module exactly for probes and the like."""
    for shelf in state.catalog.nodes():
        for service in shelf.services.values():
            if service.name != "consul":
                assert {"company", "site", "env", "instance", "name"} <= set(service.meta or {})


def test_the_sites_document_has_the_originals_shape(state: State) -> None:
    """Each site names the address of a node."""
    entry = state.keys.get(SITES_KEY)
    assert entry is not None
    document = msgspec.json.decode(entry.value)
    addresses = {shelf.node.address for shelf in state.catalog.nodes()}
    sites = document["data"]["sites"]
    assert [site["code"] for site in sites] == ["palmas", "rio", "dtc"]
    assert {site["prometheus_instance"] for site in sites} <= addresses


def test_a_hundred_thousand_services_can_be_had() -> None:
    """They spread over all nodes and hundreds of names."""
    state = loaded(nodes=1000, services=100_000)
    assert len(state.catalog) == 100_003
    assert len(state.catalog.services()) > 200
    assert all(shelf.services for shelf in state.catalog.nodes())


def test_a_single_node_without_services_is_a_fresh_consul() -> None:
    """One server that bootstraps, alive."""
    state = loaded(nodes=1, services=0)
    [member] = state.members
    assert member.document["Tags"]["bootstrap"] == "1"
    assert len(state.catalog) == 1


@pytest.mark.parametrize(("nodes", "services"), [(0, 1), (1, -1)])
def test_an_impossible_size_is_refused(nodes: int, services: int) -> None:
    """Somebody has to answer, and less than nothing cannot be."""
    with pytest.raises(ValueError, match="at least one node"):
        DataSet(nodes, services)
