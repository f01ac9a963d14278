"""
Structured logs on stderr: logfmt for people, JSON for machines; UTC with milliseconds.

Rule: no token is ever written.  Whoever logs passes names and counts, never a raw target; the
processor here is the net below that rule, also for what libraries log.
"""

import logging
import re
import sys
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor

_SECRETS: Final = re.compile(
    r"(?i)((?:token|%74oken|x-consul-token|authorization)\s*[=:]\s*(?:bearer\s+|basic\s+)?)[^\s&;,'\"]+"
)


def redact(text: str) -> str:
    """
    Blank out what looks like a token.

    >>> redact("GET /v1/kv/a?token=root&raw")
    'GET /v1/kv/a?token=***&raw'
    >>> redact("{'X-Consul-Token': 'root'}")
    "{'X-Consul-Token': '***'}"
    """
    return _SECRETS.sub(r"\1***", text) if _SECRETS.search(text) else _QUOTED.sub(r"\1***\2", text)


_QUOTED: Final = re.compile(
    r"(?i)(['\"](?:x-consul-token|authorization)['\"]\s*[,:]\s*['\"])[^'\"]*(['\"])"
)


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
    handler = logging.StreamHandler(sys.stderr)
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


def _milliseconds(_logger: Any, _name: str, event: EventDict) -> EventDict:
    event["ts"] = event["ts"][:-4] + "Z"
    return event


def _redacted(_logger: Any, _name: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact(value)
    return event
