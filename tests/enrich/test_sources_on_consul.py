"""Sites and rules in a real Consul's KV: edits, refusals, and servers that hang."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from consul_edge.enrich.rule_source import RuleSource
from consul_edge.enrich.site_source import SiteSource
from consul_edge.upstream import secret_file
from consul_edge.web.keys import RULES, SITES
from tests.consul import ConsulAgent, ConsulCluster, ConsulServer
from tests.house import edge_over
from tests.waiting import eventually

pytestmark = pytest.mark.real

AT: Final = "10.0.0.1"

_NUMBERS: Final = itertools.count(1)


@pytest.fixture
def key() -> str:
    """Give a KV key of the test's own, with what needs encoding in it."""
    return f"eye/São Paulo/{next(_NUMBERS)}"


def path(key: str) -> str:
    """Write the path that *key* is written at."""
    return f"/v1/kv/{key.replace(' ', '%20').replace('ã', '%C3%A3')}"


async def put(agent: ConsulServer, key: str, content: str) -> None:
    """Write a key, past the edge; a character is a byte."""
    await asyncio.to_thread(agent.put, path(key), content)


async def delete(agent: ConsulServer, key: str) -> None:
    """Delete a key, past the edge."""
    assert (await asyncio.to_thread(agent.request, "DELETE", path(key))).status == 200


def site_named(name: str) -> str:
    """Write a document of one site."""
    return json.dumps({"sites": [{"code": name, "name": name, "prometheus_instance": AT}]})


def rules_into(category: str) -> str:
    """Write a document of one rule."""
    conditions = {"job_name_pattern": "^app"}
    return json.dumps({"rules": [{"id": "one", "category": category, "conditions": conditions}]})


def site(sites: SiteSource) -> str:
    """Name the site of the one address."""
    return sites.value.place_of(AT, "none")[1]


@asynccontextmanager
async def sources_over(
    *servers: str, key: str, **settings: str
) -> AsyncIterator[tuple[SiteSource, RuleSource]]:
    """Run an edge whose sites and rules are at keys of the test's own."""
    keys = {"SITES__KV_KEY": f"{key}/sites", "RULES__KV_KEY": f"{key}/rules"}
    async with edge_over(*servers, **{**keys, **settings}) as house:
        yield house.app[SITES], house.app[RULES]


async def changed_by(source: SiteSource | RuleSource, change: Any) -> None:
    """Await *change*, and that *source* tells of one."""
    told = asyncio.Event()
    source.on_change(told.set)
    await change
    await asyncio.wait_for(told.wait(), 15)


async def test_sites_are_created_edited_and_deleted_each_is_told_at_once(
    consul_agent: ConsulAgent, key: str
) -> None:
    """No restart and no TTL: the watch of a key that is not there is one, too."""
    async with sources_over(consul_agent.server, key=key) as (sites, _):
        assert (await sites.read()).sites == ()
        await eventually(lambda: sites.status.is_live, "live")
        for name in ("Palmas", "Rio"):
            await changed_by(sites, put(consul_agent, f"{key}/sites", site_named(name)))
            assert site(sites) == name
        await changed_by(sites, delete(consul_agent, f"{key}/sites"))
        assert site(sites) == "none"


async def test_rules_are_edited_they_decide_at_once(consul_agent: ConsulAgent, key: str) -> None:
    """What the original needed a restart for."""
    async with sources_over(consul_agent.server, key=key) as (_, rules):
        await rules.read()
        for category in ("first", "second"):
            await changed_by(rules, put(consul_agent, f"{key}/rules", rules_into(category)))
            assert rules.categorizer.categorize("app").category == category


@pytest.mark.parametrize("content", ["", "{", "\xff\xfe"], ids=["empty", "broken", "no UTF-8"])
async def test_document_is_none_the_last_good_one_holds(
    content: str, consul_agent: ConsulAgent, key: str
) -> None:
    """An empty value is no absence: somebody wrote it."""
    await put(consul_agent, f"{key}/sites", site_named("Rio"))
    async with sources_over(consul_agent.server, key=key) as (sites, _):
        await sites.read()
        await put(consul_agent, f"{key}/sites", content)
        await eventually(lambda: sites.status.error, "told")
        assert site(sites) == "Rio"


