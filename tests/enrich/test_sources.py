"""Sites and rules in a running edge: where they are from, and what becomes of them in faults."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from consul_edge import metrics
from consul_edge.demo.standin import StandIn
from consul_edge.enrich.rule_source import RuleSource
from consul_edge.enrich.site_source import SiteSource
from consul_edge.enrich.source_status import Listeners, Source
from consul_edge.upstream import secret_file
from consul_edge.web.keys import RULES, SITES
from tests.house import House, edge_over
from tests.upstream.making import value_of
from tests.waiting import eventually

SITES_KEY: Final = "skills/eye/metadata/sites"
RULES_KEY: Final = "skills/eye/monitoring-types/categorization/rules"

LONG_AGO: Final = (1e9, 1e9)

AT: Final = "10.0.0.1"

QUICK: Final = {"CONSUL__TIMEOUT": "200ms"}


def sites_named(*names: str) -> bytes:
    """Write a sites document."""
    rows = [
        {"code": name.lower(), "name": name, "prometheus_instance": f"10.0.0.{number}"}
        for number, name in enumerate(names, 1)
    ]
    return json.dumps({"data": {"sites": rows}}).encode()


def rules_into(category: str, **rule: Any) -> bytes:
    """Write a document with one rule, which has ``app`` in *category*."""
    conditions = {"job_name_pattern": "^app"}
    known = {"id": "one", "priority": 90, "category": category, "conditions": conditions}
    return json.dumps({"rules": [known | rule]}).encode()


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a running stand-in that has sites and no rules."""
    one = StandIn(nodes=2, services=3)
    one.state.keys.put(SITES_KEY, sites_named("Palmas"))
    async with one.running():
        yield one


@pytest.fixture
async def house(standin: StandIn) -> AsyncIterator[House]:
    """Give an edge over it."""
    async with edge_over(standin.base_url, **QUICK) as edge:
        yield edge


def sites_of(house: House) -> SiteSource:
    """Give the sites of an edge."""
    return house.app[SITES]


def rules_of(house: House) -> RuleSource:
    """Give the rules of an edge."""
    return house.app[RULES]


def category(rules: RuleSource) -> str:
    """Tell where ``app`` belongs."""
    return rules.categorizer.categorize("app").category


def counted() -> dict[str, int]:
    """Read the metric of the sites."""
    return {
        status: int(value_of(metrics.SITES_CACHE_STATUS.labels(status)))
        for status in ("hit", "miss", "refresh", "error")
    }


@asynccontextmanager
async def change_of(source: SiteSource | RuleSource) -> AsyncIterator[None]:
    """Do something, and wait until *source* tells a change after it began."""
    changed = asyncio.Event()
    source.on_change(changed.set)
    yield
    await asyncio.wait_for(changed.wait(), 15)


