"""``consul-edge completion``: what a shell offers once it has read the script."""

import shlex
import shutil
import subprocess

import pytest

from consul_edge import cli
from consul_edge.completion_command import SHELLS


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Print the script for a shell."""
    assert cli.run(["completion", shell]) == 0
    return capsys.readouterr().out


def offered(text: str, *words: str) -> list[str]:
    """Have bash complete the last of *words*, as it would at a prompt."""
    act = f"""{text}
        COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}
        COMP_LINE={shlex.quote(" ".join(words))}; COMP_POINT=${{#COMP_LINE}}
        $(complete -p consul-edge | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        printf '%s\\n' "${{COMPREPLY[@]}}" """
    bash = shutil.which("bash")
    assert bash is not None
    command = [bash, "--norc", "-c", act]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["consul-edge", "he"], ["healthcheck"]),
        (["consul-edge", "serve", "--co"], ["--config"]),
        (["consul-edge", "completion", "z"], ["zsh"]),
        (["consul-edge", "bench", "nodes", "--mode", "b"], ["baseline"]),
    ],
    ids=["command", "flag", "argument", "choice"],
)
def test_word_that_is_begun_is_completed(
    words: list[str], expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Bash itself says what it would offer."""
    assert offered(script("bash", capsys), *words) == expected


def test_file_of_a_flag_is_completed(capsys: pytest.CaptureFixture[str]) -> None:
    """Where a flag takes a file, files are offered."""
    assert "/etc/passwd" in offered(
        script("bash", capsys), "consul-edge", "serve", "--config", "/etc/passw"
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_script_of_every_shell_names_every_command(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is made from the parser, so that none is forgotten."""
    text = script(shell, capsys)
    for command in ("serve", "demo", "check-config", "healthcheck", "admin", "bench"):
        assert command in text