async def test_token_may_not_read_and_then_may_the_sites_come_and_stay(
    acl_agent: ConsulAgent, key: str
) -> None:
    """A refusal is told, a right that is granted is seen, and a revoked one takes nothing."""
    await put(acl_agent, f"{key}/sites", site_named("Rio"))
    name = f"sites-{next(_NUMBERS)}"
    granted = 'key_prefix "eye/" { policy = "read" }'
    policy = acl_agent.put("/v1/acl/policy", {"Name": name, "Rules": ""}).json()["ID"]
    token = acl_agent.put("/v1/acl/token", {"Policies": [{"ID": policy}]}).json()["SecretID"]

    async def allow(rules: str) -> None:
        document = {"ID": policy, "Name": name, "Rules": rules}
        await asyncio.to_thread(acl_agent.put, f"/v1/acl/policy/{policy}", document)

    settings = {"CONSUL__TOKEN": token, "WATCH__WAIT": "1s"}
    async with sources_over(acl_agent.server, key=key, **settings) as (sites, _):
        assert (await sites.read()).sites == ()
        assert "403 Permission denied" in str(sites.status.error)
        await changed_by(sites, allow(granted))
        assert (site(sites), sites.status.error) == ("Rio", None)
        await allow("")
        await eventually(lambda: "403" in str(sites.status.error), "revoked", within=40)
        assert site(sites) == "Rio"


async def test_token_file_changes_the_sites_are_read_as_the_new_token(
    acl_agent: ConsulAgent, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The edge need not be restarted for it."""
    monkeypatch.setattr(secret_file, "LOOK_AGAIN", 0.0)
    await put(acl_agent, f"{key}/sites", site_named("Rio"))
    file = tmp_path / "token"
    file.write_text("00000000-0000-4000-8000-000000000000")
    settings = {"CONSUL__TOKEN_FILE": str(file)}
    async with sources_over(acl_agent.server, key=key, **settings) as (sites, _):
        await sites.read()
        assert "403 ACL not found" in str(sites.status.error)
        assert acl_agent.token
        file.write_text(acl_agent.token)
        await eventually(lambda: site(sites) == "Rio", "read")
        assert sites.status.error is None


async def test_first_server_hangs_the_first_read_has_the_sites(
    consul_cluster: ConsulCluster, key: str
) -> None:
    """It costs one time-out, and no document: the original waited 20 s, and then had none."""
    await put(consul_cluster.leader(), f"{key}/sites", site_named("Rio"))
    hung, *others = consul_cluster.followers()
    addresses = [hung.server, *(one.server for one in (*others, consul_cluster.leader()))]
    consul_cluster.pause(hung)
    async with sources_over(*addresses, key=key) as (sites, _):
        assert (await sites.read()).place_of(AT, "none")[1] == "Rio"
        assert sites.status.error is None


async def test_leader_hangs_the_sites_stay_and_later_edits_are_seen(
    consul_cluster: ConsulCluster, key: str
) -> None:
    """Asked first, and followed there: an election later all is as before."""
    leader = consul_cluster.leader()
    await put(leader, f"{key}/sites", site_named("Rio"))
    addresses = [leader.server, *(one.server for one in consul_cluster.followers())]
    async with sources_over(*addresses, key=key) as (sites, _):
        await sites.read()
        consul_cluster.pause(leader)
        await sites.refresh()
        assert site(sites) == "Rio"
        other = await asyncio.to_thread(lambda: consul_cluster.wait_for_leader(other_than=leader))
        await changed_by(sites, put(other, f"{key}/sites", site_named("Palmas")))
        assert site(sites) == "Palmas"
        await eventually(lambda: sites.status.error is None, "well again")
