"""A unit file as systemd reads it: settings that may be given more than once."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent

FOLDER: Final = ROOT / "deploy" / "systemd"

SERVICE: Final = FOLDER / "consul-edge.service"
SOCKET: Final = FOLDER / "consul-edge.socket"


def read(path: Path) -> dict[str, list[str]]:
    """Give every setting with all its values, whatever its section."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        name, sign, value = line.partition("=")
        if sign and not line.startswith(("#", ";")):
            found.setdefault(name.strip(), []).append(value.strip())
    return found


def is_on(settings: dict[str, list[str]], name: str) -> bool:
    """Tell whether a switch is on; what is not there is off."""
    return settings.get(name, ["no"])[-1] in ("yes", "true", "1", "on")
