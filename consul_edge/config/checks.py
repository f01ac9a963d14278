"""
What must hold between settings, and between them and the machine.

A check is left out where a setting it looks at could not be read: its default would be judged.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from operator import attrgetter
from pathlib import Path

from consul_edge.config.schema import SETTINGS
from consul_edge.config.settings import Settings
from consul_edge.core.address import Address, is_same_place
from consul_edge.core.endpoints import Treatment, decode_path, find
from consul_edge.core.errors import Problem
from consul_edge.core.request import redacted
from consul_edge.core.rules import treatment_of
from consul_edge.core.sizes import render_size

_PAIRS = (
    ("tls.cert", "tls.key"),
    ("consul.tls.cert", "consul.tls.key"),
)


def check(settings: Settings, sources: Mapping[str, str], bad: set[str]) -> Iterator[Problem]:
    """
    Find what is wrong with values that are each readable.

    Args:
        settings: With the default, or of many only the readable items, where a path is *bad*.

        sources: Where each path's value came from.

        bad: Paths that have a problem already.
    """
    yield from _files(settings, sources)
    yield from _pairs(settings, sources, bad)
    yield from _budget(settings, sources, bad)
    yield from _entry_size(settings, sources, bad)
    yield from _warm(settings, sources, bad)
    yield from _itself(settings, sources)


def _files(settings: Settings, sources: Mapping[str, str]) -> Iterator[Problem]:
    for path, setting in SETTINGS.items():
        file = attrgetter(path)(settings)
        if setting.kind.file and file is not None:
            if setting.kind.file == "new file":
                wrong, what = _unwritable(file), "file in a folder that can be written"
            else:
                wrong = _unreadable(file, folder=setting.kind.file == "folder")
                what = f"readable {setting.kind.file}"
            if wrong:
                yield Problem(sources[path], path, str(file), f"expected a {what}: {wrong}")


def _unreadable(file: Path, *, folder: bool) -> str:
    """Say why *file* cannot be read; asking does not read it, as it may be a pipe."""
    try:
        mode = file.stat().st_mode
    except OSError as error:
        return error.strerror or type(error).__name__
    if stat.S_ISDIR(mode) != folder:
        return "Not a directory" if folder else "Is a directory"
    return "" if os.access(file, os.R_OK) else "Permission denied"


def _unwritable(file: Path) -> str:
    """Say why a new *file* cannot be put there, or why the one that is there cannot be read."""
    folder = file.parent
    wrong = _unreadable(folder, folder=True)
    if not wrong and not os.access(folder, os.W_OK | os.X_OK):
        wrong = "Permission denied"
    if wrong:
        return f"{folder}: {wrong}"
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        return ""
    except OSError as error:
        return error.strerror or type(error).__name__
    if not stat.S_ISREG(mode):
        return "Not a regular file"
    return "" if os.access(file, os.R_OK) else "Permission denied"


def _pairs(settings: Settings, sources: Mapping[str, str], bad: set[str]) -> Iterator[Problem]:
    for pair in _PAIRS:
        for here, other in (pair, pair[::-1]):
            value = attrgetter(here)(settings)
            if value is not None and attrgetter(other)(settings) is None and other not in bad:
                yield Problem(sources[here], here, str(value), f"expected {other} beside it")
    authority = settings.tls.client_ca
    if authority is not None and settings.tls.cert is None and "tls.cert" not in bad:
        expected = "expected tls.cert beside it: without TLS no client can show a certificate"
        yield Problem(sources["tls.client_ca"], "tls.client_ca", str(authority), expected)


def _budget(settings: Settings, sources: Mapping[str, str], bad: set[str]) -> Iterator[Problem]:
    path, other = "watch.max_per_server", "consul.connections_per_server"
    watches, connections = settings.watch.max_per_server, settings.consul.connections_per_server
    if watches < connections or {path, other} & bad:
        return
    # The one that was set is the one to mend.
    if sources[path] == "default":
        expected = f"expected more than the {watches} of {path}"
        yield Problem(sources[other], other, connections, expected)
    else:
        expected = f"expected less than the {connections} of {other}: the rest is for reads"
        yield Problem(sources[path], path, watches, expected)


def _entry_size(
    settings: Settings, sources: Mapping[str, str], bad: set[str]
) -> Iterator[Problem]:
    path, other = "cache.max_entry_bytes", "cache.max_bytes"
    one, together = settings.cache.max_entry_bytes, settings.cache.max_bytes
    if one <= together or {path, other} & bad:
        return
    # The one that was set is the one to mend.
    if sources[path] == "default":
        expected = f"expected at least the {render_size(one)} of {path}"
        yield Problem(sources[other], other, render_size(together), expected)
    else:
        expected = f"expected at most the {render_size(together)} of {other}"
        yield Problem(sources[path], path, render_size(one), expected)


def _warm(settings: Settings, sources: Mapping[str, str], bad: set[str]) -> Iterator[Problem]:
    if "cache.endpoints" in bad:
        return
    for target in settings.cache.warm:
        path = target.partition("?")[0]
        row = find(path)
        treatment, _ = treatment_of(settings.cache.endpoints, row, decode_path(path))
        # Of KV the blocking queries are kept, whatever its plain reads are.
        if treatment not in {Treatment.WATCH, Treatment.TTL} and row.name != "kv":
            expected = f"expected a target whose answer is kept; {row.name} is {treatment.value}"
            yield Problem(sources["cache.warm"], "cache.warm", redacted(target), expected)


def _itself(settings: Settings, sources: Mapping[str, str]) -> Iterator[Problem]:
    consul = settings.consul
    servers: list[tuple[str, Address | None]] = [
        *(("consul.servers", server) for server in consul.servers),
        ("consul.main_server", consul.main_server),
        ("consul.local_agent", consul.local_agent),
    ]
    for path, server in servers:
        for listen in settings.listen:
            if server is not None and is_same_place(listen, server):
                expected = f"expected a Consul server; this is the edge's own listen {listen.name}"
                yield Problem(sources[path], path, server.name, expected)
