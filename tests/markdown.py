"""
What is in a Markdown page, as far as tests ask: headings, links, blocks of code and tables.
"""

import re
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parent.parent

_FENCED: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING: Final = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_PICTURE: Final = re.compile(r"(?:src|srcset)=\"([^\"]+)\"")
_ROW: Final = re.compile(r"^\|(.*)\|$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block of code."""

    language: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Its lines without comments, which are prose, and without those that are empty."""
        lines = (re.sub(r"(?:^|\s+)# .*", "", line) for line in self.text.splitlines())
        return [line for line in lines if line]


class Page:
    """A page."""

    def __init__(self, path: Path) -> None:
        """Read it."""
        self.path = path
        self.text = path.read_text()
        self.blocks = [Block(*found) for found in _FENCED.findall(self.text)]
        self.prose = _FENCED.sub("", self.text)

    @property
    def headings(self) -> list[tuple[int, str]]:
        """Each with its level."""
        return [(len(marks), text) for marks, text in _HEADING.findall(self.prose)]

    @property
    def anchors(self) -> set[str]:
        """Where links may lead to."""
        return {slug(text) for _, text in self.headings}

    @property
    def links(self) -> list[str]:
        """Where it points to, pictures included."""
        return _LINK.findall(self.prose) + self.pictures

    @property
    def pictures(self) -> list[str]:
        """In every theme."""
        return _PICTURE.findall(self.prose)

    @property
    def rows(self) -> list[list[str]]:
        """Those of all tables, in cells."""
        return [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", row)]
            for row in _ROW.findall(self.prose)
        ]

    @property
    def codes(self) -> list[str]:
        """What stands between backticks."""
        return re.findall(r"`([^`\n]+)`", self.prose)

    def target(self, link: str) -> tuple[Path, str]:
        """Tell which file a relative link means, and which place in it."""
        file, _, anchor = link.partition("#")
        return (self.path.parent / file).resolve() if file else self.path, anchor


def slug(heading: str) -> str:
    """
    Name a heading as links do.

    >>> slug("1. Is it the edge?"), slug("What is `not` there")
    ('1-is-it-the-edge', 'what-is-not-there')
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def pages() -> list[Path]:
    """List every page of the repository."""
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*.md"))
    hidden = {"build", "dist", "node_modules"}
    return sorted(
        path
        for path in found
        if not any(part.startswith(".") or part in hidden for part in path.parts)
    )
