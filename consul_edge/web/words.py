"""
What the page says, in each language that it speaks.

Rule 1: all texts of a language are in one file, ``words/LANGUAGE.json``; the page's own modules
get them from the page, so no text is written twice.
Rule 2: whoever asks for a language gets it; else the browser's wishes decide, in their order.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent / "words"

DEFAULT: Final = "en"

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted(HERE.glob("*.json"))
}
"""By language, then by key."""

_THOUSANDS: Final = {"en": ",", "pt-BR": "."}


class Speech:
    """One language."""

    def __init__(self, language: str) -> None:
        """Speak *language*, one of ``WORDS``."""
        self.language = language
        self.words = WORDS[language]

    def __call__(self, key: str, **values: object) -> str:
        """
        Say something.

        >>> Speech("en")("rows_shown", shown=3, total="1,200")
        '3 of 1,200 rows'
        """
        text = self.words[key]
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    def known(self, prefix: str, word: str) -> str:
        """Say a word of the wire, such as a status; one that nobody knows stays as it is."""
        return self.words.get(f"{prefix}_{word}", word)

    def number(self, number: int) -> str:
        """
        Write a whole number.

        >>> Speech("en").number(12408), Speech("pt-BR").number(12408)
        ('12,408', '12.408')
        """
        return f"{number:,}".replace(",", _THOUSANDS[self.language])

    def age(self, seconds: float) -> str:
        """
        Write how long something is.

        >>> [Speech("en").age(seconds) for seconds in (0.4, 61, 7200, 200_000)]
        ['0 s', '1 min', '2 h', '2 d']
        """
        for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
            if seconds >= size:
                return f"{int(seconds // size)} {unit}"
        return f"{int(seconds)} s"


def negotiated(accepted: str) -> str:
    """
    Choose a language for an ``Accept-Language``.

    >>> [negotiated(text) for text in ("pt-BR,pt;q=0.9,en;q=0.8", "de, en;q=0.5", "pt", "", "fr")]
    ['pt-BR', 'en', 'pt-BR', 'en', 'en']
    >>> negotiated("en;q=0.3, pt-PT;q=0.7"), negotiated("pt;q=0, *"), negotiated("pt;q=x")
    ('pt-BR', 'en', 'en')
    """
    wishes = []
    for place, part in enumerate(accepted.split(",")[:50]):
        tag, _, parameter = part.strip().partition(";")
        weight = _weight(parameter)
        if weight > 0:
            wishes.append((-weight, place, tag.lower()))
    for _, _, tag in sorted(wishes):
        for language in WORDS:
            if tag.partition("-")[0] == language.lower().partition("-")[0]:
                return language
    return DEFAULT


def _weight(parameter: str) -> float:
    text = parameter.strip().replace(" ", "")
    if not text:
        return 1.0
    try:
        weight = float(text.removeprefix("q="))
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
