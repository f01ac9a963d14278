import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from consul_edge.core.errors import ServerFailed
from consul_edge.upstream.tls import client_context
from tests.authority import Authority, Pair
from tests.upstream.making import ask, client_with, server_at


class Folder:
    """Two authorities, and certificates for servers and clients."""

    def __init__(self, path: Path) -> None:
        """Make what the tests of this module share."""
        self.path = path
        self.ours, self.theirs = (self._authority(name) for name in ("ours", "theirs"))
        self.server = self.ours.issue("server", "127.0.0.1", "localhost")
        self.named = self.ours.issue("named", "server.dc1.consul")
        self.foreign = self.theirs.issue("server", "127.0.0.1")
        self.client = self.ours.issue("client", "edge.example")
        self.stranger = self.theirs.issue("client", "edge.example")

    def _authority(self, name: str) -> Authority:
        folder = self.path / name
        folder.mkdir()
        return Authority(folder)

    def ca_path(self, *authorities: Authority) -> Path:
        """Make a folder that holds only certificates of *authorities*."""
        folder = self.path / "-".join(["ca", *(one.ca_file.parent.name for one in authorities)])
        folder.mkdir(exist_ok=True)
        for number, authority in enumerate(authorities):
            (folder / f"{number}.crt").write_bytes(authority.ca_file.read_bytes())
        return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Make the certificates once: keys take time."""
    return Folder(tmp_path_factory.mktemp("tls"))


@contextlib.asynccontextmanager
async def serving(
    pair: Pair, *, client_ca: Path | None = None, asked: list[str | None] | None = None
) -> AsyncIterator[int]:
    """
    Answer every request by TLS on a loopback port.

    Args:
        client_ca: Whose certificates clients must show.

        asked: Takes down the names that clients ask for (SNI).
    """

    def note(_: ssl.SSLObject | ssl.SSLSocket, name: str | None, __: ssl.SSLContext) -> None:
        if asked is not None:
            asked.append(name)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    context.sni_callback = note
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)

    async def handle(_request: web.BaseRequest) -> web.Response:
        return web.Response(text="by TLS")

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield site.port
    finally:
        await runner.cleanup()


def context_of(**options: Any) -> ssl.SSLContext:
    """Build a context from the options that matter."""
    defaults = {"ca_file": None, "ca_path": None, "cert": None, "key": None, "verify": True}
    return client_context(**(defaults | options))


async def talk(
    port: int, context: ssl.SSLContext, *, tls_name: str | None = None, host: str = "127.0.0.1"
) -> str:
    """Ask a server; give what it says."""
    async with client_with(tls=context) as client:
        server = server_at(f"https://{host}:{port}", tls_name=tls_name)
        return (await ask(client, server, "/")).decode()


async def refused(
    port: int, context: ssl.SSLContext, *, tls_name: str | None = None
) -> ServerFailed:
    """Ask a server that must not be talked to; give why."""
    with pytest.raises(ServerFailed) as caught:
        await talk(port, context, tls_name=tls_name)
    return caught.value


async def test_authority_in_a_file_is_trusted(folder: Folder) -> None:
    """``ca_file`` is enough to talk to a server of that authority."""
    async with serving(folder.server) as port:
        assert await talk(port, context_of(ca_file=folder.ours.ca_file)) == "by TLS"


async def test_every_file_of_a_folder_of_authorities_is_trusted(folder: Folder) -> None:
    """Their names mean nothing, and what is no file is passed over."""
    ca_path = folder.ca_path(folder.theirs, folder.ours)
    (ca_path / "sub").mkdir()
    context = context_of(ca_path=ca_path)
    async with serving(folder.server) as ours, serving(folder.foreign) as theirs:
        assert await talk(ours, context) == await talk(theirs, context) == "by TLS"


async def test_file_and_folder_of_authorities_add_up(folder: Folder) -> None:
    """With both given, both are trusted."""
    context = context_of(ca_file=folder.ours.ca_file, ca_path=folder.ca_path(folder.theirs))
    async with serving(folder.server) as ours, serving(folder.foreign) as theirs:
        assert await talk(ours, context) == await talk(theirs, context) == "by TLS"


@pytest.mark.parametrize("where", ["ca_file", "ca_path"])
def test_authorities_given_replace_the_systems(folder: Folder, where: str) -> None:
    """Who names an authority does not trust the whole Internet's as well."""
    given = {"ca_file": folder.ours.ca_file, "ca_path": folder.ca_path(folder.ours)}
    assert len(context_of(**{where: given[where]}).get_ca_certs()) == 1


@pytest.mark.parametrize("trusted", [None, "theirs"], ids=["system", "another-authority"])
async def test_untrusted_certificate_is_a_failure_that_names_it(
    folder: Folder, trusted: str | None
) -> None:
    """Nothing was sent, and the reason says what is wrong with the certificate."""
    ca_file = folder.theirs.ca_file if trusted else None
    async with serving(folder.server) as port:
        failed = await refused(port, context_of(ca_file=ca_file))
    assert (failed.sent, failed.timed_out) == (False, False)
    assert failed.reason.startswith("has a certificate that is not trusted: ")
    assert "certificate verify failed" in failed.reason


