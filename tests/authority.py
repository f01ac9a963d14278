"""Certificates for tests, made fresh: one authority, and what it signs, as files."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    cert: Path
    key: Path


class Authority:
    """Signs certificates into one folder."""

    def __init__(self, folder: Path) -> None:
        """Write the authority's own certificate as ``ca.pem`` into *folder*."""
        self._ca = trustme.CA()
        self._folder = folder
        self.ca_file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.ca_file))

    def issue(self, name: str, *subjects: str, ends: datetime | None = None) -> Pair:
        """
        Sign a certificate for *subjects* (host names or addresses) as ``<name>.pem``.

        Args:
            ends: When it is good no longer; by default in the far future.
        """
        signed = self._ca.issue_cert(*subjects, common_name=name, not_after=ends)
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        for number, blob in enumerate(signed.cert_chain_pems):
            blob.write_to_path(str(pair.cert), append=number > 0)
        signed.private_key_pem.write_to_path(str(pair.key))
        return pair
