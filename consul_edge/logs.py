"""
Structured logs on stderr: logfmt for people, JSON for machines; UTC with milliseconds.

Rule 1: no token is ever written.  Whoever logs passes names and counts, never a raw target; the
processor here is the net below that rule, also for what libraries log.
Rule 2: each event is one line.  Into the journal each begins with its priority, which is not
shown there: so ``journalctl -p warning`` finds warnings.
"""

import contextlib
import logging
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor

from consul_edge import metrics
from consul_edge.progress import PROGRESS

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


_PRIORITIES: Final = (
    (logging.CRITICAL, "<2>"),
    (logging.ERROR, "<3>"),
    (logging.WARNING, "<4>"),
    (logging.INFO, "<6>"),
)
"""Levels from which on a line has a priority, as sd-daemon(3) writes them; below it is 7."""


def redact(text: str) -> str:
    """
    Blank out what looks like a token.

    >>> redact("GET /v1/kv/a?token=root&raw")
    'GET /v1/kv/a?token=***&raw'
    >>> redact("{'X-Consul-Token': 'root'}")
    "{'X-Consul-Token': '***'}"
    """
    return _NAMED.sub(r"\1***", _QUOTED.sub(r"\1***\4", text))


def is_journal(stream: TextIO, journal_stream: str) -> bool:
    """
    Tell whether a stream ends in systemd's journal.

    Args:
        journal_stream: ``JOURNAL_STREAM`` of the environment: device and inode of the stream that
            the manager connected, which may have been sent elsewhere since.
    """
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file at all
        return False
    return journal_stream == f"{status.st_dev}:{status.st_ino}"


def configure(*, level: str, log_format: str, journal_stream: str | None = None) -> None:
    """
    Send every log of this process, libraries' too, to stderr.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.

        log_format: ``logfmt`` or ``json``.

        journal_stream: As in :func:`is_journal`; None: as it was the last time.
    """
    if journal_stream is not None:
        _Handler.has_priorities = is_journal(sys.stderr, journal_stream)
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

    has_priorities = False

    def emit(self, record: logging.LogRecord) -> None:
        metrics.log_message(record.levelno)
        PROGRESS.hide()
        super().emit(record)
        PROGRESS.again()

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        if not self.has_priorities:
            return line
        return _priority(record.levelno) + line

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        kind = type(sys.exception()).__name__
        place = f"{record.name} ({record.filename}:{record.lineno})"
        with contextlib.suppress(Exception):
            self.stream.write(f"a log line of {place} cannot be written: {kind}\n")


def _priority(level: int) -> str:
    return next((mark for least, mark in _PRIORITIES if level >= least), "<7>")


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
