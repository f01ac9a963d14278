"""The answers of the admin calls for people: a line for a flush, a page for an inventory."""

from collections.abc import Mapping
from typing import Any, Final

from consul_edge.cache.inventory import Inventory, Row
from consul_edge.core.durations import render_duration
from consul_edge.enrich.source_status import SourceStatus

_COLUMNS: Final = ("STATE", "AGE", "INDEX", "BYTES", "WAITERS", "IDENTITY", "TARGET")


def wants_text(accept: str) -> bool:
    """
    Tell whether plain text is asked for by name and before JSON (``Accept``).

    >>> [wants_text(text) for text in ("text/plain", "*/*", "", "application/json, text/plain")]
    [True, False, False, False]
    """
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return next((kind == "text/plain" for kind in kinds if kind in _KINDS), False)


_KINDS: Final = frozenset({"text/plain", "application/json"})


def flush_line(document: Mapping[str, Any]) -> str:
    """Write what was flushed as one line, whose columns are those of the line before."""
    what = document["key"] or (f"{document['prefix']}*" if document["prefix"] else "everything")
    return (
        f"{document['flushed_at']}  {','.join(document['namespaces']):<10}"
        f"  {document['flushed']:>8} flushed  {document['took_ms']:>9.3f} ms"
        f"  {what}  ({document['warning']})\n"
    )


def info_lines(instance: str, found: Mapping[str, list[str]]) -> str:
    """Write what is in each cache, one after the other."""
    parts = [
        "\n".join([_pair("cache", f"{name} of instance {instance}"), *lines])
        for name, lines in found.items()
    ]
    return "\n\n".join(parts) + "\n"


def stock_lines(stock: Inventory) -> list[str]:
    """Write what is kept, and under which keys."""
    lines = [_pair(*pair) for pair in _summary(stock)]
    lines += ["", *_table(stock.keys)]
    if stock.matched > len(stock.keys):
        lines.append(f"... and {stock.matched - len(stock.keys)} more; name a prefix")
    return lines


def source_lines(target: str, ttl: float, status: SourceStatus) -> list[str]:
    """Write where a document is from, and what is wrong with it."""
    where = f" {status.where}" if status.where else ""
    loaded = f", loaded {status.loaded_at:%Y-%m-%dT%H:%M:%SZ}" if status.loaded_at else ""
    live = "live" if status.is_live else "not live"
    pairs = [
        ("source", f"{status.source}{where}: {status.count} in force{loaded}"),
        ("key", f"{target}, {live}, age {_age(status.age_seconds)}, ttl {_age(ttl)}"),
        ("error", status.error or "none"),
        *(("problem", problem) for problem in status.problems),
    ]
    return [_pair(*pair) for pair in pairs]


def document_lines(told: Mapping[str, Any]) -> list[str]:
    """Write what is kept of a document."""
    return [_pair(name, "-" if value is None else str(value)) for name, value in told.items()]


def _pair(label: str, text: str) -> str:
    return f"{label:<10}  {text}"


def _summary(stock: Inventory) -> list[tuple[str, str]]:
    last = stock.last_flush
    ratio = "" if stock.hit_ratio is None else f", {stock.hit_ratio:.1%} hits"
    evicted = ", ".join(f"{count} by {bound}" for bound, count in stock.evictions.items())
    ages = (stock.newest_age_seconds, stock.oldest_age_seconds)
    policy = stock.settings
    ttl, stale = _age(policy.ttl_seconds), _age(policy.stale_if_error_seconds)
    return [
        ("entries", f"{stock.entries} of at most {stock.max_entries}"),
        ("bytes", f"{stock.bytes} of at most {stock.max_bytes}"),
        ("keys", f"{stock.lines}, {stock.watched} watched, {stock.wanted} without room for it"),
        ("clients", f"{stock.waiters} parked"),
        ("requests", f"{stock.hits} hit, {stock.misses} miss, {stock.bypassed} bypass{ratio}"),
        ("evictions", evicted or "none"),
        ("ages", " to ".join(map(_age, ages)) if stock.entries else "none"),
        (
            "last flush",
            f"{last.at:%Y-%m-%dT%H:%M:%SZ} by {last.trigger}: {last.flushed}" if last else "never",
        ),
        ("settings", f"mode {policy.mode}, ttl {ttl}, stale_if_error {stale}"),
    ]


def _table(rows: list[Row]) -> list[str]:
    """Align the columns; the last is as long as it likes."""
    cells = [_COLUMNS, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    widths[-1] = 0
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def _cells(row: Row) -> tuple[str, ...]:
    place = {"ns": row.namespace, "ap": row.partition}
    where = [f"{name}={value}" for name, value in place.items() if value]
    return (
        _state(row),
        _age(row.age_seconds),
        _number(row.index),
        _number(row.size_bytes),
        str(row.waiters),
        row.identity,
        " ".join([row.target, *where]),
    )


def _state(row: Row) -> str:
    if row.status is None:
        return "watched" if row.watched else "awaited"
    if row.superseded:
        return "superseded"
    if row.live:
        return "live"
    return "watched" if row.watched else "kept"


def _age(seconds: float | None) -> str:
    return "-" if seconds is None else render_duration(round(seconds, 3))


def _number(number: int | None) -> str:
    return "-" if number is None else str(number)
