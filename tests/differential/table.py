"""The whole table."""

from typing import Final

from tests.differential import acl, agent, catalog, kv, mesh, operator, protocol, queries

SCENES: Final = (
    *catalog.SCENES,
    *kv.SCENES,
    *queries.SCENES,
    *mesh.SCENES,
    *agent.SCENES,
    *operator.SCENES,
    *acl.SCENES,
    *protocol.SCENES,
)
"""Every scene; each plays on Consuls of its own state, in any order."""
