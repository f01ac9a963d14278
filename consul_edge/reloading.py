"""
Other settings while the edge serves: read, checked, prepared, and then put in force at once.

Rule 1: until everything that can fail has succeeded nothing is changed: a file with a mistake, a
port that is taken, a certificate that does not load leave all as it was.
Rule 2: what puts settings in force does not wait and does not fail; between the first part and
the last nobody is served.
Rule 3: who reloads twice gets two; one follows the other.
Rule 4: a reload that has begun is finished, also when whoever asked for it leaves: half of it
would be neither the former settings nor the new ones.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

import structlog
from aiohttp import web

from consul_edge import metrics
from consul_edge.config import Settings
from consul_edge.config.changes import NEEDS_RESTART, Change, changes
from consul_edge.core.errors import ConfigError, EdgeError
from consul_edge.upstream.tls import stamp
from consul_edge.web.generation import Generation
from consul_edge.web.reload import NotReloaded, Reloaded

log = structlog.get_logger()

LOOK_INTERVAL: Final = 1.0
"""Seconds between two looks at the files of certificates."""

SETTLED: Final = 0.2
"""Seconds that such files must stay as they are: a certificate and its key are two."""

Adopt = Callable[[], Awaitable[None] | None]
"""Puts what was prepared in force; what it returns is still to be waited for."""

Prepare = Callable[[Settings], Awaitable[Adopt]]
"""Does whatever can fail. Raises EdgeError."""


class Signs(Protocol):
    """Who is told that settings are exchanged."""

    def reloading(self) -> None:
        """It begins."""

    def ready(self) -> None:
        """It is over, whatever came of it."""


class Reloader:
    """Exchanges the settings."""

    def __init__(
        self,
        generation: Generation,
        again: Callable[[], Settings],
        *,
        adopt: Sequence[Callable[[Settings], object]],
        prepare: Sequence[Prepare],
        certificates: Sequence[Prepare],
    ) -> None:
        """
        Exchange nothing yet.

        Args:
            again: Reads the configuration anew, in a thread. Raises ConfigError, EdgeError.

            adopt: Told the new settings, one after the other; they must not fail.

            prepare: Asked before; the last one may hold what it has got without being told that
                another one failed, so whoever binds sockets comes last.

            certificates: Those of the above that read certificates, or parts of them.
        """
        self._generation = generation
        self._again = again
        self._adopt = tuple(adopt)
        self._prepare = tuple(prepare)
        self._certificates = tuple(certificates)
        self._lock = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[Reloaded]] = set()
        self._stamps: Mapping[Path, object] = {}
        self.signs: Signs | None = None
        metrics.CONFIG_RELOAD_SUCCESSFUL.set(1)
        metrics.CONFIG_RELOAD_TIME.set(time.time())

    async def reload(self) -> Reloaded:
        """
        Read the configuration again and go by it.

        Raises:
            NotReloaded: When something is wrong with it; everything is as it was.
        """
        task = asyncio.create_task(self._reload(), name="reload")
        self._under_way.add(task)
        task.add_done_callback(self._over)
        return await asyncio.shield(task)

    async def _reload(self) -> Reloaded:
        async with self._lock:
            if self.signs is not None:
                self.signs.reloading()
            try:
                done = await self._exchange()
            except BaseException:
                metrics.CONFIG_RELOAD_SUCCESSFUL.set(0)
                raise
            finally:
                if self.signs is not None:
                    self.signs.ready()
            metrics.CONFIG_RELOAD_SUCCESSFUL.set(1)
            metrics.CONFIG_RELOAD_TIME.set(time.time())
            return done

    def also(
        self,
        *,
        adopt: Callable[[Settings], object],
        prepare: Prepare | None = None,
        certificate: Prepare | None = None,
    ) -> None:
        """Have further parts, which come last."""
        self._adopt += (adopt,)
        self._prepare += (prepare,) if prepare is not None else ()
        self._certificates += (certificate,) if certificate is not None else ()

    @asynccontextmanager
    async def at(self, hup: asyncio.Event) -> AsyncIterator[None]:
        """Reload whenever *hup* is set, while the context lasts."""
        task = asyncio.create_task(self._reload_at(hup), name="reload")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def start(self) -> None:
        """Follow the files of certificates."""
        self._following = asyncio.create_task(self._follow(), name="certificates")

    async def close(self) -> None:
        """Follow them no longer, and finish what has begun."""
        await asyncio.gather(*self._under_way, return_exceptions=True)
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    def _over(self, task: asyncio.Task[Reloaded]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            # Whoever asked has it, or has left.
            task.exception()

    async def _reload_at(self, hup: asyncio.Event) -> None:
        while True:
            await hup.wait()
            # Who asks meanwhile may have changed what is just being read.
            hup.clear()
            try:
                with suppress(NotReloaded):  # the log has it
                    await self.reload()
            except Exception:
                # The top of a background loop: a defect must not end the reloading.
                log.exception("configuration cannot be read again")

    async def _exchange(self) -> Reloaded:
        before = self._generation.settings
        try:
            settings = await asyncio.to_thread(self._again)
            prepared = [await prepare(settings) for prepare in self._prepare]
        except ConfigError as error:
            raise self._refused([str(problem) for problem in error.problems]) from error
        except EdgeError as error:
            raise self._refused([str(error)]) from error
        done = [adopt() for adopt in prepared]
        for adopt in self._adopt:
            adopt(settings)
        self._generation.advance(settings)
        for one in done:
            if one is not None:
                await one
        changed = changes(before, settings)
        self._tell(changed)
        return Reloaded(tuple(changed))

    def _refused(self, problems: Sequence[str]) -> NotReloaded:
        for problem in problems:
            log.error("configuration refused, the former one holds", problem=problem)
        return NotReloaded(problems)

    def _tell(self, changed: Sequence[Change]) -> None:
        log.info("configuration read again", changed=len(changed))
        for change in changed:
            facts = {"setting": change.path, "before": change.before, "now": change.after}
            if change.path in NEEDS_RESTART:
                log.warning("setting changed, but holds only after a restart", **facts)
            else:
                log.info("setting changed", **facts)

    async def _follow(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                # The top of a background loop: a defect must not end the following.
                log.exception("certificates cannot be looked at")
            await asyncio.sleep(LOOK_INTERVAL)

    async def look(self) -> None:
        """Have certificates read again whose files are others than before, once they rest."""
        stamps = await asyncio.to_thread(_stamps, self._generation.settings)
        if stamps == self._stamps:
            return
        if self._stamps:
            await asyncio.sleep(SETTLED)
            if stamps != await asyncio.to_thread(_stamps, self._generation.settings):
                return
            async with self._lock:
                await self._renew()
        self._stamps = stamps

    async def _renew(self) -> None:
        settings = self._generation.settings
        try:
            prepared = [await prepare(settings) for prepare in self._certificates]
        except EdgeError as error:
            log.warning("certificate refused, the former one holds", problem=str(error))
            return
        for adopt in prepared:
            done = adopt()
            if done is not None:
                await done
        log.info("certificates read again")


def _stamps(settings: Settings) -> dict[Path, object]:
    tls, consul = settings.tls, settings.consul.tls
    server = (tls.cert, tls.key, tls.client_ca)
    files = (*server, consul.ca_file, consul.ca_path, consul.cert, consul.key)
    found: dict[Path, object] = {}
    for file in filter(None, files):
        found[file] = None
        with suppress(OSError):
            found[file] = stamp(file)
    return found


RELOADER: Final = web.AppKey("reloader", Reloader)
