"""axe-core on a page: what somebody who cannot see or point as most do would stumble over."""

from importlib.resources import files
from typing import Any, Final

from playwright.async_api import Page

_SOURCE: Final = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")

_RUN: Final = """async (options) => {
  const { violations, passes } = await axe.run(document, {
    resultTypes: ["violations"], // what passes is named, and not described
    ...options,
  });
  return {
    found: violations.map(({ id, nodes }) => [id, nodes.slice(0, 3).map(({ html }) => html)]),
    passed: passes.map(({ id }) => id),
  };
}"""

THEMES: Final = {"light": {}, "dark": {"runOnly": ["color-contrast"]}}
"""What is looked at in each: but for its colours the page is the same in both."""


async def stumbles(page: Page) -> list[Any]:
    """
    List what axe-core finds in both themes, each with its rule and some elements.

    Its script comes by way of the driver, which the page's policy does not concern.
    """
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_SOURCE)
    found = []
    for theme, options in THEMES.items():
        await page.evaluate("(theme) => { document.documentElement.dataset.theme = theme }", theme)
        told = await page.evaluate(_RUN, options)
        assert "color-contrast" in told["passed"], "axe-core did not look"
        found += [[theme, *one] for one in told["found"]]
    return found
