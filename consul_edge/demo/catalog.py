"""
Nodes, services and checks with Consul's index rules.

A service has an index of its own, which moves with its instances, their checks, and its nodes and
their checks; nodes, services and checks have one for each table.  A service that is missing
answers with the index at which some service last disappeared.  All of it was seen on a 1.8.7.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from consul_edge.demo.ledger import CHECKS, EXTINCTION, NODES, SERVICES, Ledger
from consul_edge.demo.records import CRITICAL, Check, Node, Service
from consul_edge.demo.shelves import NodeShelf, ServiceShelf


class Rejected(Exception):
    """Raised when Consul would refuse a registration; its text is the answer."""


class Catalog:
    """The catalog of one state."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._nodes: dict[str, NodeShelf] = {}
        self.node_names: list[str] = []
        self._services: dict[str, ServiceShelf] = {}
        self._instances = 0
        self.on_check_lost: Callable[[str, str, int], None] = lambda _node, _check, _index: None
        """Told the node, the check and the index when a check is gone or critical."""

    def __len__(self) -> int:
        """Count the service instances."""
        return self._instances

    def node(self, name: str) -> NodeShelf | None:
        """Look a node up."""
        return self._nodes.get(name.lower())

    def nodes(self) -> Iterable[NodeShelf]:
        """List the nodes in the order of their names."""
        return (self._nodes[name] for name in self.node_names)

    def service(self, name: str) -> ServiceShelf | None:
        """Look a service up."""
        return self._services.get(name.lower())

    def services(self) -> list[ServiceShelf]:
        """List the services in the order of their names as written, as Go sorts a map."""
        return sorted(self._services.values(), key=lambda shelf: shelf.name)

    def service_index(self, name: str, *, checks: bool) -> int:
        """Give the index that catalog/service, or with *checks* health/service, answers with."""
        shelf = self.service(name)
        if shelf is not None:
            return shelf.index
        return self._ledger.highest(EXTINCTION) or self._ledger.highest(
            NODES, SERVICES, *((CHECKS,) if checks else ())
        )

    def register(
        self, node: Node | None, service: Service | None, checks: list[Check], name: str = ""
    ) -> None:
        """
        Write what one registration holds, all at the same index.

        Args:
            node: None leaves the node as it is (``SkipNodeUpdate``); *name* then says which, and
                must be there.

            service: Set if given; its ``node`` must be the registration's.

            checks: Likewise.

            name: The node's name if *node* is None.

        Raises:
            Rejected: When a check names a service that is missing.
        """
        index = self._ledger.next()
        name = node.name if node is not None else name
        self._refuse_strays(name, service, checks)
        if node is not None:
            self._put_node(node, index)
        shelf = self._nodes[name.lower()]
        if service is not None:
            self._put_service(shelf, service, index)
        for check in checks:
            self._put_check(shelf, check, index)

    def _refuse_strays(self, name: str, service: Service | None, checks: list[Check]) -> None:
        """Refuse checks of a service that is not there, before anything is written."""
        shelf = self.node(name)
        known = shelf.services if shelf is not None else {}
        for check in checks:
            wanted = check.service_id.lower()
            if wanted and wanted not in known and (not service or service.id.lower() != wanted):
                raise Rejected(
                    f'failed inserting check: Missing service registration on node "{name}"'
                )

    def deregister(self, node: str, service_id: str = "", check_id: str = "") -> None:
        """Remove a service, or else a check, or else the whole node; nothing if it is missing."""
        index = self._ledger.next()
        shelf = self.node(node)
        if shelf is None:
            return
        if service_id:
            if service_id.lower() in shelf.services:
                self._drop_service(shelf, service_id.lower(), index)
        elif check_id:
            if check_id.lower() in shelf.checks:
                self._drop_check(shelf, check_id.lower(), index)
        else:
            self._drop_node(shelf, index)

    def renumber(self, index: int) -> None:
        """Bring every index down to at most *index*, as restoring a snapshot may."""

        def lower(record: Node | Service | Check) -> dict[str, int]:
            return {
                "create_index": min(record.create_index, index),
                "modify_index": min(record.modify_index, index),
            }

        for shelf in self._nodes.values():
            shelf.node = replace(shelf.node, **lower(shelf.node))
            for check in list(shelf.checks.values()):
                shelf.put_check(replace(check, **lower(check)))
            for key, service in shelf.services.items():
                shelf.services[key] = replace(service, **lower(service))
                place = (shelf.node.name.lower(), key)
                self._services[service.name.lower()].put(place, shelf.services[key])
        for group in self._services.values():
            group.index = min(group.index, index)

    def _touch(self, name: str, index: int) -> None:
        key = name.lower()
        shelf = self._services.get(key)
        if shelf is not None:
            shelf.index = shelf.revision = index
        self._ledger.notify(("service", key))

    def _touch_all(self, shelf: NodeShelf, index: int) -> None:
        for service in shelf.services.values():
            self._touch(service.name, index)

    def _put_node(self, node: Node, index: int) -> None:
        key = node.name.lower()
        shelf = self._nodes.get(key)
        old = shelf.node if shelf is not None else None
        if old is not None:
            node = replace(
                node,
                id=node.id or old.id,
                create_index=old.create_index,
                modify_index=old.modify_index,
            )
            if node == old:
                return
        node = replace(node, create_index=old.create_index if old else index, modify_index=index)
        if shelf is None:
            shelf = self._nodes[key] = NodeShelf(node)
            insort(self.node_names, key)
        shelf.node = node
        self._ledger.stamp(NODES, index)
        self._touch_all(shelf, index)
        self._ledger.notify(("node", key))

    def _put_service(self, shelf: NodeShelf, service: Service, index: int) -> None:
        key, name = service.id.lower(), service.name.lower()
        place = (shelf.node.name.lower(), key)
        old = shelf.services.get(key)
        if old is not None:
            same = replace(service, create_index=old.create_index, modify_index=old.modify_index)
            if same == old:
                return
            if old.name.lower() != name:
                # Under its old name nothing moves and nobody wakes: so does 1.8.7.
                self._vacate(old, place)
        else:
            self._instances += 1
        service = replace(
            service, create_index=old.create_index if old else index, modify_index=index
        )
        shelf.services[key] = service
        group = self._services.get(name)
        if group is None:
            group = self._services[name] = ServiceShelf(service.name)
        group.put(place, service)
        self._ledger.stamp(SERVICES, index)
        self._touch(name, index)

    def _put_check(self, shelf: NodeShelf, check: Check, index: int) -> None:
        if check.service_id:
            service = shelf.services[check.service_id.lower()]
            check = replace(check, service_name=service.name, service_tags=service.tags)
        old = shelf.checks.get(check.id.lower())
        created, modified = (old.create_index, old.modify_index) if old else (index, index)
        check = replace(check, create_index=created, modify_index=modified)
        # The table's index moves even if the check is the same: so does 1.8.7.
        if check != old:
            check = replace(check, modify_index=index)
            shelf.put_check(check)
            if check.service_id:
                self._touch(check.service_name, index)
            else:
                self._touch_all(shelf, index)
            if check.status == CRITICAL:
                self.on_check_lost(shelf.node.name, check.id, index)
        self._ledger.stamp(CHECKS, index)

    def _drop_service(self, shelf: NodeShelf, key: str, index: int) -> None:
        service = shelf.services[key]
        for check in shelf.checks_of(service.id):
            self._drop_check(shelf, check.id.lower(), index)
        self._ledger.stamp(CHECKS, index)
        del shelf.services[key]
        self._instances -= 1
        self._leave(service, (shelf.node.name.lower(), key), index)
        self._ledger.stamp(SERVICES, index)

    def _leave(self, service: Service, place: tuple[str, str], index: int) -> None:
        if self._vacate(service, place):
            self._ledger.stamp(EXTINCTION, index)
        self._touch(service.name, index)

    def _vacate(self, service: Service, place: tuple[str, str]) -> bool:
        """Take an instance off its service's shelf; True if it was the last one."""
        name = service.name.lower()
        group = self._services[name]
        group.drop(place)
        group.revision = self._ledger.index
        if not group.instances:
            del self._services[name]
        return not group.instances

    def _drop_check(self, shelf: NodeShelf, key: str, index: int) -> None:
        check = shelf.checks[key]
        if check.service_id:
            self._touch(check.service_name, index)
        else:
            self._touch_all(shelf, index)
            # The loss of a node's check moves the table of services, too: so it does in 1.8.7.
            self._ledger.stamp(SERVICES, index)
        shelf.drop_check(key)
        self._ledger.stamp(CHECKS, index)
        self.on_check_lost(shelf.node.name, check.id, index)

    def _drop_node(self, shelf: NodeShelf, index: int) -> None:
        for key in list(shelf.services):
            self._drop_service(shelf, key, index)
        for key in list(shelf.checks):
            self._drop_check(shelf, key, index)
        name = shelf.node.name.lower()
        del self._nodes[name]
        del self.node_names[bisect_left(self.node_names, name)]
        self._ledger.stamp(NODES, index)
        self._ledger.notify(("node", name))
