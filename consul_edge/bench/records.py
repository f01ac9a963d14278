"""
What a run of the bench writes down, and reads again.

Rule 1: a file is whole or not there: written beside its place and moved there.
Rule 2: a file is believed only if it is of this form; what is wrong with it is told by its field.
"""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from consul_edge.bench.figures import Series
from consul_edge.core.errors import EdgeError

FORM: Final = "consul-edge bench nodes 1"

BASELINE: Final = "nodes_baseline.json"
COMPARE: Final = "nodes_compare.json"
REPORT: Final = "nodes_benchmark_report.json"


class Unusable(EdgeError):
    """Raised when a file cannot be what it should be; the text names file and field."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run against one edge."""

    form: Literal["consul-edge bench nodes 1"] = msgspec.field(name="schema")
    mode: Literal["baseline", "compare"]
    url: str
    timestamp: str
    """When it ended, UTC, ISO 8601."""
    version: str
    """Of the bench."""
    edge_version: str | None
    """Of the edge, as its metrics tell it; None if they do not."""
    nodes: int
    """How many the last answer had."""
    iterations: int
    warmup: int
    connections: int
    """How many were needed; 1 if nothing broke."""
    hits: Series
    misses: Series | None
    misses_left_out: str | None
    """Why there are none."""


def read_run(path: Path, mode: str) -> Run:
    """
    Read what a run in *mode* has written.

    Raises:
        Unusable: When it is not there, or not of this form.
    """
    try:
        run = msgspec.json.decode(path.read_bytes(), type=Run)
    except FileNotFoundError:
        raise Unusable(f"there is no {path}: make it by --mode {mode}") from None
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.ValidationError as error:
        raise Unusable(f"{path} is none of this bench's: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unusable(f"{path} is no JSON: {error}") from error
    if run.mode != mode:
        raise Unusable(f"{path} is none of --mode {mode}: its field `mode` is {run.mode!r}")
    return run


def fields_of(run: Run) -> dict[str, Any]:
    """Give the fields as they are written, for more to be put beside them."""
    fields: dict[str, Any] = msgspec.to_builtins(run)
    return fields


def render(document: dict[str, Any]) -> bytes:
    """Write it for programs and for people who look."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def write(path: Path, content: bytes) -> None:
    """
    Put *content* in its place.

    Raises:
        OSError: When the machine refuses; then what was there before is untouched.
    """
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    beside = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(0o644)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
