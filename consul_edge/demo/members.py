"""The gossip pool as ``/v1/agent/members`` tells it, which no index and no watch covers."""

from functools import cached_property
from typing import Any, Final

import msgspec

from consul_edge.demo import gojson

ALIVE: Final = 1
LEFT: Final = 3
FAILED: Final = 4

VERSION: Final = "1.8.7"


class Member(msgspec.Struct, frozen=True, dict=True):
    """One agent."""

    name: str
    address: str
    id: str
    datacenter: str = "dc1"
    server: bool = False
    bootstrap: bool = False
    status: int = ALIVE

    @cached_property
    def document(self) -> dict[str, Any]:
        """The member as decoded JSON."""
        tags = {
            "acls": "0",
            "build": f"{VERSION}:",
            "dc": self.datacenter,
            "id": self.id,
            "role": "consul" if self.server else "node",
            "segment": "",
            "vsn": "2",
            "vsn_max": "3",
            "vsn_min": "2",
        }
        if self.server:
            tags |= {"ft_fs": "1", "port": "8300", "raft_vsn": "3", "wan_join_port": "8302"}
        else:
            del tags["acls"]
        if self.bootstrap:
            tags["bootstrap"] = "1"
        return {
            "Name": self.name,
            "Addr": self.address,
            "Port": 8301,
            "Tags": dict(sorted(tags.items())),
            "Status": self.status,
            "ProtocolMin": 1,
            "ProtocolMax": 5,
            "ProtocolCur": 2,
            "DelegateMin": 2,
            "DelegateMax": 5,
            "DelegateCur": 4,
        }

    @cached_property
    def json(self) -> bytes:
        """The member as agent/members shows it."""
        return gojson.encode(self.document)
