"""
Structured logs on stderr: logfmt for people, JSON for machines; UTC with milliseconds.

Rule: no token is ever written.  Whoever logs passes names and counts, never a raw target; the
processor here is the net below that rule, also for what libraries log.
"""

import contextlib
import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor

from consul_edge import metrics

# Consul decodes the names of parameters: "%74oken" and "t%6Fken" are "token", too.
_TOKEN: Final = "".join(f"(?:{letter}|%{ord(letter):x})" for letter in "token")

_NAMED: Final = re.compile(
    rf"((?:{_TOKEN}|authorization)\s*[=:]\s*(?:(?:bearer|basic)\s+)?)[^\s&;\"]+", re.IGNORECASE
)
"""``token=``, ``X-Consul-Token:`` and ``Authorization:``, each with what follows."""

_QUOTED: Final = re.compile(
    r"""(b?(['"])(?:x-consul-)?(?:token|authorization)\2\s*[,:]\s*b?(['"])).*?(\3)""",
    re.IGNORECASE | re.DOTALL,
)
"""The same as a pair of quoted texts, the way Python and JSON show a mapping."""

_SECRET_NAMES: Final = ("token", "auth", "authorization", "password", "secretid")
"""What the names of fields end in whose value is a secret whatever it looks like."""


def redact(text: str) -> str:
    """
    Blank out what looks like a token.

    >>> redact("GET /v1/kv/a?token=root&raw")
    'GET /v1/kv/a?token=***&raw'
    >>> redact("{'X-Consul-Token': 'root'}")
    "{'X-Consul-Token': '***'}"
    """
    return _NAMED.sub(r"\1***", _QUOTED.sub(r"\1***\4", text))


def configure(*, level: str, log_format: str) -> None:
    """
    Send every log of this process, libraries' too, to stderr.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.

        log_format: ``logfmt`` or ``json``.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%S.%fZ", utc=True, key="ts"),
        _milliseconds,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.processors.LogfmtRenderer(
            key_order=["ts", "level", "event"], drop_missing=True, bool_as_flag=False
        )
    )
    handler = _Handler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _redacted,
                renderer,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


class _Handler(logging.StreamHandler[TextIO]):
    """
    Counts lines, and reports one that cannot be written by its place: its arguments may hold a
    token.
    """

    def emit(self, record: logging.LogRecord) -> None:
        metrics.log_message(record.levelno)
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        kind = type(sys.exception()).__name__
        place = f"{record.name} ({record.filename}:{record.lineno})"
        with contextlib.suppress(Exception):
            self.stream.write(f"a log line of {place} cannot be written: {kind}\n")


def _milliseconds(_logger: Any, _name: str, event: EventDict) -> EventDict:
    event["ts"] = event["ts"][:-4] + "Z"
    return event


def _redacted(_logger: Any, _name: str, event: EventDict) -> EventDict:
    return {key: _clean(key, value) for key, value in event.items()}


def _clean(name: object, value: object) -> object:
    """Blank out secrets in *value*, which may hold others, or be anything that has a text."""
    match value:
        case None | bool() | int() | float():
            return value
        case _ if _text(name).lower().endswith(_SECRET_NAMES):
            return "***"
        case Mapping():
            return {_text(key): _clean(key, inner) for key, inner in value.items()}
        case (str() | bytes() as key, str() | bytes() as inner):
            return [_text(key), _clean(key, inner)]
        case list() | tuple() | set() | frozenset():
            return [_clean("", inner) for inner in value]
        case _:
            return redact(_text(value))


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