class TestReading:
    async def test_nobody_reads_consul_is_not_asked(self, house: House, standin: StandIn) -> None:
        """An edge that only proxies leaves KV alone."""
        assert (await house.ask("GET", "/v1/catalog/services")).status == 200
        assert standin.seen.of("GET", "/v1/kv/") == []

    async def test_sites_are_read_the_first_reader_waits_for_them(self, house: House) -> None:
        """There is no answer without sites where there are some."""
        sites = await sites_of(house).read()
        assert sites.place_of(AT, "?") == ("palmas", "Palmas")

    async def test_reads_and_loads_are_counted_for_what_they_were(
        self, house: House, standin: StandIn
    ) -> None:
        """Waiting is a miss, memory a hit, each load or edit with a document a refresh."""
        before, sites = counted(), sites_of(house)

        def since() -> dict[str, int]:
            return {status: count - before[status] for status, count in counted().items()}

        await sites.read()
        assert since() == {"hit": 0, "miss": 1, "refresh": 1, "error": 0}
        await sites.read()
        assert since() == {"hit": 1, "miss": 1, "refresh": 1, "error": 0}
        await sites.refresh()
        assert since() == {"hit": 1, "miss": 1, "refresh": 2, "error": 0}
        async with change_of(sites):
            standin.state.keys.put(SITES_KEY, sites_named("Rio"))
        assert since() == {"hit": 1, "miss": 1, "refresh": 3, "error": 0}
        standin.faults.answer(403, body=b"Permission denied", path="/v1/kv/")
        await sites.refresh()
        assert since()["error"] >= 1
        assert since()["refresh"] == 3

    async def test_document_is_broken_it_is_counted_as_an_error(
        self, house: House, standin: StandIn
    ) -> None:
        """It was loaded, and brought nothing."""
        standin.state.keys.put(SITES_KEY, b"{")
        before, sites = counted(), sites_of(house)
        await sites.read()
        after = counted()
        assert (after["error"] - before["error"], after["refresh"] - before["refresh"]) == (1, 0)

    async def test_sites_stand_as_their_status_says(self, house: House) -> None:
        """Where they are from, how old, how many."""
        sites = sites_of(house)
        assert sites.status.source is Source.NONE
        assert (sites.status.loaded_at, sites.status.age_seconds) == (None, None)
        await sites.read()
        await eventually(lambda: sites.status.is_live, "live")
        status = sites.status
        assert (status.source, status.where, status.count) == ("kv", SITES_KEY, 1)
        assert (status.error, list(status.problems)) == (None, [])
        assert status.loaded_at is not None
        assert status.loaded_at.utcoffset() is not None
        assert status.age_seconds is not None
        assert 0 <= status.age_seconds < 15