@pytest.mark.parametrize("verify", [True, False], ids=["verify", "no-verify"])
async def test_untrusted_certificate_is_taken_only_where_nothing_is_verified(
    folder: Folder, *, verify: bool
) -> None:
    """``verify: false`` trusts whoever answers, under whatever name."""
    async with serving(folder.named) as port:
        context = context_of(verify=verify)
        if verify:
            assert not (await refused(port, context)).sent
        else:
            assert await talk(port, context) == "by TLS"


async def test_certificate_of_another_name_is_a_failure_that_names_it(folder: Folder) -> None:
    """A trusted authority is not enough: the host must be in the certificate."""
    async with serving(folder.named) as port:
        failed = await refused(port, context_of(ca_file=folder.ours.ca_file))
    assert not failed.sent
    assert "127.0.0.1" in failed.reason
    assert "not valid for" in failed.reason


async def test_server_name_is_asked_for_and_checked(folder: Folder) -> None:
    """An address with a certificate of a name is talked to by that name, in SNI and check."""
    context = context_of(ca_file=folder.ours.ca_file)
    asked: list[str | None] = []
    async with serving(folder.named, asked=asked) as port:
        assert await talk(port, context, tls_name="server.dc1.consul") == "by TLS"
    assert asked == ["server.dc1.consul"]


async def test_server_name_that_the_certificate_lacks_is_a_failure(folder: Folder) -> None:
    """The name given goes before the host, also when the host would have fitted."""
    async with serving(folder.server) as port:
        context = context_of(ca_file=folder.ours.ca_file)
        failed = await refused(port, context, tls_name="server.dc1.consul")
    assert not failed.sent
    assert "server.dc1.consul" in failed.reason


async def test_host_name_of_an_address_is_asked_for(folder: Folder) -> None:
    """Without a name given, a host's own name goes into SNI."""
    asked: list[str | None] = []
    async with serving(folder.server, asked=asked) as port:
        context = context_of(ca_file=folder.ours.ca_file)
        assert await talk(port, context, host="localhost") == "by TLS"
    assert asked == ["localhost"]


async def test_client_certificate_lets_the_edge_in(folder: Folder) -> None:
    """A server that demands one (``verify_incoming``) gets the edge's."""
    context = context_of(
        ca_file=folder.ours.ca_file, cert=folder.client.cert, key=folder.client.key
    )
    async with serving(folder.server, client_ca=folder.ours.ca_file) as port:
        assert await talk(port, context) == "by TLS"


@pytest.mark.parametrize("shown", [None, "stranger"], ids=["none", "of-another-authority"])
async def test_client_certificate_missing_or_foreign_is_a_failure(
    folder: Folder, shown: str | None
) -> None:
    """The server's refusal is reported as a failed attempt, not as a defect."""
    pair = folder.stranger if shown else None
    context = context_of(
        ca_file=folder.ours.ca_file, cert=pair and pair.cert, key=pair and pair.key
    )
    async with serving(folder.server, client_ca=folder.ours.ca_file) as port:
        failed = await refused(port, context)
    assert failed.server == f"127.0.0.1:{port}"
    assert not failed.timed_out


async def test_server_that_speaks_no_tls_is_a_failure_with_nothing_sent() -> None:
    """Https asked of a plain port ends in the handshake."""

    async def handle(_request: web.BaseRequest) -> web.Response:
        return web.Response(text="plain")

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        failed = await refused(site.port, context_of())
    finally:
        await runner.cleanup()
    assert not failed.sent
    assert failed.reason.startswith("cannot be reached: ")


BROKEN = {
    "ca_file is missing": ({"ca_file": "missing.pem"}, "missing.pem"),
    "ca_file is no PEM": ({"ca_file": "text.pem"}, "text.pem"),
    "ca_path is missing": ({"ca_path": "missing"}, "missing"),
    "ca_path holds another file": ({"ca_path": "mixed"}, "README"),
    "cert is no PEM": ({"cert": "text.pem", "key": "ours/client.key"}, "text.pem"),
    "key is another's": ({"cert": "ours/client.pem", "key": "ours/server.key"}, "client.pem"),
}


@pytest.mark.parametrize(("options", "named"), BROKEN.values(), ids=BROKEN)
def test_certificate_file_that_cannot_be_used_is_named(
    folder: Folder, options: dict[str, str], named: str
) -> None:
    """OpenSSL does not say which file it could not use; the operator must know."""
    (folder.path / "text.pem").write_text("no certificate")
    (folder.path / "mixed").mkdir(exist_ok=True)
    (folder.path / "mixed" / "README").write_text("no certificate")
    with pytest.raises(OSError, match=re.escape(named)):
        context_of(**{option: folder.path / name for option, name in options.items()})
