"""
Secrets that the service manager hands over as files: systemd's ``LoadCredential=``.

Rule: they count like Consul's own variables, before the file and behind every variable that says
the same; what is not there is not asked for.

See Also:
    https://systemd.io/CREDENTIALS/
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from consul_edge.config.sources import Given, Rank

FOLDER: Final = "CREDENTIALS_DIRECTORY"
"""The variable that names their folder."""

CREDENTIALS: Final[Mapping[str, str]] = {
    "consul-edge.consul-token": "consul.token_file",
    "consul-edge.consul-auth": "consul.auth_file",
    "consul-edge.consul-key": "consul.tls.key",
    "consul-edge.admin-token": "admin.token_file",
    "consul-edge.tls-key": "tls.key",
}
"""Their names, and what they set."""


def read_credentials(env: Mapping[str, str]) -> list[Given]:
    """Find those that are there; nothing is read of them."""
    folder = env.get(FOLDER)
    if not folder:
        return []
    files = {name: Path(folder) / name for name in CREDENTIALS}
    return [
        Given(CREDENTIALS[name], str(file), f"${FOLDER}/{name}", Rank.FOREIGN)
        for name, file in files.items()
        if file.is_file()
    ]
