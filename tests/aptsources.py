"""What a Debian machine's own apt sources say: which mirror, which releases, which keys."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

APT: Final = Path("/etc/apt")
OS_RELEASE: Final = Path("/etc/os-release")

_ONE_LINE: Final = re.compile(
    r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)$"
)


@dataclass(frozen=True, slots=True)
class AptSource:
    """One mirror with one of its suites."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str | None
    """A key file's path; None where the source leaves it to apt or holds the key itself."""


def os_release(path: Path = OS_RELEASE) -> dict[str, str]:
    """Read the machine's release file; empty where there is none."""
    if not path.exists():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines())
    return {name: value.strip("\"'") for name, _, value in pairs}


def read_apt_sources(folder: Path = APT, release: str | None = None) -> list[AptSource]:
    """
    Read every source of Debian's own main archive, the release's plain suite first.

    Sources of others are left out: they may be unreachable, and nothing of theirs is needed.

    Args:
        folder: Where ``sources.list`` and ``sources.list.d`` are.

        release: The machine's code name; None: as its release file says.
    """
    codename = release or os_release().get("VERSION_CODENAME", "stable")
    found: list[AptSource] = []
    for path in sorted([folder / "sources.list", *folder.glob("sources.list.d/*.list")]):
        if path.exists():
            found += parse_one_line(path.read_text())
    for path in sorted(folder.glob("sources.list.d/*.sources")):
        found += parse_deb822(path.read_text())
    debian = [source for source in found if _is_debian(source, codename)]
    return sorted(debian, key=lambda source: source.suite not in {codename, "stable"})


def parse_one_line(text: str) -> list[AptSource]:
    """
    Read the one-line form.

    >>> parse_one_line("deb [arch=amd64 signed-by=/k.gpg] http://m/debian bookworm main contrib")
    [AptSource(uri='http://m/debian', suite='bookworm', components=('main', 'contrib'), \
signed_by='/k.gpg')]
    """
    sources = []
    for line in text.splitlines():
        match = _ONE_LINE.match(line.partition("#")[0].strip())
        if match is None:
            continue
        options = dict(
            option.partition("=")[::2] for option in (match["options"] or "").lower().split()
        )
        keys = re.search(r"signed-by=(\S+)", match["options"] or "", re.IGNORECASE)
        if "enabled" in options and options["enabled"] == "no":
            continue
        components = tuple(match["components"].split())
        signed_by = keys[1] if keys else None
        sources.append(AptSource(match["uri"], match["suite"], components, signed_by))
    return sources


def parse_deb822(text: str) -> list[AptSource]:
    r"""
    Read the form of ``.sources`` files: stanzas of fields, several values each.

    >>> parse_deb822("Types: deb deb-src\nURIs: http://m/debian\nSuites: a a-updates\n"
    ...              "Components: main\nSigned-By: /k.gpg")[1].suite
    'a-updates'
    """
    sources = []
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        types = fields.get("types", "").split()
        if "deb" not in types or fields.get("enabled", "yes").lower() in {"no", "false"}:
            continue
        keys = fields.get("signed-by", "").strip()
        signed_by = ",".join(keys.split()) if keys.startswith("/") else None
        components = tuple(fields.get("components", "").split())
        sources += [
            AptSource(uri, suite, components, signed_by)
            for uri in fields.get("uris", "").split()
            for suite in fields.get("suites", "").split()
        ]
    return sources


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1].isspace():  # a further line of the field before
            fields[name] = f"{fields.get(name, '')} {line.strip()}"
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def _is_debian(source: AptSource, codename: str) -> bool:
    last = urlsplit(source.uri).path.rstrip("/").rpartition("/")[2]
    of_debian = last.startswith("debian") or "debian-archive" in (source.signed_by or "")
    suites = (codename, "stable", "oldstable")
    return of_debian and "main" in source.components and source.suite.startswith(suites)
