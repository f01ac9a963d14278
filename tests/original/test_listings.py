"""Defects 8 to 10 and 12: listings come from a server that answers, whole, and as was asked."""

import asyncio
from typing import Final

import pytest

from tests.original.ground import (
    DATA,
    NODES,
    SERVICES,
    SITES_KEY,
    SUMMARY,
    asked,
    cluster,
    ground,
    put,
    sites_document,
)
from tests.waiting import eventually

PROBES: Final = f"{DATA}?category=network-probes"

LISTINGS: Final = [
    pytest.param(f"{SERVICES}?category=network-probes", id="services"),
    pytest.param(PROBES, id="monitoring"),
]
"""Ours, and the original's."""


class TestServers:
    """Defect 8: the real shape of the sites was an error there, so only one server was known."""

    async def test_first_server_is_gone_the_listing_comes_from_the_next(self) -> None:
        """And says so: which host it was, that host's site, and that it is not the main one."""
        state = cluster()
        state.keys.put(SITES_KEY, sites_document(Palmas="127.0.0.1", Dtc="127.0.0.2"))
        async with ground(servers=2, state=state) as one:
            await one.standins[0].refuse()
            found = await one.json(PROBES)
            assert found["total"] == 3
            source = found["_metadata"]
            assert (source["source_node"], source["source_name"], source["is_master"]) == (
                "127.0.0.2",
                "Dtc",
                False,
            )
            assert found["metadata"]["total_sites"] == 2

    async def test_first_server_answers_the_listing_says_it_is_the_main_one(self) -> None:
        """It was always told so, whoever answered."""
        state = cluster()
        state.keys.put(SITES_KEY, sites_document(Palmas="127.0.0.1", Dtc="127.0.0.2"))
        async with ground(servers=2, state=state) as one:
            source = (await one.json(PROBES))["_metadata"]
            assert (source["source_name"], source["is_master"]) == ("Palmas", True)

    @pytest.mark.parametrize("document", ["dict", "deeper", "sites", "data", "list", "unwrapped"])
    async def test_sites_have_any_shape_that_was_stored_rows_have_their_site(
        self, document: str
    ) -> None:
        """Also in the listing of services, which took a plain list only."""
        site = '{"code": "rio", "name": "Rio", "prometheus_instance": "10.0.0.2"}'
        shapes = {
            "dict": '{"data": {"sites": [%s], "naming": {}}}',
            "deeper": '{"data": {"data": {"sites": [%s]}}}',
            "sites": '{"sites": [%s]}',
            "data": '{"data": [%s]}',
            "list": "[%s]",
            "unwrapped": '{"data": {"sites": [%s]}, "meta": {"version": "1"}}',
        }
        state = cluster()
        state.keys.put(SITES_KEY, (shapes[document] % site).encode())
        async with ground(state=state) as one:
            rows = (await one.json(f"{PROBES}&site=Rio"))["data"]
            assert [(row["ID"], row["site_code"], row["site_name"]) for row in rows] == [
                ("icmp/Beta/core/router@n2", "rio", "Rio")
            ]

    @pytest.mark.parametrize(
        "held",
        [
            ("/v1/catalog/", "/v1/agent/", "/v1/health/state/"),
            ("/v1/health/service/",),
        ],
        ids=["tables", "names"],
    )
    async def test_calls_at_once_are_bounded_the_catalogs_too(self, held: tuple[str, ...]) -> None:
        """``semaphore_limit`` holds for all of them; catalog_services went past it."""
        async with ground(CONSUL__SEMAPHORE_LIMIT="2", CONSUL__TIMEOUT="10s") as one:
            faults = [one.standins[0].faults.hang(path=path) for path in held]
            reading = asyncio.create_task(one.json(NODES))
            await eventually(lambda: sum(fault.hits for fault in faults) == 2, "two are asked")
            # Whatever else were to go out would be there before these answers.
            for _ in range(3):
                assert (await one.get("/v1/status/peers")).status == 200
            assert sum(fault.hits for fault in faults) == 2
            for fault in faults:
                fault.lift()
            assert (await reading)["total"] == 3


