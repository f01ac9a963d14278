"""
Who asks, without saying which token it is.

A token is a secret: what stands for it in keys, in the snapshot and in logs is a digest that
nobody can make, or check a guess against, without a secret of this process (promise 2).  Where a
snapshot is configured the secret outlives the process in it: the answers in it would belong to
nobody otherwise.  The file is as private as the answers are, and whoever could read it can still
only check whether a token that he knows already was used here.
"""

import hmac
import secrets

from consul_edge.core.key import ANONYMOUS

REMEMBERED = 10_000
"""Tokens whose digest is remembered: making one costs more than looking it up."""

SECRET_BYTES = 32


class Identities:
    """Makes identities of tokens."""

    def __init__(self) -> None:
        """Begin with a new secret."""
        self.secret = secrets.token_bytes(SECRET_BYTES)
        self._known: dict[str, str] = {}

    def adopt(self, secret: bytes) -> None:
        """Go on with the secret of an earlier process, before anybody was given an identity."""
        self.secret = secret
        self._known.clear()

    def of(self, token: str) -> str:
        """Give the identity of a token; "", Consul's anonymous one, has its own."""
        if not token:
            return ANONYMOUS
        identity = self._known.get(token)
        if identity is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            raw = token.encode("utf-8", "surrogateescape")
            identity = hmac.digest(self.secret, raw, "sha256").hex()[:32]
            self._known[token] = identity
        return identity
