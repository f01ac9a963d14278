"""What the page says, in each of its languages."""

import re
from pathlib import Path

import pytest

import consul_edge.web
from consul_edge.web.words import DEFAULT, WORDS

WEB = Path(consul_edge.web.__file__).parent

OTHERS = sorted(set(WORDS) - {DEFAULT})


def places(text: str) -> list[str]:
    """List the placeholders of a text."""
    return sorted(re.findall(r"\{[a-z]+\}", text))


@pytest.mark.parametrize("language", OTHERS)
def test_languages_have_the_same_words(language: str) -> None:
    """Nobody finds a hole, or a text that was forgotten."""
    assert list(WORDS[language]) == list(WORDS[DEFAULT])
    assert all(WORDS[language].values())


@pytest.mark.parametrize("language", OTHERS)
def test_languages_have_the_same_placeholders(language: str) -> None:
    """A value that one language tells, the others tell, too."""
    for key, text in WORDS[DEFAULT].items():
        assert places(WORDS[language][key]) == places(text), key


def sources() -> str:
    """Read everything that may say a word."""
    folders = (WEB.glob("*.py"), (WEB / "static").glob("*.js"), (WEB / "templates").glob("*"))
    return "".join(path.read_text() for folder in folders for path in folder)


def test_words_that_are_said_exist() -> None:
    """No key is misspelt, in the page or in its modules."""
    said = set(re.findall(r"\bt\(\"([a-z_]+)\"[,)]", sources()))
    assert len(said) > 40
    assert said - set(WORDS[DEFAULT]) == set()