class TestFilters:
    """Defects 9 and 10."""

    @pytest.mark.parametrize("filtered", ["company=Beta", "site=Rio", "env=none", "node=n2"])
    @pytest.mark.parametrize("listing", LISTINGS)
    async def test_filtered_rows_were_asked_for_first_the_unfiltered_are_whole(
        self, listing: str, filtered: str
    ) -> None:
        """Defect 9: what was filtered was kept as if it were all, for everybody, for 30 s."""
        async with ground() as one:
            few = (await one.json(f"{listing}&{filtered}"))["total"]
            assert few < 3
            assert (await one.json(listing))["total"] == 3
            assert (await one.json(f"{listing}&{filtered}"))["total"] == few
            assert (await one.json(f"{SUMMARY}?category=network-probes"))["summary"]["total"] == 3

    @pytest.mark.parametrize(
        ("value", "total"),
        [
            ("Acme,Beta", 3),
            ("Acme, beta", 3),
            ("Beta,Gamma", 1),
            ("Acme&company=Beta", 3),
            ("Gamma,Delta", 0),
            ("all", 3),
            ("", 3),
        ],
    )
    @pytest.mark.parametrize("listing", LISTINGS)
    async def test_several_values_are_given_any_of_them_will_do(
        self, listing: str, value: str, total: int
    ) -> None:
        """Defect 10: ``A,B`` was compared as one text, and nobody had it."""
        async with ground() as one:
            found = await one.json(f"{listing}&company={value.replace(' ', '%20')}")
            assert found["total"] == len(found["data"]) == total

    async def test_several_values_are_given_the_summary_counts_all_of_them(self) -> None:
        """Defect 10 of the summary."""
        async with ground() as one:
            found = await one.json(f"{SUMMARY}?category=network-probes&company=Acme,Beta")
            assert found["summary"]["byCompany"] == {"Acme": 2, "Beta": 1}

    async def test_value_has_a_comma_it_is_found_alone(self) -> None:
        """That several may be given takes no company from the list."""
        state = cluster()
        put(state, "n1", "x", meta={"module": "icmp", "company": "Beta, Inc"})
        async with ground(state=state) as one:
            for text in ("Beta,%20Inc", "%22Beta,%20Inc%22"):
                assert "x" in await one.ids(f"{PROBES}&company={text}")


class TestOrder:
    """Defect 12."""

    @pytest.mark.parametrize(
        ("order", "expected"),
        [
            ("sort_field=city&sort_order=descend", ["b", "a", "none", "blank"]),
            ("sort_field=city&sort_order=ascend", ["a", "b", "none", "blank"]),
            ("sort_field=city&sort_order=desc", ["b", "a", "none", "blank"]),
            ("sort=meta.city&order=desc", ["b", "a", "none", "blank"]),
        ],
    )
    async def test_rows_are_sorted_downwards_blanks_are_last(
        self, order: str, expected: list[str]
    ) -> None:
        """Pages of nothing came first."""
        state = cluster()
        cities = {"none": None, "b": "Belo Horizonte", "blank": "", "a": "Anápolis"}
        for name, city in cities.items():
            meta = {"module": "dns"} | ({"city": city} if city is not None else {})
            put(state, "n3", name, "sorted", meta=meta)
        async with ground(state=state) as one:
            found = await one.ids(f"{DATA}?category=all&Service=sorted&{order}")
            assert found[:2] == expected[:2]
            assert set(found[2:]) == set(expected[2:])

    @pytest.mark.parametrize("listing", LISTINGS)
    async def test_word_stands_in_tags_only_the_row_is_found(self, listing: str) -> None:
        """``q`` looked everywhere but there."""
        state = cluster()
        put(state, "n3", "tagged", meta={"module": "icmp"}, tags=("Backbone-Sul",))
        async with ground(state=state) as one:
            assert await one.ids(f"{listing}&q=backbone") == ["tagged"]
            assert await one.ids(f"{listing}&q=nowhere") == []


async def test_many_filters_were_asked_for_consul_was_asked_once() -> None:
    """All listings are made of one picture: none of them costs Consul a call of its own."""
    async with ground() as one:
        for target in (PROBES, f"{PROBES}&company=Acme", SERVICES, SUMMARY, NODES):
            await one.json(target)
        assert len(asked(one.standins[0], "/v1/health/service/blackbox_exporter")) == 1
