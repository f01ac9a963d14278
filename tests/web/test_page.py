"""The page without a script: what its HTML says, to whom, and in which words."""

import asyncio
import gzip
import html
import json
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import Any

import pytest

from consul_edge.demo.standin import StandIn
from consul_edge.enrich.standing import State
from consul_edge.web.keys import VIEWS
from consul_edge.web.pages import script_safe
from tests.house import House, edge_over
from tests.waiting import eventually

SERVICES = 120


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a Consul with more instances than a page has rows."""
    standin = StandIn(nodes=12, services=SERVICES)
    async with standin.running():
        yield standin


@pytest.fixture
async def house(standin: StandIn) -> AsyncIterator[House]:
    """Give an edge over it."""
    async with edge_over(standin.base_url) as house:
        yield house


async def page(house: House, target: str = "/", *, status: int = 200, **headers: str) -> str:
    """Ask for a page, and give what it says; what it tells its modules has all words there are."""
    answer = await house.ask("GET", target, list(headers.items()))
    assert answer.status == status, answer.body
    return said(answer.body)


def said(body: bytes) -> str:
    """Give a page without what it tells its modules."""
    text, beginning, _ = body.decode().partition('<script type="application/json"')
    assert beginning
    return text


def cells(text: str, column: str) -> list[str]:
    """List what one column of a page's table says."""
    found = re.findall(rf'<td class="c-{column} [^>]*>(.*?)</td>', text)
    return [html.unescape(re.sub(r"<[^>]*>", "", cell)) for cell in found]


def links(text: str, beginning: str) -> list[str]:
    """List where a page's links lead, of those that begin so."""
    found = [html.unescape(link) for link in re.findall(r'href="([^"]*)"', text)]
    return [link for link in found if link.startswith(beginning)]


