"""The page in its languages: what it says is in the lists of words, and nowhere else."""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from playwright.async_api import Browser, expect

from consul_edge import __version__
from consul_edge.web.words import WORDS
from tests.page.browser import watched
from tests.page.houses import Home, home
from tests.page.test_accessible import STEPS
from tests.page.test_page import opened

LANGUAGE: Final = "pt-BR"

NAMES: Final = {
    *("consul-edge", f"consul-edge {__version__}", *WORDS),
    *("Enter", "Esc", "Ctrl+Home", "Ctrl+End", "Shift+C", "j", "k", "c", "p"),
    *("/v1/catalog/nodes", "/metrics", "/-/ready", "/-/healthy", "/ui/"),
    *("datacenter/node/id", "dense", "row", "no-such", "statsu"),
    *("module", "name"),
}
"""What is called the same in every language: programs, keys, paths, parameters, keys of Meta."""

PARTS: Final = (": ", ", ", " · ", "=")

AGE: Final = re.compile(r"\d+ (?:s|min|h|d)")

_SAID: Final = """() => {
  const said = new Set();
  const both = NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT;
  const walker = document.createTreeWalker(document, both);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.nodeType === Node.TEXT_NODE) {
      if (!node.parentElement.closest("script, style, pre")) said.add(node.data.trim());
      continue;
    }
    for (const name of ["aria-label", "title", "placeholder", "alt"]) {
      if (node.hasAttribute(name)) said.add(node.getAttribute(name).trim());
    }
  }
  return [...said];
}"""


class Speech:
    """Tells what is of a language, or of the data."""

    def __init__(self, language: str, data: Iterable[str]) -> None:
        """Know the words of *language*, and all texts of *data*."""
        words = WORDS[language].values()
        # What is data, and a word of another language, may have been meant as that.
        others = {word for one in WORDS.values() for word in one.values()}
        self._plain = set(data) - others | NAMES | {word for word in words if "{" not in word}
        self._patterns = [
            re.compile(re.sub(r"\\\{[a-z]+\\\}", "(.+)", re.escape(word)))
            for word in words
            if "{" in word
        ]

    def has(self, text: str) -> bool:
        """Tell whether a text is made of words and data alone."""
        text = text.strip(' "')
        is_bare = not re.search(r"[^\W\d_]", text)
        if is_bare or text in self._plain or AGE.fullmatch(text):
            return True
        for pattern in self._patterns:
            found = pattern.fullmatch(text)
            if found and all(map(self.has, found.groups())):
                return True
        parted = (text.partition(part) for part in PARTS if part in text)
        return any(self.has(before) and self.has(after) for before, _, after in parted)


def texts(told: Any) -> set[str]:
    """Give all texts of a document, names of what services have included."""
    if isinstance(told, dict):
        return {*told, *(text for value in told.values() for text in texts(value))}
    if isinstance(told, list):
        return {text for value in told for text in texts(value)}
    return {told} if isinstance(told, str) else set()


async def learnt(own: Home) -> set[str]:
    """Give everything that is data."""
    found = {server.name for server in own.house.rotation.servers}
    for target in ("services", "nodes", "sites", "categories"):
        answer = await own.house.ask("GET", f"/api/v1/{target}")
        found |= texts(json.loads(answer.body))
    for row in (await own.house.ask("GET", "/api/v1/services")).json()["data"]:
        found.add(f"{row['Address'] or row['NodeAddress']}:{row['Port']}")
        checks = await own.house.ask("GET", f"/v1/health/node/{row['Node']}")
        found |= texts(json.loads(checks.body))
    return {text.strip() for text in found}


async def test_all_that_is_said_is_in_the_list_of_words(browser: Browser) -> None:
    """Wherever a Brazilian goes, texts, titles and labels are words of his list, or data."""
    said: dict[str, list[str]] = {}
    async with (
        home(12, nodes=3, ADMIN__TRUST_LOOPBACK="true") as own,
        watched(browser, locale=LANGUAGE) as page,
    ):
        await opened(page, own, "/nodes?row=1&dense=2&no-such=1")
        said["nodes"] = await page.evaluate(_SAID)
        await page.locator(".grid-row").first.click()
        await expect(page.locator("#drawer .check").first).to_be_visible()
        said["a node"] = await page.evaluate(_SAID)
        await opened(page, own)
        speech = Speech(LANGUAGE, await learnt(own))
        for name, step in STEPS.items():
            await step(page)
            said[name] = await page.evaluate(_SAID)
        await page.keyboard.press("Escape")
        await page.keyboard.press("p")
        said["a pause"] = await page.evaluate(_SAID)
    assert min(map(len, said.values())) > 60
    unknown = {
        name: found
        for name, all_ in said.items()
        if (found := [t for t in all_ if not speech.has(t)])
    }
    assert unknown == {}


async def test_page_without_scripts_says_words_of_the_list_alone(browser: Browser) -> None:
    """The server's HTML likewise; what is wrong with an address it tells in English."""
    async with (
        home(12, nodes=3) as own,
        watched(browser, locale=LANGUAGE, java_script_enabled=False) as page,
    ):
        await page.goto(f"{own.base}/?company=9")
        said = await page.evaluate(_SAID)
        await page.click(".chip")
        said += await page.evaluate(_SAID)
        await page.locator("td.c-service a").first.click()
        said += await page.evaluate(_SAID)
        speech = Speech(LANGUAGE, await learnt(own))
    assert len(said) > 200
    assert [text for text in said if not speech.has(text)] == []


def test_text_that_is_in_no_list_is_noticed() -> None:
    """Words, data and numbers are known, in whatever a word has them; nothing else is."""
    speech = Speech(LANGUAGE, {"web-1", "crítica"})
    for known in (
        "Serviços",
        "web-1",
        "1.204",
        "Tirar Nó: web-1",
        "12 de 1.204 linhas",
        "há 3 min",
    ):
        assert speech.has(known), known
    for unknown in ("Services", "web-2", "Remove Node: web-1", "Tirar Node: web-1", "12 rows"):
        assert not speech.has(unknown), unknown
