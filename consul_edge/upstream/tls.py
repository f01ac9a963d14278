"""How the edge proves itself to Consul's servers, and they to it."""

import hashlib
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def client_context(
    *,
    ca_file: Path | None,
    ca_path: Path | None,
    cert: Path | None,
    key: Path | None,
    verify: bool,
) -> ssl.SSLContext:
    """
    Build the context for connections to servers of scheme https.

    Args:
        ca_file: Trusted authorities in one PEM file; with *ca_path* None too, the system's.

        ca_path: A folder of them, every file of which is read, as Consul's Go client does
            (OpenSSL itself would want names made of hashes).

        cert: This edge's own certificate, with its *key*.

        verify: False takes any certificate.

    Raises:
        OSError: When a file cannot be read or is no PEM file; its text names the file.
    """
    files = [ca_file] if ca_file is not None else []
    if ca_path is not None:
        files += sorted(path for path in ca_path.iterdir() if path.is_file())
        if not files:
            raise OSError(f"{ca_path}: there is no file in it")
    with _naming(files[0] if files else None):
        # Without a file the system's authorities are loaded, with one only its own.
        context = ssl.create_default_context(cafile=files[0] if files else None)
    for path in files[1:]:
        with _naming(path):
            context.load_verify_locations(cafile=path)
    if cert is not None:
        with _naming(cert):
            context.load_cert_chain(cert, key)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def fingerprint(paths: Iterable[Path | None]) -> bytes:
    """
    Condense what files hold, and of folders the files in them, so that a change can be seen.

    Raises:
        OSError: When one cannot be read; its text names the file.
    """
    digest = hashlib.blake2b()
    for path in filter(None, paths):
        with _naming(path):
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            for file in files:
                if file.is_file():
                    content = file.read_bytes()
                    digest.update(f"{file} {len(content)} ".encode(errors="surrogateescape"))
                    digest.update(content)
    return digest.digest()


def stamp(path: Path) -> tuple[int, ...]:
    """
    Give what another file, or a folder with others in it, would have otherwise.

    Raises:
        OSError: When it cannot be looked at.
    """
    files = [path, *sorted(path.iterdir())] if path.is_dir() else [path]
    found: list[int] = []
    for file in files:
        status = file.stat()
        found += (status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev)
    return tuple(found)


@contextmanager
def _naming(path: Path | None) -> Iterator[None]:
    """Say which file it was: OpenSSL's errors do not."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{path}: {error.strerror or error}") from error