def parsed(text: str) -> list[list[tuple[str, str | None]]]:
    """List the attributes of each tag, as a browser reads them."""
    tags: list[list[tuple[str, str | None]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag
            tags.append(attrs)

    Reader().feed(text)
    return tags


async def documented(house: House, target: str) -> Any:
    """Ask for a document of the API."""
    answer = await house.ask("GET", target)
    return answer.json()


class TestRows:
    """What is in the table."""

    async def test_first_rows_are_in_the_html_failing_ones_first(self, house: House) -> None:
        """Who has no script sees what fails, and how much more there is."""
        text = await page(house)
        shown = cells(text, "status")
        assert len(shown) == 50
        assert shown == sorted(shown, key=("critical", "warning", "passing").index)
        assert shown[0] == "critical"
        assert f"1 to 50 of {SERVICES} rows" in text

    async def test_next_links_lead_through_all_rows_once(self, house: House) -> None:
        """Paging works by plain links, and misses nothing."""
        text, ids = await page(house), []
        while True:
            ids += cells(text, "id")
            following = re.search(r'rel="next" href="([^"]*)"', text)
            if following is None:
                break
            text = await page(house, html.unescape(following[1]))
        document = await documented(house, "/api/v1/services")
        assert sorted(ids) == sorted(row["ID"] for row in document["data"])

    async def test_all_gives_every_row_at_once(self, house: House) -> None:
        """A browser's own search finds them all then."""
        assert len(cells(await page(house, "/?all=1"), "id")) == SERVICES

    async def test_nodes_have_a_table_of_their_own(self, house: House) -> None:
        """The dead one is the first."""
        text = await page(house, "/nodes")
        assert len(cells(text, "name")) == 12
        assert cells(text, "status")[0] == "dead"

    async def test_parameters_choose_the_rows_that_the_api_chooses(self, house: House) -> None:
        """Search, filters and order mean the same here and there."""
        asked = "?q=-icmp&category=network-probes,web-probes&status=passing&sort=id&order=desc"
        document = await documented(house, f"/api/v1/services{asked}")
        wanted = [row["ID"] for row in document["data"]]
        assert 0 < len(wanted) < SERVICES
        assert cells(await page(house, f"/{asked}&all=1"), "id") == wanted

    async def test_header_link_sorts_and_turns_the_order_round(self, house: House) -> None:
        """A header's link sorts by its column; once sorted, it leads to the reverse."""
        (link,) = links(await page(house), "/?sort=id")
        text = await page(house, f"{link}&all=1")
        assert 'class="c-id k-mono" aria-sort="ascending"' in text
        (back,) = (link for link in links(text, "/?all=1&sort=id"))
        turned = cells(await page(house, back), "id")
        assert turned == cells(text, "id")[::-1]

    async def test_chosen_columns_are_shown_and_no_others(self, house: House) -> None:
        """Columns are part of the address."""
        text = await page(house, "/?columns=status,module")
        assert cells(text, "module")
        assert not cells(text, "id")

    async def test_open_row_is_shown_beside_the_table(self, house: House) -> None:
        """A row's link leads to all its fields and its Meta."""
        link = links(await page(house), "/?row=")[0]
        text = await page(house, link)
        drawer = text[text.index('id="drawer"') :]
        assert "grupo_monitoramento" in drawer
        assert cells(text, "id")[0] in html.unescape(drawer)

    async def test_row_that_is_gone_is_said_to_be_gone(self, house: House) -> None:
        """A shared address of a row outlives the row."""
        assert "This row is not there any more" in await page(house, "/?row=dc1/n0/none")


class TestAbove:
    """What stands above the rows."""

    async def test_facets_count_and_their_links_filter(self, house: House) -> None:
        """A facet says how many rows a value has, and its link leaves just these."""
        text = await page(house)
        found = re.search(
            r'data-facet="category".*?href="([^"]*)"><span>([^<]*)</span> <em>([0-9]+)<',
            text,
            re.DOTALL,
        )
        assert found is not None
        filtered = await page(house, html.unescape(found[1]) + "&all=1")
        assert cells(filtered, "category") == [found[2]] * int(found[3])

    async def test_chosen_value_does_not_hide_the_others_of_its_facet(self, house: House) -> None:
        """What might be chosen instead is still there, with its count."""
        before, after = await page(house), await page(house, "/?category=web-probes")
        menus = [
            re.findall(
                r"<span>(.*?)</span> <em>([0-9]+)<",
                text[text.index('data-facet="category"') : text.index('data-facet="site"')],
            )
            for text in (before, after)
        ]
        assert len(menus[0]) > 3
        assert menus[0] == menus[1]

    async def test_node_is_a_value_by_its_name_alone(self, house: House) -> None:
        """Its address finds it, and is not offered beside it."""
        text = await page(house)
        menu = text[text.index('data-facet="node"') : text.index('data-facet="dc"')]
        document = await documented(house, "/api/v1/services")
        names = {row["Node"] for row in document["data"]}
        assert {html.unescape(name) for name in re.findall(r"<span>(.*?)</span>", menu)} == names

    async def test_chosen_value_is_a_chip_that_removes_it(self, house: House) -> None:
        """What narrows the rows is seen, and each part of it can be taken back."""
        text = await page(house, "/?category=web-probes&q=prod")
        (chip,) = re.findall(r'class="chip" href="([^"]*)"', text)
        assert html.unescape(chip) == "/?q=prod"
        assert 'class="reset" href="/"' in text

    async def test_summary_counts_the_whole_table(self, house: House) -> None:
        """Categories and health are those of all rows, whatever is filtered."""
        document = await documented(house, "/api/v1/services?facets=status,category")
        text = await page(house, "/?status=critical")
        strip = re.sub(r"<svg.*?</svg>", "", text[text.index('id="strip"') :], flags=re.DOTALL)
        for status, count in document["facets"]["status"].items():
            assert re.search(rf'<b>{count}</b> <span class="word">{status}<', strip)
        for category, count in document["facets"]["category"].items():
            assert re.search(rf'"{category}".*?<b>{count}</b>', strip, re.DOTALL)

    async def test_state_server_and_hit_ratio_are_told(
        self, house: House, standin: StandIn
    ) -> None:
        """Who looks knows where the rows are from, and how sure they are."""
        await page(house)
        await house.ask("GET", "/v1/catalog/nodes")
        text = await page(house)
        assert f'id="active">{standin.base_url.removeprefix("http://")}<' in text
        assert re.search(r'id="certainty">(live|fresh)<', text)
        assert re.search(r'id="ratio">[0-9]+\.[0-9]%<', text)

    async def test_export_links_give_the_filtered_rows(self, house: House) -> None:
        """CSV, JSON and targets are those of the rows that are shown."""
        text = await page(house, "/?category=web-probes&sort=id&dense=1&lang=en")
        found = [link for link in links(text, "/api/v1/") if "web-probes" in link]
        assert len(found) == 3
        for link in found:
            answer = await house.ask("GET", link)
            assert answer.status == 200, link
        document = await documented(house, found[1])
        assert [row["ID"] for row in document["data"]] == cells(text, "id")


class TestWrong:
    """Addresses that mean nothing, and clusters that cannot be seen."""

    @pytest.mark.parametrize(
        ("target", "name"),
        [
            ("/?status=critcal", "status: 'critcal'"),
            ("/?statsu=critical", "statsu"),
            ("/?sort=colour", "sort: 'colour'"),
            ("/?columns=id,colour", "columns: 'colour'"),
            ("/?dense=yes", "dense: 'yes'"),
            ("/?row=n1", "row: 'n1'"),
            ("/?lang=de", "lang: 'de'"),
            ("/?all=2", "all: '2'"),
            ("/?page=0", "page: '0'"),
            ("/?q=statsu:critical", "q: at character 1"),
            ("/?format=csv", "format"),
            ("/nodes?category=web-probes", "category"),
        ],
    )
    async def test_parameter_that_means_nothing_is_named_above_the_rows(
        self, house: House, target: str, name: str
    ) -> None:
        """Nobody gets an empty table for a slip of the pen, nor rows without a word about it."""
        text = await page(house, target)
        told = text[text.index("data-problem") : text.index('id="strip"')]
        assert name in html.unescape(told)
        assert cells(text, "status")

    async def test_parameters_that_mean_something_hold_beside_one_that_does_not(
        self, house: House
    ) -> None:
        """One error does not undo the rest of an address."""
        text = await page(house, "/?category=web-probes&dense=yes")
        assert set(cells(text, "category")) == {"web-probes"}

    async def test_token_in_the_address_is_refused_and_repeated_nowhere(
        self, house: House
    ) -> None:
        """No link of the page carries a secret on."""
        text = await page(house, "/?token=s3cr3t")
        assert "token: not taken here" in text
        assert "s3cr3t" not in text

    async def test_markup_in_a_name_is_text(self, house: House) -> None:
        """The demo has an instance whose company is markup; it is in no page as such."""
        for target in ("/?all=1", "/?q=onerror", "/?q=<img src=x>", "/?company=<img src=x>"):
            answer = await house.ask("GET", target.replace(" ", "%20"))
            assert b"<img" not in answer.body
            assert b"&lt;img" in answer.body

    async def test_page_comes_and_names_servers_while_consul_is_down(
        self, standin: StandIn
    ) -> None:
        """With nothing kept, it says why there are no rows, and how each server is."""
        await standin.refuse()
        async with edge_over(standin.base_url, CONSUL__DEADLINE="1s") as house:
            text = await page(house, status=500)
        assert "Nothing can be shown: no Consul server answered" in text
        assert f"{standin.base_url.removeprefix('http://')} (" in text
        assert 'id="about"' in text

    async def test_hung_consul_does_not_hold_the_page(self, standin: StandIn) -> None:
        """A cluster that takes long is not waited for: the page says that it is being read."""
        standin.faults.hang(path="/v1/catalog/services")
        async with edge_over(standin.base_url, CONSUL__TIMEOUT="60s") as house:
            text = await page(house)
        assert 'id="gathering"' in text
        assert '<meta http-equiv="refresh" content="5">' in text

    async def test_stale_rows_are_shown_with_a_loud_banner(
        self, house: House, standin: StandIn
    ) -> None:
        """An outage shows as an age, not as an error."""
        await page(house)
        await standin.refuse()
        standin.disconnect()
        views = house.app[VIEWS]
        await eventually(lambda: views.standing("").state is State.STALE, "stale")
        answer = await house.ask("GET", "/")
        text = said(answer.body)
        assert "No Consul server answers. These rows are" in text
        assert f"{standin.base_url.removeprefix('http://')} (out)" in text
        assert len(cells(text, "status")) == 50
        assert "x-consul-edge-stale" in {name.lower() for name, _ in answer.headers}


class TestRights:
    """Whose rows they are."""

    async def test_refusal_by_consul_is_a_message_and_no_empty_table(self) -> None:
        """Who may see nothing is told so, with the way out."""
        standin = StandIn(nodes=2, services=5)
        standin.faults.answer(403, "Permission denied", path="/v1/catalog/services")
        async with standin.running(), edge_over(standin.base_url) as house:
            text = await page(house, status=403)
        assert "lets this token see nothing" in text
        assert "<table class=" not in text


class TestLanguage:
    """English, and Brazilian Portuguese."""

    async def test_browser_s_wish_chooses_the_language(self, house: House) -> None:
        """A Brazilian's browser is answered in Portuguese without a word."""
        answer = await house.ask("GET", "/", [("Accept-Language", "pt-BR,pt;q=0.9,en;q=0.8")])
        text = said(answer.body)
        assert '<html lang="pt-BR">' in text
        assert "instâncias de serviços" in text
        assert ("Content-Language", "pt-BR") in list(answer.headers)

    async def test_address_overrules_the_browser(self, house: House) -> None:
        """The switch is a link, which leads on in its language."""
        answer = await house.ask("GET", "/?lang=pt-BR", [("Accept-Language", "en")])
        text = answer.body.decode()
        assert '<html lang="pt-BR">' in text
        assert all("lang=pt-BR" in link for link in links(text, "/nodes"))


class TestHeaders:
    """What a browser may do with the page."""

    async def test_nothing_but_our_own_modules_may_run(self, house: House) -> None:
        """The policy is strict, and nothing in the page breaks it."""
        answer = await house.ask("GET", "/")
        headers = {name.lower(): value for name, value in answer.headers}
        policy = dict(
            part.strip().partition(" ")[::2]
            for part in headers["content-security-policy"].split(";")
        )
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self' data:",
            "connect-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
            "require-trusted-types-for": "'script'",
            "trusted-types": "'none'",
        }
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert "camera=()" in headers["permissions-policy"]
        assert headers["cache-control"] == "private, no-cache"
        assert "Accept-Language" in headers["vary"]
        text = answer.body.decode()
        attributes = {(name, value) for tag in parsed(text) for name, value in tag}
        assert not [name for name, _ in attributes if name == "style" or name.startswith("on")]
        assert not [value for _, value in attributes if str(value).startswith("javascript:")]
        assert re.findall(r"<script(?![^>]*src=)[^>]*>", text) == [
            '<script type="application/json" id="page-data">'
        ]

    def test_data_for_the_modules_cannot_end_its_element(self) -> None:
        """Whatever stands in it, no markup begins there, and JSON it stays."""
        told = {"words": "</script><!--<script>"}
        written = script_safe(told)
        assert "<" not in written
        assert json.loads(written) == told

    async def test_modules_are_told_view_and_words(self, house: House) -> None:
        """They read it from the HTML, without asking."""
        text = (await house.ask("GET", "/")).body.decode()
        data = re.search(r'id="page-data">(.*?)</script>', text, re.DOTALL)
        assert data is not None
        told = json.loads(data[1])
        assert told["view"] == "services"
        assert told["words"]["services"] == "Services"

    @pytest.mark.parametrize("trusts", ["true", "false"])
    async def test_modules_are_told_who_needs_no_admin_token(
        self, standin: StandIn, trusts: str
    ) -> None:
        """So they need not make an admin call that fails, and is recorded, to find out."""
        async with edge_over(standin.base_url, ADMIN__TRUST_LOOPBACK=trusts) as house:
            text = (await house.ask("GET", "/")).body.decode()
        assert f'"trusted":{trusts}' in text

    async def test_page_is_compressed_for_who_takes_that(self, house: House) -> None:
        """It says the same, in a third of the bytes."""
        plain = await house.ask("GET", "/nodes?lang=en")
        zipped = await house.ask("GET", "/nodes?lang=en", [("Accept-Encoding", "gzip")])
        assert dict(zipped.headers)["Content-Encoding"] == "gzip"
        assert cells(gzip.decompress(zipped.body).decode(), "name") == cells(
            plain.body.decode(), "name"
        )
        assert len(zipped.body) * 3 < len(plain.body)

    async def test_head_gives_the_headers_alone(self, house: House) -> None:
        """Who asks for the head gets no body."""
        answer = await asyncio.wait_for(house.ask("HEAD", "/"), 20)
        assert (answer.status, answer.body) == (200, b"")
