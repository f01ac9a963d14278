"""
``consul-edge completion``: what shells need to complete commands, flags and file names.

It is made from the parser itself, so that it never falls behind.
"""

import argparse
from collections.abc import Iterator
from typing import Final

SUMMARY: Final = "print a completion script for a shell"

EXAMPLE: Final = """ bash > /etc/bash_completion.d/consul-edge
  consul-edge completion zsh > ~/.zfunc/_consul-edge
  consul-edge completion fish > ~/.config/fish/completions/consul-edge.fish"""

SHELLS: Final = ("bash", "zsh", "fish", "tcsh")

_FILES: Final = frozenset({"FILE", "PATH"})
_FOLDERS: Final = frozenset({"DIR"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``consul-edge completion`` understands."""
    parser.add_argument("shell", choices=SHELLS, help="which one")


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Make the script for the commands of *parser*."""
    import shtab

    for action in _actions(parser):
        if action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined] # shtab looks for it there
        elif action.metavar in _FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined] # the same
    made = shtab.complete(parser, shell=shell)
    return made if made.endswith("\n") else f"{made}\n"


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to list them
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - the same
            for below in action.choices.values():
                yield from _actions(below)
