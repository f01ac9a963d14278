"""
In whose name a request is sent: the client's token, else the edge's own if that is allowed.

Consul's own precedence (``agent/http.go``): ``?token=``, ``X-Consul-Token``, ``Authorization:
Bearer``; an empty one counts as none.
"""

import base64
from collections.abc import Callable, Iterable

from consul_edge.core.headers import Pairs
from consul_edge.core.request import Call, controls


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
        self.adopt(token=token, auth=auth, token_for_clients=token_for_clients)

    def adopt(
        self, *, token: Callable[[], str], auth: Callable[[], str], token_for_clients: bool
    ) -> None:
        """Go by other sources from now on."""
        self.token = token
        self.auth = auth
        self._token_for_clients = token_for_clients

    def complete(self, headers: Pairs, *, has_token_parameter: bool) -> Pairs:
        """
        Add what the client's headers lack; the list is changed in place and returned.

        HTTP Basic occupies ``Authorization``, so a client's Bearer token moves to
        ``X-Consul-Token`` where ``auth`` is set.
        """
        auth = self.auth()
        if not auth and not self._token_for_clients:
            return headers
        token = _token(headers)
        if not token and not has_token_parameter and self._token_for_clients:
            token = self.token()
        if token:
            _set(headers, "X-Consul-Token", token)
        return self.authorize(headers)

    def authorize(self, headers: Pairs) -> Pairs:
        """Add HTTP Basic alone: a kept answer's token is its key's, and never a borrowed one."""
        auth = self.auth()
        if auth:
            _set(headers, "Authorization", "Basic " + base64.b64encode(auth.encode()).decode())
        return headers

    @property
    def own(self) -> str:
        """The edge's own token as it is now, or ""."""
        return self.token()

    def token_of(self, call: Call, headers: Pairs) -> str:
        """Find the token in force for a client's request; "" is Consul's anonymous one."""
        if call.has_token_parameter:
            return controls(call.target.partition("?")[2])["token"]
        return self.token_in(headers)

    def lends(self, call: Call, headers: Pairs) -> bool:
        """Tell whether a request goes in the edge's own name, whose token may become another."""
        return self._token_for_clients and not (call.has_token_parameter or _token(headers))

    def token_in(self, headers: Iterable[tuple[str, str]]) -> str:
        """Find the token in force where only headers can bring one."""
        return _token(headers) or (self.token() if self._token_for_clients else "")


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
