"""What could not be learnt, as documents tell it beside what is known."""

from collections.abc import Iterable
from itertools import chain, islice
from typing import Any, Final

from consul_edge.enrich.snapshot import Snapshot

MOST: Final = 100
"""Texts in one document; where Consul is gone, every name is one."""


def problems_of_nodes(snapshot: Snapshot) -> dict[str, Any]:
    """Give the fields of a document that shows nodes."""
    return _fields(map(str, snapshot.problems), len(snapshot.problems))


def problems_of_services(snapshot: Snapshot) -> dict[str, Any]:
    """
    Give the fields of a document that shows instances.

    >>> from consul_edge.enrich.snapshot import Failure, Kind
    >>> failure = Failure("/v1/health/service/web", Kind.HTTP_ERROR, "403 Permission denied")
    >>> nothing = {"nodes": {}, "members": {}, "node_checks": {}, "services": {}}
    >>> told = problems_of_services(Snapshot(**nothing, missing={"web": failure}))
    >>> told["problems"]
    ['web: its instances are not known: /v1/health/service/web: 403 Permission denied']
    """
    return _fields(
        chain(
            map(str, snapshot.problems),
            (
                f"{name}: its instances are not known: {failure}"
                for name, failure in snapshot.missing.items()
            ),
            (
                f"{name}: its instances are those of before: {failure}"
                for name, failure in snapshot.stale.items()
            ),
        ),
        len(snapshot.problems) + len(snapshot.missing) + len(snapshot.stale),
    )


def _fields(texts: Iterable[str], count: int) -> dict[str, Any]:
    told = list(islice(texts, MOST))
    return {"problems": told, "problems_left_out": count - len(told)}
