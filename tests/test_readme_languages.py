"""The README in Portuguese keeps step with the English one."""

import re
from typing import Final

from tests.markdown import ROOT, Page, slug

ENGLISH: Final = Page(ROOT / "README.md")
PORTUGUESE: Final = Page(ROOT / "deploy" / "README.pt-BR.md")


def test_each_links_to_the_other_at_its_top() -> None:
    """Whoever opens the wrong one is a step away from the right one."""
    for here, there in ((ENGLISH, PORTUGUESE), (PORTUGUESE, ENGLISH)):
        assert here.target(here.links[0]) == (there.path, "")
        assert here.links[0] in here.text.splitlines()[0]


def test_headings_are_as_many_and_of_the_same_levels() -> None:
    """Whoever reads both finds the same places in each."""
    assert [level for level, _ in PORTUGUESE.headings] == [level for level, _ in ENGLISH.headings]


def test_blocks_are_the_same_but_for_comments() -> None:
    """A command is nobody's language."""
    assert [(block.language, block.lines) for block in PORTUGUESE.blocks] == [
        (block.language, block.lines) for block in ENGLISH.blocks
    ]


def test_links_are_the_same_in_the_same_order() -> None:
    """Each leads to the same file, and to the same place in it, but for places in itself."""
    one, other = ([here.target(link) for link in here.links] for here in (ENGLISH, PORTUGUESE))

    assert len(one) == len(other)
    for in_english, in_portuguese in list(zip(one, other, strict=True))[1:]:
        if in_english[0] == ENGLISH.path:
            assert in_portuguese[0] == PORTUGUESE.path
            assert place(PORTUGUESE, in_portuguese[1]) == place(ENGLISH, in_english[1])
        else:
            assert in_portuguese == in_english


def place(page: Page, anchor: str) -> int:
    """Tell which heading an anchor means."""
    return [slug(text) for _, text in page.headings].index(anchor)


def test_tables_have_the_same_rows() -> None:
    """Settings, defaults, routes and links; what is said of them is each language's own."""
    assert [marked(row) for row in PORTUGUESE.rows] == [marked(row) for row in ENGLISH.rows]


def marked(row: list[str]) -> list[list[str]]:
    """Give what no translation changes of a row: the code in all cells but the last."""
    return [re.findall("`([^`]+)`", cell) for cell in row[:-1]]


def test_what_is_marked_as_code_is_the_same() -> None:
    """No setting, route or value is named in one of them alone."""
    assert plain(PORTUGUESE) == plain(ENGLISH)


def plain(page: Page) -> set[str]:
    """Give the code of a page, but for what only stands for something."""
    return {code for code in page.codes if not re.match(r"host:|:port|unix:", code)}
