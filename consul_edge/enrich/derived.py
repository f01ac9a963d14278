"""
What is made of something that Consul said: the same object for as long as that is the same.
"""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from consul_edge.enrich.shapes import CheckShape

R = TypeVar("R")


class Derived(Generic[R]):
    """What is made of a value, made anew for another value only."""

    def __init__(self, make: Callable[[Iterable[Any]], R]) -> None:
        """Make nothing yet."""
        self._make = make
        self._of: object = self
        self._made: R

    def of(self, value: Iterable[Any] | None) -> R:
        """Give what is made of *value*, which never changes; None: of nothing."""
        if value is not self._of:
            self._made = self._make(value or ())
            self._of = value
        return self._made


def named(things: Iterable[Any]) -> dict[str, Any]:
    """Find things by their names."""
    return {thing.name: thing for thing in things}


def by_node(checks: Iterable[CheckShape]) -> dict[str, tuple[CheckShape, ...]]:
    """Find the nodes' own checks by their nodes."""
    found: dict[str, list[CheckShape]] = {}
    for check in checks:
        # An old Consul, or one that ignores the filter, sends the others, too.
        if not check.service_id:
            found.setdefault(check.node, []).append(check)
    return {node: tuple(own) for node, own in found.items()}
