"""One browser and its edges for all tests of the page, a page of its own for each."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.page.browser import Watched, check_all, chromium, go_blank, opened, watched
from tests.page.houses import Home, Homes

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all tests of this folder in one loop, which is the browser's."""
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(autouse=True)
def complaints_fail_their_test() -> Iterator[None]:
    """Fail whatever test made any page complain."""
    yield
    check_all()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Give the browser."""
    async with chromium() as found:
        yield found


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def homes() -> AsyncIterator[Homes]:
    """Give edges over stand-ins by their number of services; they are kept."""
    found = Homes()
    yield found
    await found.close()


@pytest_asyncio.fixture(loop_scope="session")
async def home155(homes: Homes) -> Home:
    """Give an edge over 155 services."""
    return await homes.of(155)


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """Give a page of 1280 x 800, which fails the test if it complains."""
    async with watched(browser) as found:
        yield found


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def slate(browser: Browser) -> AsyncIterator[Watched]:
    """Give the page of all tests of single modules: a new one takes longer than such a test."""
    async with opened(browser) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def blank(slate: Watched, home155: Home) -> AsyncIterator[Page]:
    """Give a new document with nothing in it, to import modules on; complaints fail the test."""
    await go_blank(slate.page, home155.base)
    yield slate.page
    slate.check()
