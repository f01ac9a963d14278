"""
In whose name a request is sent: the client's token, else the edge's own if that is allowed.

Consul's own precedence (``agent/http.go``): ``?token=``, ``X-Consul-Token``, ``Authorization:
Bearer``; an empty one counts as none.
"""

import base64
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from consul_edge.config import Secret
from consul_edge.core.headers import Pairs
from consul_edge.core.request import Call, controls

log = structlog.get_logger()

LOOK_AGAIN = 1.0
"""Seconds between two looks at a token's file."""


class FileSecret:
    """A secret in a file, read again when the file changes."""

    def __init__(self, path: Path, fallback: str, now: Callable[[], float]) -> None:
        """
        Read nothing yet.

        Args:
            fallback: What holds while the file is empty or cannot be read for the first time.

            now: A monotonic clock.
        """
        self._path = path
        self._now = now
        self._text = fallback
        self._fallback = fallback
        self._stamp: tuple[int, int, int] | None = None
        self._look_at = float("-inf")

    def __call__(self) -> str:
        """Return the secret as it stands in the file; the last good one while it is gone."""
        now = self._now()
        if now >= self._look_at:
            self._look_at = now + LOOK_AGAIN
            self._look()
        return self._text

    def _look(self) -> None:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp == self._stamp:
                return
            text = self._path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            log.warning("secret file cannot be read", path=str(self._path), error=str(error))
            return
        if self._stamp is not None:
            log.info("secret file read again", path=str(self._path))
        self._stamp = stamp
        self._text = text or self._fallback


def secret(text: Secret | None, file: Path | None, now: Callable[[], float]) -> Callable[[], str]:
    """
    Make the source of a secret out of its two settings.

    Args:
        now: A monotonic clock.

    Returns:
        What gives it as it is now; "" if there is none.
    """
    fallback = text.reveal() if text is not None else ""
    if file is None:
        return lambda: fallback
    return FileSecret(file, fallback, now)


class Credentials:
    """Completes the headers of outgoing requests."""

    def __init__(
        self,
        *,
        token: Callable[[], str],
        auth: Callable[[], str],
        token_for_clients: bool,
    ) -> None:
        """
        Take the sources of the edge's secrets.

        Args:
            token: The edge's ACL token, or "".

            auth: ``user:password`` of HTTP Basic towards Consul, or "".

            token_for_clients: Whether a client without a token borrows the edge's.
        """
        self._token = token
        self._auth = auth
        self._token_for_clients = token_for_clients

    def complete(self, headers: Pairs, *, has_token_parameter: bool) -> Pairs:
        """
        Add what the client's headers lack; the list is changed in place and returned.

        HTTP Basic occupies ``Authorization``, so a client's Bearer token moves to
        ``X-Consul-Token`` where ``auth`` is set.
        """
        auth = self._auth()
        if not auth and not self._token_for_clients:
            return headers
        token = _token(headers)
        if not token and not has_token_parameter and self._token_for_clients:
            token = self._token()
        if token:
            _set(headers, "X-Consul-Token", token)
        return self.authorize(headers)

    def authorize(self, headers: Pairs) -> Pairs:
        """Add HTTP Basic alone: a kept answer's token is its key's, and never a borrowed one."""
        auth = self._auth()
        if auth:
            _set(headers, "Authorization", "Basic " + base64.b64encode(auth.encode()).decode())
        return headers

    @property
    def own(self) -> str:
        """The edge's own token as it is now, or ""."""
        return self._token()

    def token_of(self, call: Call, headers: Pairs) -> str:
        """Find the token in force for a client's request; "" is Consul's anonymous one."""
        if call.has_token_parameter:
            return controls(call.target.partition("?")[2])["token"]
        return self.token_in(headers)

    def token_in(self, headers: Iterable[tuple[str, str]]) -> str:
        """Find the token in force where only headers can bring one."""
        return _token(headers) or (self._token() if self._token_for_clients else "")


def _token(headers: Iterable[tuple[str, str]]) -> str:
    bearer = ""
    for name, value in headers:
        lower = name.lower()
        if lower == "x-consul-token" and value:
            return value
        if lower == "authorization" and not bearer:
            scheme, _, rest = value.partition(" ")
            words = rest.split()
            bearer = words[0] if scheme.lower() == "bearer" and words else ""
    return bearer


def _set(headers: Pairs, name: str, value: str) -> None:
    headers[:] = [pair for pair in headers if pair[0].lower() != name.lower()]
    headers.append((name, value))
