"""The one place where a test waits for real processes: a condition polled to a deadline."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from http.client import HTTPException
from typing import Final, TypeVar

T = TypeVar("T")

INTERVAL: Final = 0.02
"""Seconds between two looks."""

NOT_YET: Final = (OSError, HTTPException, EOFError, LookupError, ValueError)
"""What a process that is just starting makes a look raise; anything else is a broken test."""


class TooLateError(AssertionError):
    """Raised when the deadline passed before the condition came true."""


def wait_until(condition: Callable[[], T], what: str, within: float = 30.0) -> T:
    """
    Look until *condition* returns something true, and return that.

    Args:
        condition: Must itself end soon; errors of the network count as "not yet".

        what: What is waited for, as the failure shall name it.

        within: Seconds; far above what a slow machine needs, since it is paid only on failure.
    """
    deadline = time.monotonic() + within
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = found = condition()
            if found:
                return found
        except NOT_YET as error:
            last = error
        time.sleep(INTERVAL)
    raise TooLateError(f"after {within} s still not: {what}; last seen: {last!r}")


async def eventually(
    condition: Callable[[], T | Awaitable[T]], what: str, within: float = 30.0
) -> T:
    """Do the same as :func:`wait_until` without holding the event loop."""
    deadline = time.monotonic() + within
    last: object = None
    while time.monotonic() < deadline:
        try:
            found = condition()
            result: T = await found if inspect.isawaitable(found) else found
            last = result
            if result:
                return result
        except NOT_YET as error:
            last = error
        await asyncio.sleep(INTERVAL)
    raise TooLateError(f"after {within} s still not: {what}; last seen: {last!r}")
