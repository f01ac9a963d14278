"""
The cache under other settings: what is kept stays, and so do its watches and whoever waits, but
for what a rule or a bound has no place for any more.
"""

from collections.abc import Callable, Sequence

from consul_edge.cache.fetching import Fetcher
from consul_edge.cache.line import Line
from consul_edge.cache.lines import Lines
from consul_edge.cache.rulebook import Rulebook
from consul_edge.cache.saving import Saving
from consul_edge.cache.warming import Warming
from consul_edge.cache.watches import Watches
from consul_edge.config import Settings


def adopt(
    settings: Settings,
    flush: Callable[[Sequence[Line]], object],
    lines: Lines,
    rules: Rulebook,
    fetcher: Fetcher,
    watches: Watches,
    saving: Saving,
    warming: Warming,
) -> None:
    """
    Give each part of the cache what it goes by from now on.

    Args:
        flush: Forgets what is kept for some lines; whoever waits goes on waiting.
    """
    cache, watch = settings.cache, settings.watch
    fetcher.bound(
        max_entry_bytes=cache.max_entry_bytes, max_bytes=cache.max_bytes, wait=watch.wait
    )
    watches.bound(idle=watch.idle, wait=watch.wait, refresh_interval=watch.refresh_interval)
    rules.adopt(settings)
    unfit = []
    for line in lines:
        before, line.rule = line.rule, rules.at(line.key.endpoint, line.key.target)
        entry = line.entry
        # Another treatment begins anew: a watch, say, ends with what it has kept.
        is_other = before.treatment is not line.rule.treatment
        if entry is not None and (is_other or fetcher.is_too_large(entry)):
            unfit.append(line)
    if unfit:
        flush(unfit)
    lines.store.max_entries = cache.max_entries
    lines.store.max_bytes = cache.max_bytes
    lines.store.make_room()
    saving.adopt(cache.snapshot)
    warming.adopt(cache.warm)
