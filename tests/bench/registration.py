"""
The service whose change is fanned out: instances as they are registered in practice.

Rule 1: all of them together make an answer of about 8 kB; a test asks a real Consul for it.
Rule 2: a mark has a fixed width, so that every answer has the same length.
"""

import json
from typing import Any, Final

INSTANCES: Final = 7

REGISTER: Final = "/v1/catalog/register"

NO_MARK: Final = "change-000000"


def instance(service: str, number: int, mark: str = NO_MARK) -> dict[str, Any]:
    """Describe one instance on a node of its own; *mark* is in its meta data."""
    node = f"{service}-node-{number:02}"
    address = f"10.20.30.{number + 1}"
    return {
        "Node": node,
        "Address": address,
        "TaggedAddresses": {"lan": address, "wan": address},
        "NodeMeta": {"rack": f"r{number:02}", "os": "linux", "zone": "zone-a"},
        "Service": {
            "ID": f"{service}-{number:02}",
            "Service": service,
            "Tags": ["http", "production", f"shard-{number:02}"],
            "Address": address,
            "Port": 8080,
            "Meta": {"mark": mark, "version": "1.42.0", "owner": "platform"},
        },
        "Checks": [
            {"Name": "Node is alive", "CheckID": "alive", "Status": "passing", "Output": "up"},
            {
                "Name": f"HTTP on {address}:8080",
                "CheckID": f"{service}-{number:02}-http",
                "ServiceID": f"{service}-{number:02}",
                "Status": "passing",
                "Output": f"HTTP GET http://{address}:8080/healthy: 200 OK Output: ok",
            },
        ],
    }


def written(service: str, mark: str) -> str:
    """Render the write that changes nothing but the mark of one instance."""
    return json.dumps(instance(service, 0, mark))