class TestSites:
    async def test_key_is_deleted_and_created_the_sites_go_and_come(
        self, house: House, standin: StandIn
    ) -> None:
        """No document is no sites."""
        sites = sites_of(house)
        await sites.read()
        async with change_of(sites):
            standin.state.keys.delete(SITES_KEY)
        assert (sites.value.sites, sites.status.source) == ((), "none")
        async with change_of(sites):
            standin.state.keys.put(SITES_KEY, sites_named("Rio"))
        assert sites.value.place_of(AT, "?") == ("rio", "Rio")

    @pytest.mark.parametrize(
        "content", [b"", b"{", b"\xff\xfe\x00", b"null", b'{"sites": 3}', b'"text"']
    )
    async def test_document_is_none_the_last_good_one_holds(
        self, content: bytes, house: House, standin: StandIn
    ) -> None:
        """Empty, broken, not of UTF-8 or of another shape: it is told, and takes nothing."""
        sites = sites_of(house)
        good = await sites.read()
        standin.state.keys.put(SITES_KEY, content)
        await eventually(lambda: sites.status.error, "told")
        assert sites.value is good
        assert (sites.status.source, sites.status.count) == ("kv", 1)
        standin.state.keys.put(SITES_KEY, sites_named("Rio"))
        await eventually(lambda: sites.status.error is None, "mended")
        assert sites.value.place_of(AT, "?") == ("rio", "Rio")

    async def test_document_is_written_anew_the_sites_are_the_same_object(
        self, house: House, standin: StandIn
    ) -> None:
        """What was made of them stays good, and nobody is told of a change."""
        sites = sites_of(house)
        good = await sites.read()
        told = []
        sites.on_change(lambda: told.append(1))
        loaded_at = sites.status.loaded_at
        standin.state.keys.put(SITES_KEY, sites_named("Palmas") + b"\n")
        await eventually(lambda: sites.status.loaded_at != loaded_at, "read")
        assert sites.value is good
        assert told == []

    @pytest.mark.parametrize("fault", ["hang", "403", "500", "refuse"])
    async def test_kv_fails_the_sites_stay(
        self, fault: str, house: House, standin: StandIn
    ) -> None:
        """Whatever it is, it is told, and nothing is taken away; they are live again after it."""
        sites = sites_of(house)
        good = await sites.read()
        await eventually(lambda: sites.status.is_live, "live")
        if fault == "hang":
            standin.faults.hang(path="/v1/kv/")
        elif fault == "refuse":
            await standin.refuse()
        else:
            standin.faults.answer(int(fault), body=b"no", path="/v1/kv/")
        await sites.refresh()
        assert sites.status.error
        assert sites.value is good
        standin.faults.clear()
        await standin.listen()
        await eventually(lambda: sites.status.is_live and not sites.status.error, "well again")
        assert sites.value is good

    async def test_rows_are_wrong_they_are_logged_once_and_told(
        self, house: House, standin: StandIn
    ) -> None:
        """A load of the same text does not say it again."""
        rows = [{"code": "a", "prometheus_instance": AT, "ssh_port": 0}]
        standin.state.keys.put(SITES_KEY, json.dumps(rows).encode())
        sites = sites_of(house)
        with capture_logs() as logged:
            await sites.read()
            await sites.refresh()
        told = [line["problem"] for line in logged if line["event"] == "problem in document"]
        expected = "site 1: ssh_port: 0: expected a port from 1 to 65535"
        assert told == [expected] == list(sites.status.problems)

    async def test_token_file_changes_the_sites_are_read_with_the_new_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A token without rights is told, and replaced without a restart."""
        monkeypatch.setattr(secret_file, "LOOK_AGAIN", 0.0)
        tokens = {
            "poor": lambda _method, path: not path.startswith("/v1/kv/"),
            "rich": None,
            "": lambda _method, path: path.startswith("/v1/status/"),
        }
        file = tmp_path / "token"
        file.write_text("poor")
        standin = StandIn(nodes=1, services=1, tokens=tokens)
        standin.state.keys.put(SITES_KEY, sites_named("Palmas"))
        settings = {**QUICK, "CONSUL__TOKEN_FILE": str(file)}
        async with standin.running() as url, edge_over(url, **settings) as house:
            sites = sites_of(house)
            assert (await sites.read()).sites == ()
            assert "403" in str(sites.status.error)
            async with change_of(sites):
                file.write_text("rich!")
                file.write_text("rich")
            assert sites.value.place_of(AT, "?") == ("palmas", "Palmas")
            assert sites.status.error is None

    async def test_first_server_hangs_the_next_one_has_the_sites(self, standin: StandIn) -> None:
        """The first answer has its sites, though the leader keeps silent."""
        hung = StandIn(state=standin.state, server=1)
        async with hung.running() as url:
            hung.faults.hang(path="/v1/kv/")
            async with edge_over(url, standin.base_url, **QUICK) as house:
                sites = await sites_of(house).read()
                assert sites.place_of(AT, "?") == ("palmas", "Palmas")
                assert sites_of(house).status.error is None


class TestRules:
    @pytest.mark.parametrize(
        ("in_kv", "in_file", "expected"),
        [
            (True, True, ("of-kv", "kv")),
            (True, False, ("of-kv", "kv")),
            (False, True, ("of-file", "file")),
            (False, False, ("custom-exporters", "defaults")),
        ],
    )
    async def test_rules_are_in_several_places_the_first_counts(
        self,
        in_kv: bool,
        in_file: bool,
        expected: tuple[str, str],
        standin: StandIn,
        tmp_path: Path,
    ) -> None:
        """KV goes before the file, and the file before the package."""
        if in_kv:
            standin.state.keys.put(RULES_KEY, rules_into("of-kv"))
        file = tmp_path / "rules.json"
        file.write_bytes(rules_into("of-file"))
        settings = {**QUICK, **({"RULES__FILE": str(file)} if in_file else {})}
        async with edge_over(standin.base_url, **settings) as house:
            rules = rules_of(house)
            await rules.read()
            assert (category(rules), rules.status.source) == expected
            wheres = {"kv": RULES_KEY, "file": str(file), "defaults": None}
            assert rules.status.where == wheres[expected[1]]
            assert rules.status.count == len(rules.value.rules)

    async def test_rules_are_edited_in_kv_they_decide_at_once(
        self, house: House, standin: StandIn
    ) -> None:
        """No restart, and no TTL to wait for."""
        rules = rules_of(house)
        await rules.read()
        for name in ("first", "second"):
            async with change_of(rules):
                standin.state.keys.put(RULES_KEY, rules_into(name))
            assert category(rules) == name
        async with change_of(rules):
            standin.state.keys.delete(RULES_KEY)
        assert (category(rules), rules.status.source) == ("custom-exporters", "defaults")

    async def test_file_is_edited_its_rules_decide(self, standin: StandIn, tmp_path: Path) -> None:
        """In place, or replaced by another file of the same name."""
        file = tmp_path / "rules.yaml"
        file.write_bytes(rules_into("first"))
        async with edge_over(standin.base_url, RULES__FILE=str(file)) as house:
            rules = rules_of(house)
            assert category(rules) == "first"
            async with change_of(rules):
                file.write_bytes(rules_into("second"))
            assert category(rules) == "second"
            async with change_of(rules):
                other = tmp_path / "other"
                other.write_bytes(rules_into("third"))
                other.rename(file)
            assert category(rules) == "third"

    @pytest.mark.parametrize("content", [b"", b"rules: 3", b"\xff\xfe\x00", b"{", b"rules: [\n"])
    async def test_kv_or_file_is_broken_the_last_good_rules_decide(
        self, content: bytes, standin: StandIn, tmp_path: Path
    ) -> None:
        """Both are told by their place; mended, they count again."""
        file = tmp_path / "rules.yaml"
        file.write_bytes(rules_into("of-file"))
        standin.state.keys.put(RULES_KEY, rules_into("of-kv"))
        async with edge_over(standin.base_url, RULES__FILE=str(file), **QUICK) as house:
            rules = rules_of(house)
            await rules.read()
            standin.state.keys.put(RULES_KEY, content)
            file.write_bytes(content)
            await eventually(lambda: f"{file}: " in str(rules.status.error), "file told")
            await eventually(lambda: f"{RULES_KEY}: " in str(rules.status.error), "kv told")
            assert (category(rules), rules.status.source) == ("of-kv", "kv")
            standin.state.keys.delete(RULES_KEY)
            await eventually(lambda: rules.status.source == "file", "key gone")
            assert category(rules) == "of-file"
            file.write_bytes(rules_into("mended"))
            await eventually(lambda: rules.status.error is None, "mended")
            assert category(rules) == "mended"

    async def test_kv_was_broken_from_the_start_the_file_decides(
        self, standin: StandIn, tmp_path: Path
    ) -> None:
        """What was never good takes nothing from what is."""
        file = tmp_path / "rules.yaml"
        file.write_bytes(rules_into("of-file"))
        standin.state.keys.put(RULES_KEY, b"[]")
        async with edge_over(standin.base_url, RULES__FILE=str(file), **QUICK) as house:
            rules = rules_of(house)
            with capture_logs() as logged:
                await rules.read()
                await rules.refresh()
            assert [line["event"] for line in logged].count("document is refused") == 1
            assert (category(rules), rules.status.source) == ("of-file", "file")
            assert rules.status.error == (
                f"{RULES_KEY}: expected a mapping with a list called rules, not a list"
            )

    async def test_file_is_gone_its_rules_stay(self, standin: StandIn, tmp_path: Path) -> None:
        """It is told until it is back."""
        file = tmp_path / "rules.yaml"
        file.write_bytes(rules_into("of-file"))
        async with edge_over(standin.base_url, RULES__FILE=str(file)) as house:
            rules = rules_of(house)
            assert rules.status.age_seconds is not None
            await rules.read()
            await eventually(lambda: rules.status.is_live, "live")
            file.unlink()
            with capture_logs() as logged:
                for _ in range(2):
                    await rules.refresh()
            assert rules.status.error == f"{file}: No such file or directory"
            assert [line["event"] for line in logged] == ["file cannot be read"]
            assert (category(rules), rules.status.source) == ("of-file", "file")
            assert not rules.status.is_live
            file.write_bytes(rules_into("back"))
            await eventually(lambda: category(rules) == "back", "back")
            mended = rules.status
            assert (mended.error, mended.is_live) == (None, True)

    async def test_file_becomes_a_pipe_nobody_waits_for_it(
        self, standin: StandIn, tmp_path: Path
    ) -> None:
        """A pipe without a writer would hold whoever opens it."""
        file = tmp_path / "rules.yaml"
        file.write_bytes(rules_into("of-file"))
        async with edge_over(standin.base_url, RULES__FILE=str(file)) as house:
            rules = rules_of(house)
            file.unlink()
            os.mkfifo(file)
            await eventually(lambda: "regular" in str(rules.status.error), "told")
            assert category(rules) == "of-file"

    async def test_rules_are_written_anew_their_categorizer_is_the_same(
        self, house: House, standin: StandIn
    ) -> None:
        """It is made again for other rules only, wherever they are from."""
        standin.state.keys.put(RULES_KEY, rules_into("one"))
        rules = rules_of(house)
        await rules.read()
        made, value, loaded_at = rules.categorizer, rules.value, rules.status.loaded_at
        standin.state.keys.put(RULES_KEY, rules_into("one") + b"\n")
        await eventually(lambda: rules.status.loaded_at != loaded_at, "read")
        assert (rules.categorizer is made, rules.value is value) == (True, True)
        async with change_of(rules):
            standin.state.keys.put(RULES_KEY, rules_into("two"))
        assert rules.categorizer is not made
        assert rules.categorizer.rules is rules.value

    async def test_one_rule_is_bad_it_is_logged_once_and_the_others_decide(
        self, house: House, standin: StandIn
    ) -> None:
        """A pattern that cannot work disables its rule."""
        rule = {"id": "two", "category": "b", "conditions": {"job_name_pattern": "("}}
        document = json.loads(rules_into("good"))
        document["rules"].append(rule)
        standin.state.keys.put(RULES_KEY, json.dumps(document).encode())
        rules = rules_of(house)
        with capture_logs() as logged:
            await rules.read()
            await rules.refresh()
        told = [line["problem"] for line in logged if line["event"] == "problem in document"]
        assert told == list(rules.status.problems)
        assert any("rule two: conditions.job_name_pattern: '('" in line for line in told)
        assert category(rules) == "good"

    async def test_large_documents_are_read_beside_the_loop_and_count(
        self, house: House, standin: StandIn
    ) -> None:
        """Many rules take a while, in a thread."""
        document = json.loads(rules_into("large", observations="x" * 9_000))
        document["rules"].append({**document["rules"][0], "id": "two"})
        standin.state.keys.put(RULES_KEY, json.dumps(document).encode())
        rules = rules_of(house)
        await rules.read()
        assert category(rules) == "large"

    async def test_rules_are_refreshed_file_and_key_are_read_again(
        self, standin: StandIn, tmp_path: Path
    ) -> None:
        """Also a file that looks the same."""
        file = tmp_path / "rules.yaml"
        file.write_bytes(rules_into("a"))
        os.utime(file, LONG_AGO)
        async with edge_over(standin.base_url, RULES__FILE=str(file)) as house:
            rules = rules_of(house)
            await rules.read()
            file.write_bytes(rules_into("b"))
            os.utime(file, LONG_AGO)
            before = len(standin.seen.of("GET", f"/v1/kv/{RULES_KEY}?raw"))
            await rules.refresh()
            assert category(rules) == "b"
            assert len(standin.seen.of("GET", f"/v1/kv/{RULES_KEY}?raw")) > before


def test_listener_is_broken_the_others_are_told() -> None:
    """A defect of one does not keep the change from the next."""
    told: list[int] = []

    def broken() -> None:
        raise RuntimeError("defect")

    listeners = Listeners()
    hear: list[Callable[[], None]] = [broken, lambda: told.append(1)]
    for one in hear:
        listeners.add(one)
    with capture_logs():
        listeners.tell()
    assert told == [1]
