"""
The bodies of catalog/register and catalog/deregister.

Names of fields count without regard to case, as in Go; unknown ones and wrong types are refused
with Go's words, as far as those are simple.  ``Proxy``, ``Connect`` and what only newer Consuls
know is accepted and forgotten.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from consul_edge.demo.answers import text
from consul_edge.demo.call import Refusal
from consul_edge.demo.records import CRITICAL, Check, Node, Service

_FAILED: Final = "Request decode failed: "

_REGISTRATION: Final = {
    "datacenter": str,
    "id": str,
    "node": str,
    "address": str,
    "taggedaddresses": dict,
    "nodemeta": dict,
    "service": dict,
    "check": dict,
    "checks": list,
    "skipnodeupdate": bool,
    "writerequest": dict,
    "token": str,
}
_SERVICE: Final = {
    "kind": str,
    "id": str,
    "service": str,
    "tags": list,
    "address": str,
    "taggedaddresses": dict,
    "meta": dict,
    "port": int,
    "weights": dict,
    "enabletagoverride": bool,
    "proxy": dict,
    "connect": dict,
    "createindex": int,
    "modifyindex": int,
}
_CHECK: Final = {
    "node": str,
    "checkid": str,
    "name": str,
    "status": str,
    "notes": str,
    "output": str,
    "serviceid": str,
    "servicename": str,
    "servicetags": list,
    "type": str,
    "definition": dict,
    "createindex": int,
    "modifyindex": int,
}
_DEREGISTRATION: Final = {
    "datacenter": str,
    "node": str,
    "serviceid": str,
    "checkid": str,
    "writerequest": dict,
}
_GO_NAMES: Final = {
    str: "string",
    bool: "bool",
    int: "number",
    float: "number",
    list: "array",
    dict: "object",
}
_GO_TYPES: Final = {str: "string", bool: "bool", int: "int", list: "[]string", dict: "map"}


class Registration(msgspec.Struct, frozen=True):
    """What to register."""

    name: str
    node: Node
    service: Service | None
    checks: list[Check]
    datacenter: str
    skip_node_update: bool


class Deregistration(msgspec.Struct, frozen=True):
    """What to remove."""

    node: str
    service_id: str
    check_id: str
    datacenter: str


def decode_object(body: bytes, go_type: str) -> dict[str, Any]:
    """Decode the JSON object of a body, or complain as Go does."""
    if not body.strip():
        raise Refusal(text(400, f"{_FAILED}EOF"))
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        message = "unexpected EOF" if "truncated" in str(error) else str(error)
        raise Refusal(text(400, _FAILED + message)) from None
    if not isinstance(value, dict):
        kind = _GO_NAMES[type(value)]
        message = f"{_FAILED}json: cannot unmarshal {kind} into Go value of type {go_type}"
        raise Refusal(text(400, message))
    return value


def _fields(value: dict[str, Any], known: Mapping[str, type], where: str) -> dict[str, Any]:
    """Fold the names of an object's fields, and check what they hold."""
    found: dict[str, Any] = {}
    for name, content in value.items():
        key = name.lower()
        wanted = known.get(key)
        if wanted is None:
            raise Refusal(text(400, f'{_FAILED}json: unknown field "{name}"'))
        if content is None:
            continue
        if not isinstance(content, wanted) or (wanted is int and isinstance(content, bool)):
            raise Refusal(
                text(
                    400,
                    f"{_FAILED}json: cannot unmarshal {_GO_NAMES[type(content)]} "
                    f"into Go struct field {where}{name} of type {_GO_TYPES[wanted]}",
                )
            )
        found[key] = content
    return found


def _texts(value: dict[str, Any] | None, where: str) -> dict[str, str] | None:
    """Check and sort a map of texts."""
    for content in (value or {}).values():
        if not isinstance(content, str):
            message = (
                f"{_FAILED}json: cannot unmarshal {_GO_NAMES.get(type(content), 'null')} "
                f"into Go struct field {where} of type string"
            )
            raise Refusal(text(400, message))
    return dict(sorted(value.items())) if value is not None else None


def parse_registration(body: bytes, datacenter: str) -> Registration:
    """
    Read what catalog/register was sent.

    Args:
        body: As it came.

        datacenter: What the node's is to be.

    Raises:
        Refusal: With Consul's answer to what it would not take.
    """
    given = _fields(
        decode_object(body, "structs.RegisterRequest"), _REGISTRATION, "RegisterRequest."
    )
    name = given.get("node", "")
    if not name:
        raise Refusal(text(500, "Must provide node"))
    if not given.get("address") and not given.get("skipnodeupdate"):
        raise Refusal(text(500, "Must provide address if SkipNodeUpdate is not set"))
    if given.get("id") and len(given["id"]) != 36:
        raise Refusal(text(500, "Bad node ID: uuid string is wrong length"))
    node = Node(
        name,
        given.get("address", ""),
        datacenter,
        given.get("id", ""),
        _texts(given.get("taggedaddresses"), "RegisterRequest.TaggedAddresses"),
        _texts(given.get("nodemeta"), "RegisterRequest.NodeMeta"),
    )
    service = _service(name, given["service"]) if "service" in given else None
    checks = [*given.get("checks", ()), *([given["check"]] if "check" in given else ())]
    return Registration(
        name,
        node,
        service,
        [_check(name, check) for check in checks],
        given.get("datacenter", ""),
        given.get("skipnodeupdate", False),
    )


def _service(node: str, value: dict[str, Any]) -> Service:
    given = _fields(value, _SERVICE, "NodeService.Service.")
    name, instance = given.get("service", ""), given.get("id", "")
    if instance and not name:
        raise Refusal(text(500, "Must provide service name with ID"))
    if not name:
        raise Refusal(text(500, "Must provide service name (Service.Service) when registering"))
    weights = {key.lower(): number for key, number in given.get("weights", {}).items()}
    addresses = {
        key: {"Address": "", "Port": 0}
        | {field.capitalize(): content for field, content in pair.items()}
        for key, pair in sorted(given.get("taggedaddresses", {}).items())
    }
    return Service(
        node,
        instance or name,
        name,
        given.get("kind", ""),
        tuple(given.get("tags", ())),
        given.get("address", ""),
        addresses or None,
        _texts(given.get("meta"), "NodeService.Service.Meta"),
        given.get("port", 0),
        (weights.get("passing", 1), weights.get("warning", 1)),
        given.get("enabletagoverride", False),
    )


def _check(node: str, value: dict[str, Any]) -> Check:
    given = _fields(value, _CHECK, "HealthCheck.")
    if given.get("node", node) != node:
        message = f'check node "{given["node"]}" does not match node "{node}"'
        raise Refusal(text(500, message))
    name = given.get("name", "")
    if not given.get("checkid", name):
        message = "failed inserting check: failed inserting check: object missing primary index"
        raise Refusal(text(500, f'{message} on node "{node}"'))
    return Check(
        node,
        given.get("checkid", "") or name,
        name,
        given.get("status", "") or CRITICAL,
        given.get("notes", ""),
        given.get("output", ""),
        given.get("serviceid", ""),
        type=given.get("type", ""),
        definition=given.get("definition", {}),
    )


def parse_deregistration(body: bytes) -> Deregistration:
    """Read what catalog/deregister was sent."""
    given = _fields(
        decode_object(body, "structs.DeregisterRequest"), _DEREGISTRATION, "DeregisterRequest."
    )
    return Deregistration(
        given.get("node", ""),
        given.get("serviceid", ""),
        given.get("checkid", ""),
        given.get("datacenter", ""),
    )
