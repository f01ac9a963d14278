"""
Real Consul agents for tests, the judges of the edge: single ones, and clusters to break.

Rule 1: each agent has a loopback address of its own, so all use Consul's usual ports.
Rule 2: ready means seen to be ready; nothing here waits for a fixed time.
"""

import json
from functools import partial
from typing import Final

from tests.authority import Authority
from tests.processes import Launched
from tests.server import ConsulServer
from tests.waiting import wait_until

__all__ = ["MASTER_TOKEN", "ConsulAgent", "ConsulCluster", "ConsulServer"]

MASTER_TOKEN: Final = "11111111-2222-3333-4444-555555555555"
"""What may do everything on an agent with ``acl=True``."""

TLS_PORT: Final = 8501

COMMON: Final = """
disable_update_check = true
leave_on_terminate = false
ports {{ dns = -1, grpc = -1, https = {https} }}
limits {{ http_max_conns_per_client = {connections} }}
"""

ACL: Final = f"""
acl {{
  enabled = true
  default_policy = "deny"
  tokens {{ master = "{MASTER_TOKEN}", agent = "{MASTER_TOKEN}" }}
}}
"""


class ConsulAgent(ConsulServer):
    """One ``-dev`` agent: a whole cluster in one process, in memory, ready in half a second."""

    def __init__(
        self,
        name: str = "agent-one",
        *,
        acl: bool = False,
        hcl: str = "",
        tls: bool = False,
        client_certificates: bool = False,
        unix_socket: bool = False,
        max_query_time: str | None = None,
        connections: int = 15_000,
    ) -> None:
        """
        Prepare an agent.

        Args:
            name: The node's name.

            acl: Deny by default; ``.token`` then holds the token that may do everything.

            hcl: Anything else for its configuration.

            tls: Also listen on https, port 8501, with a certificate of ``.authority``.

            client_certificates: Refuse https callers without a certificate of ``.authority``.

            unix_socket: Also listen on ``.socket``.

            max_query_time: The longest ``wait`` that it grants.

            connections: From one address; Consul's own default is 200.
        """
        super().__init__(name, "", ("-dev",))
        self.socket = self.folder / "http.sock" if unix_socket else None
        self.authority = Authority(self.folder) if tls else None
        self.https = f"https://{self.address}:{TLS_PORT}" if tls else None
        parts = [COMMON.format(https=TLS_PORT if tls else -1, connections=connections), hcl]
        if acl:
            self.token = MASTER_TOKEN
            parts.append(ACL)
        if self.socket is not None:
            parts.append(f'addresses {{ http = "{self.address} unix://{self.socket}" }}')
        if self.authority is not None:
            pair = self.authority.issue("consul", self.address, "localhost", "server.dc1.consul")
            ca = self.authority.ca_file
            parts.append(
                f'ca_file = "{ca}"\ncert_file = "{pair.cert}"\nkey_file = "{pair.key}"\n'
                f"verify_incoming_https = {str(client_certificates).lower()}"
            )
        if max_query_time is not None:
            parts.append(f'max_query_time = "{max_query_time}"')
        self._hcl = "\n".join(parts)


class ConsulCluster(Launched):
    """Three servers that elect a leader; made to be broken, so use a fresh one for each fault."""

    patience = 60.0

    def __init__(self, size: int = 3, hcl: str = "") -> None:
        """Prepare *size* servers, all with the further configuration *hcl*."""
        self.servers = [ConsulServer(f"server-{number + 1}", "") for number in range(size)]
        addresses = json.dumps([server.address for server in self.servers])
        for server in self.servers:
            server._hcl = "\n".join(
                (
                    COMMON.format(https=-1, connections=15_000),
                    f'server = true\nbootstrap_expect = {size}\ndata_dir = "{server.folder}/data"',
                    f'retry_join = {addresses}\nretry_interval = "250ms"',
                    "performance { raft_multiplier = 1 }\nconnect { enabled = true }",
                    hcl,
                )
            )

    @property
    def addresses(self) -> list[str]:
        """The edge's list of servers."""
        return [server.server for server in self.servers]

    def leader(self) -> ConsulServer:
        """Give the server that all which answer call leader; LookupError while they do not."""
        asked = [server for server in self.servers if server.answers]
        told = {server.get("/v1/status/leader", timeout=2) for server in asked}
        if len(told) != 1 or told == {""}:
            raise LookupError(f"no leader: {told}")
        host = told.pop().rpartition(":")[0]
        return next(server for server in self.servers if server.address == host)

    def followers(self) -> list[ConsulServer]:
        """Give the servers that answer and do not lead."""
        leader = self.leader()
        return [server for server in self.servers if server is not leader and server.answers]

    def kill(self, server: ConsulServer) -> None:
        """End a server at once."""
        server.kill()

    def pause(self, server: ConsulServer) -> None:
        """Freeze a server: its sockets stay open and nobody answers."""
        server.stop_hard()

    def resume(self, server: ConsulServer) -> None:
        """Let a frozen server go on."""
        server.resume()

    def wait_for_leader(
        self, *, other_than: ConsulServer | None = None, within: float = 30.0
    ) -> ConsulServer:
        """Wait until those which answer agree on a leader that answers, too."""
        leader = wait_until(partial(self._leads, other_than), "a leader elected", within)
        assert leader is not None
        return leader

    def _leads(self, other_than: ConsulServer | None) -> ConsulServer | None:
        leader = self.leader()
        if leader is other_than or not leader.answers:
            return None
        return leader if leader.request("GET", "/v1/catalog/nodes").status == 200 else None

    def is_ready(self) -> bool:
        """Whether all servers are up, known to each other and to the catalog."""
        if not all(server.is_ready() for server in self.servers):
            return False
        nodes = self.leader().get("/v1/catalog/nodes")
        return len(nodes) == len(self.servers)

    def launch(self) -> None:
        """Start all processes without waiting."""
        for server in self.servers:
            server.launch()

    def stop(self) -> None:
        """End all servers and remove what they wrote."""
        for server in self.servers:
            server.stop()
