"""
``/v1/agent`` and ``/v1/status``, as far as they speak of the cluster.

agent/self is reduced: its ``DebugConfig`` and ``Stats`` hold only what somebody might look for.
"""

from consul_edge.demo import gojson
from consul_edge.demo.answers import Answer, Body, ok
from consul_edge.demo.call import Call
from consul_edge.demo.members import VERSION


async def self(call: Call) -> Answer:
    """Show the server that answers."""
    member = call.state.members[call.place.server]
    leaderless = call.place.faults.leaderless
    leads = call.place.server == 0 and not leaderless
    document = {
        "Config": {
            "Datacenter": call.state.datacenter,
            "NodeName": member.name,
            "NodeID": member.id,
            "Revision": "",
            "Server": True,
            "Version": VERSION,
        },
        "DebugConfig": {"ACLsEnabled": False, "Bootstrap": member.bootstrap},
        "Coord": {"Vec": [0.0] * 8, "Error": 1.5, "Adjustment": 0.0, "Height": 0.00001},
        "Member": member.document,
        "Stats": {
            "build": {"prerelease": "", "revision": "", "version": VERSION},
            "consul": {
                "acl": "disabled",
                "bootstrap": str(member.bootstrap).lower(),
                "known_datacenters": str(len(call.state.datacenters)),
                "leader": str(leads).lower(),
                "leader_addr": "" if leaderless else _rpc_address(call, 0),
                "server": "true",
            },
            "raft": {
                "applied_index": str(call.state.index),
                "commit_index": str(call.state.index),
                "state": "Leader" if leads else "Follower",
            },
        },
        "Meta": {"consul-network-segment": ""},
    }
    return ok(Body(gojson.encode(document)))


async def members(call: Call) -> Answer:
    """List the gossip pool, or with ``?wan`` its servers only."""
    found = call.state.members
    if call.has("wan"):
        found = [member for member in found if member.server]
    return ok(Body(gojson.join([member.json for member in found])))


def _rpc_address(call: Call, server: int) -> str:
    return f"{call.state.members[server].address}:8300"


async def leader(call: Call) -> Answer:
    """Name the leader, at once and also when there is none."""
    call.check_dc(call.get("dc"))
    address = "" if call.place.faults.leaderless else _rpc_address(call, 0)
    return ok(Body(gojson.encode(address)))


async def peers(call: Call) -> Answer:
    """List the servers of the Raft."""
    call.check_dc(call.get("dc"))
    servers = [number for number, member in enumerate(call.state.members) if member.server]
    return ok(Body(gojson.encode([_rpc_address(call, number) for number in servers])))
