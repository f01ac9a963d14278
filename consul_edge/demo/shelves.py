"""
How the catalog is shelved: by node, and by the name of a service.

Each shelf keeps what an answer needs in the order in which Consul lists it, sorted again only when
its membership changed.  Consul compares names and ids in lower case and shows them as written.
"""

from collections import Counter
from functools import cached_property
from typing import TypeAlias

from consul_edge.demo import gojson
from consul_edge.demo.records import PASSING, Check, Node, Service

Place: TypeAlias = tuple[str, str]
"""Where an instance is: its node's name and its own id, both in lower case."""


class NodeShelf:
    """One node, with its services and checks by their ids in lower case."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.services: dict[str, Service] = {}
        self.checks: dict[str, Check] = {}
        self._by_service: dict[str, dict[str, Check]] = {}
        self._fragments: dict[str, tuple[bytes, ...]] = {}

    def instances(self) -> list[Service]:
        """List the services in the order of their ids."""
        return [self.services[key] for key in sorted(self.services)]

    def put_check(self, check: Check) -> None:
        """Set a check."""
        key = check.id.lower()
        if key in self.checks:
            self.drop_check(key)
        self.checks[key] = check
        self._by_service.setdefault(check.service_id, {})[key] = check
        self._fragments.clear()

    def drop_check(self, key: str) -> None:
        """Remove a check."""
        check = self.checks.pop(key)
        del self._by_service[check.service_id][key]
        self._fragments.clear()

    def check_fragments(self, status: str | None = None) -> tuple[bytes, ...]:
        """Give the JSON of the checks in the order of their ids, all or those of one status."""
        found = self._fragments.get(status or "")
        if found is None:
            checks = [self.checks[key] for key in sorted(self.checks)]
            found = tuple(check.json for check in checks if status in {None, check.status})
            self._fragments[status or ""] = found
        return found

    def node_checks(self) -> list[Check]:
        """List the checks that belong to no service."""
        return self.checks_of("")

    def checks_of(self, service_id: str) -> list[Check]:
        """List the checks of one service, in the order of their ids."""
        found = self._by_service.get(service_id)
        return [found[key] for key in sorted(found)] if found else []


class ServiceShelf:
    """All instances of one service, and the index that moves with any of them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.index = 0
        self.revision = 0
        """The raft index at which what is shown changed; Consul's own index may lag behind it."""
        self.tags: Counter[str] = Counter()
        self.instances: dict[Place, Service] = {}
        self._order: list[Service] | None = None

    def put(self, place: Place, service: Service) -> None:
        """Set an instance."""
        self.drop(place)
        self.instances[place] = service
        self.tags.update(service.tags)
        self._order = None
        self.__dict__.pop("summary", None)

    def drop(self, place: Place) -> None:
        """Remove an instance, if it is there."""
        old = self.instances.pop(place, None)
        if old is not None:
            self.tags.subtract(old.tags)
            self._order = None
            self.__dict__.pop("summary", None)

    def in_order(self) -> list[Service]:
        """List the instances as Consul does: by node, then by id."""
        if self._order is None:
            self._order = [self.instances[place] for place in sorted(self.instances)]
        return self._order

    @cached_property
    def summary(self) -> bytes:
        """The service's line in catalog/services: its name and the tags that any instance has."""
        tags = sorted(tag for tag, count in self.tags.items() if count > 0)
        return gojson.encode(self.name) + b":" + gojson.encode(tags)


def health_row(shelf: NodeShelf, service: Service, checks: list[Check]) -> bytes:
    """Write one instance as health/service does: node, service, checks of both."""
    return b"".join(
        (
            b'{"Node":',
            shelf.node.json,
            b',"Service":',
            service.json,
            b',"Checks":',
            gojson.join([check.json for check in checks]),
            b"}",
        )
    )


def drop_ill(rows: list[tuple[NodeShelf, Service, list[Check]]]) -> None:
    """
    Keep what ``?passing`` keeps: instances all of whose checks pass.

    The last one takes the place of one that goes, which is the order that 1.8.7 answers in.
    """
    position = 0
    while position < len(rows):
        if all(check.status == PASSING for check in rows[position][2]):
            position += 1
            continue
        last = rows.pop()
        if position < len(rows):
            rows[position] = last
