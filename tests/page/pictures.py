"""
Pictures of the page, to look at and for the README: ``python -m tests.page.pictures FOLDER``.

Each is taken of an edge over the demo's own data in a real Chromium, so that they can be made
again when the page has changed: ``python -m tests.page.pictures deploy page page-dark`` makes
those of the README.  A scene is where to go, in what window, and what to do there.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, Page

from tests.page.browser import chromium, opened
from tests.page.houses import Home, home

FEW: Final = 155
MANY: Final = 100_000

PHONE: Final = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
DARK: Final = {"color_scheme": "dark"}
PLAIN: Final = {"java_script_enabled": False}

Act = Callable[[Page, Home], Awaitable[object]]


async def _nothing(_page: Page, _home: Home) -> None:
    """Show what is there."""


async def _open_row(page: Page, _home: Home) -> None:
    await page.click(".grid-row:nth-child(3) .c-node")
    await page.locator(".check").first.wait_for()
    await page.locator(".why").wait_for()


async def _work(page: Page, home: Home) -> None:
    """Have an edge that has been at work, and look why a service fails."""
    for _ in range(200):
        async with home.house.client.get(f"{home.base}/v1/catalog/services") as answer:
            await answer.read()
    await page.reload()
    await page.click(".grid-row:has-text('postgres_exporter'):has-text('consul-02') .c-node")
    await page.locator(".check").first.wait_for()
    await page.locator(".why").wait_for()


async def _open_menu(page: Page, _home: Home) -> None:
    await page.click("[data-facet=category] summary")


async def _open_view(page: Page, _home: Home) -> None:
    await page.click("#view summary")


async def _about(page: Page, _home: Home) -> None:
    await page.click("#about summary")


async def _help(page: Page, _home: Home) -> None:
    await page.locator("#rows").focus()
    await page.keyboard.press("?")


async def _pause(page: Page, _home: Home) -> None:
    await page.click("#pause")


async def _outage(page: Page, home: Home) -> None:
    await home.standin.refuse()
    home.standin.disconnect()
    try:
        await page.reload()
        await page.locator("#stale").wait_for()
        await page.locator(".grid-row").first.wait_for()
    finally:
        await home.standin.listen()


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture."""

    target: str = "/"
    act: Act = _nothing
    services: int = FEW
    window: dict[str, Any] = field(default_factory=dict)


SCENES: Final = {
    "page": Scene("/?status=critical,warning", _work),
    "page-dark": Scene("/?status=critical,warning", _work, window=DARK),
    "light": Scene(),
    "dark": Scene(window=DARK),
    "filtered": Scene("/?q=palmas+-icmp&status=critical,warning", services=MANY),
    "drawer": Scene("/?status=critical", _open_row),
    "drawer-dark": Scene("/?status=critical", _open_row, window=DARK),
    "menu": Scene("/", _open_menu),
    "columns": Scene("/", _open_view),
    "about": Scene("/", _about),
    "help": Scene("/", _help),
    "paused": Scene("/", _pause),
    "phone-paused": Scene("/", _pause, window=PHONE),
    "nodes": Scene("/nodes"),
    "dense": Scene("/?dense=1", services=MANY),
    "empty": Scene("/?q=nothing-is-called-so"),
    "wrong": Scene("/?q=status%3Acritcal+%2F(%2F&colour=red"),
    "plain": Scene("/", window=PLAIN),
    "portuguese": Scene("/?lang=pt-BR"),
    "narrow": Scene("/", window={"viewport": {"width": 820, "height": 1180}}),
    "wide": Scene("/", window={"viewport": {"width": 1920, "height": 1080}}),
    "phone": Scene("/", window=PHONE),
    "phone-dark": Scene("/", window={**PHONE, **DARK}),
    "phone-drawer": Scene("/?status=critical", _open_row, window=PHONE),
    "phone-menu": Scene("/", _open_menu, window=PHONE),
    "phone-nodes": Scene("/nodes", window=PHONE),
    "forced": Scene("/?status=critical", window={"forced_colors": "active"}),
    "stale": Scene("/", _outage),
    "stale-phone": Scene("/", _outage, window=PHONE),
}


async def _take(browser: Browser, house: Home, scene: Scene, target: Path) -> None:
    async with opened(browser, **scene.window) as watched:
        page = watched.page
        await page.goto(house.base + scene.target)
        if scene.window.get("java_script_enabled", True):
            await page.locator("#rows[role=grid]").wait_for(state="attached")
        await scene.act(page, house)
        await page.evaluate("document.fonts.ready")
        await page.screenshot(path=target, animations="disabled")
        for complaint in watched.complaints:
            sys.stderr.write(f"  {target.stem}: {complaint}\n")


async def _take_all(folder: Path, names: list[str]) -> None:
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(chromium())
        homes: dict[int, Home] = {}
        for name in names:
            scene = SCENES[name]
            if scene.services not in homes:
                homes[scene.services] = await stack.enter_async_context(home(scene.services))
            sys.stderr.write(f"{name}\n")
            await _take(browser, homes[scene.services], scene, folder / f"{name}.png")


def main() -> int:
    """Take what is asked for; all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.page.pictures", description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write NAME.png")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCENES))
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(SCENES)
    if unknown:
        parser.error(f"no such picture: {', '.join(sorted(unknown))}")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_take_all(arguments.folder, arguments.names or list(SCENES)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
