"""The commands: what they print, how they exit, and what they hand to the server."""

import asyncio
import socket
import subprocess
import sys
import types
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from consul_edge import __version__, cli
from consul_edge.config import Secret, Settings
from consul_edge.config.sources import FLAGS
from consul_edge.core.address import parse_listen, parse_server
from consul_edge.core.errors import NoServer

COMMANDS = (
    "serve",
    "demo",
    "check-config",
    "print-config",
    "healthcheck",
    "admin",
    "categorize",
    "bench",
    "completion",
    "version",
)


class StubApp:
    """Stands where consul_edge.app would, and keeps what it was asked to serve."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.environ: dict[str, str] = {}
        self.loop = ""
        self.act: Callable[[], Awaitable[None]] | None = None

    async def serve(self, settings: Settings, *_: object) -> None:
        """Keep *settings*, and do what the test wants done."""
        self.settings = settings
        self.loop = type(asyncio.get_running_loop()).__module__
        if self.act is not None:
            await self.act()


class StubStandIn:
    """Stands where the embedded Consul would."""

    URL = "http://127.0.0.1:12345"
    made: "StubStandIn"

    def __init__(self, **arguments: object) -> None:
        self.arguments = arguments
        self.is_running = False
        StubStandIn.made = self

    @asynccontextmanager
    async def running(self, *, host: str, port: int) -> AsyncIterator[str]:
        """Be running for as long as the real one would."""
        assert (host, port) == ("127.0.0.1", 0)
        self.is_running = True
        yield self.URL
        self.is_running = False


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> StubApp:
    """Put a stub in the server's place, and a clean environment around it."""
    stub = StubApp()
    _put(monkeypatch, "consul_edge.app", serve=stub.serve)
    _put(monkeypatch, "consul_edge.demo.standin", StandIn=StubStandIn)
    monkeypatch.setattr("os.environ", stub.environ)
    return stub


def _put(monkeypatch: pytest.MonkeyPatch, name: str, **contents: object) -> None:
    module = types.ModuleType(name)
    module.__dict__.update(contents)
    monkeypatch.setitem(sys.modules, name, module)


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a fresh interpreter with an empty environment."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={}, check=False)


class TestExit:
    def test_main_exits_with_the_code_of_the_command(self) -> None:
        """The code of run becomes the code of the process."""
        with pytest.raises(SystemExit) as caught:
            cli.main(["version"])
        assert caught.value.code == 0

    @pytest.mark.parametrize(
        "argv",
        [
            [],
            ["nonsense"],
            ["serve", "--nonsense"],
            ["serve", "--conf", "x"],
            ["demo", "--nodes", "0"],
            ["demo", "--nodes", "many"],
            ["demo", "--services", "-1"],
            ["demo", "--churn", "-1"],
            ["demo", "--churn", "nan"],
            ["demo", "--churn", "inf"],
            ["demo", "--seed", "x"],
        ],
        ids=" ".join,
    )
    def test_wrong_usage_is_2_with_a_text(
        self, argv: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What argparse refuses is told on stderr; flags are not guessed from their beginnings."""
        with pytest.raises(SystemExit) as caught:
            cli.run(argv)
        out, err = capsys.readouterr()
        assert (caught.value.code, out) == (2, "")
        assert "error: " in err

    @pytest.mark.parametrize("command", ["serve", "check-config", "print-config"])
    def test_wrong_configuration_is_2_with_every_problem(
        self, command: str, app: StubApp, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Every command that loads tells all that is wrong, and does nothing else."""
        file = tmp_path / "edge.yaml"
        file.write_text("consul: {timeout: soon, timeot: 1}\n")
        assert cli.run([command, "--config", str(file), "--log-level", "loud"]) == 2
        out, err = capsys.readouterr()
        first, *problems = err.splitlines()
        assert first == "consul-edge: 3 problems in the configuration:"
        assert {"consul.timeot:", "consul.timeout:", "log.level:"} == {
            problem.split()[1] for problem in problems
        }
        assert (out, app.settings) == ("", None)

    def test_wrong_listen_of_the_demo_is_2(
        self, app: StubApp, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The demo's flags are checked before anything runs."""
        assert cli.run(["demo", "--listen", "nowhere"]) == 2
        assert "--listen: listen: 'nowhere'" in capsys.readouterr().err
        assert app.settings is None


class TestTexts:
    @pytest.mark.parametrize("argv", [["version"], ["--version"]], ids=" ".join)
    def test_version_is_printed(self, argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        """Both ways of asking give the same line."""
        with pytest.raises(SystemExit) as caught:
            cli.main(argv)
        assert (caught.value.code, f"consul-edge {__version__}\n") == (0, capsys.readouterr().out)

    @pytest.mark.parametrize("command", COMMANDS)
    def test_help_of_a_command_has_an_example(
        self, command: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Help teaches by something that can be typed."""
        with pytest.raises(SystemExit) as caught:
            cli.run([command, "--help"])
        assert caught.value.code == 0
        assert f"example:\n  consul-edge {command}" in capsys.readouterr().out

    def test_help_names_every_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The overview is whole."""
        with pytest.raises(SystemExit):
            cli.run(["--help"])
        out = capsys.readouterr().out
        assert [command for command in COMMANDS if f"    {command}" not in out] == []

    @pytest.mark.parametrize("flag", FLAGS.values())
    def test_flag_that_sets_something_is_one_of_serve(
        self, flag: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The names that problems give to flags are the flags' names."""
        with pytest.raises(SystemExit):
            cli.run(["serve", "--help"])
        assert f"{flag} " in capsys.readouterr().out

    @pytest.mark.usefixtures("app")
    def test_valid_configuration_is_said_to_be_valid(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """No problem is 0 and a word."""
        assert cli.run(["check-config"]) == 0
        assert capsys.readouterr().out == "the configuration is valid\n"

    def test_printed_configuration_masks_secrets(
        self, app: StubApp, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """print-config shows that there is a token, and where it came from."""
        app.environ.update({"CONSUL_HTTP_TOKEN": "b1gs3cret"})
        assert cli.run(["print-config"]) == 0
        out = capsys.readouterr().out
        assert "token: '***'  # CONSUL_HTTP_TOKEN" in out
        assert "b1gs3cret" not in out


class TestServe:
    def test_serve_hands_over_flags_environment_and_file(
        self, app: StubApp, tmp_path: Path
    ) -> None:
        """All three sources reach the server."""
        file = tmp_path / "edge.yaml"
        file.write_text("consul: {timeout: 7s}\n")
        app.environ.update({"CONSUL_HTTP_TOKEN": "word"})
        argv = ["serve", "--config", str(file), "--servers", "a,b:1", "--log-level", "debug"]
        assert cli.run([*argv, "--listen", ":1", "--listen", "unix:///run/e"]) == 0
        assert app.settings is not None
        assert (parse_listen(":1"), parse_listen("unix:///run/e")) == app.settings.listen
        assert (parse_server("a"), parse_server("b:1")) == app.settings.consul.servers
        assert app.settings.log.level == "debug"
        assert app.settings.consul.timeout == 7.0
        assert app.settings.consul.token == Secret("word")

    def test_serve_runs_on_uvloop(self, app: StubApp) -> None:
        """The faster loop is used where there is one."""
        pytest.importorskip("uvloop")
        assert cli.run(["serve"]) == 0
        assert app.loop == "uvloop"

    def test_serve_runs_without_uvloop(
        self, app: StubApp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where there is no uvloop, asyncio does."""
        monkeypatch.setitem(sys.modules, "uvloop", None)
        assert cli.run(["serve"]) == 0
        assert app.loop.startswith("asyncio")

    @pytest.mark.parametrize("has_uvloop", [True, False], ids=["uvloop", "asyncio"])
    def test_taken_port_is_1_with_one_line(
        self,
        has_uvloop: bool,
        app: StubApp,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """A listener that cannot be bound is told by its address, without a traceback."""
        if not has_uvloop:
            monkeypatch.setitem(sys.modules, "uvloop", None)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]

            async def bind() -> None:
                await asyncio.start_server(lambda *_: None, "127.0.0.1", port)

            app.act = bind
            assert cli.run(["serve"]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("consul-edge: ")
        assert f"'127.0.0.1', {port}" in line
        assert "already in use" in line

    def test_missing_file_at_run_time_is_1_with_its_name(
        self, app: StubApp, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A file that vanished since the check is named."""

        async def open_it() -> None:
            raise FileNotFoundError(2, "No such file or directory", "token")

        app.act = open_it
        assert cli.run(["serve"]) == 1
        assert capsys.readouterr().err == "consul-edge: No such file or directory: token\n"

    def test_error_of_the_edge_is_1_with_its_text(
        self, app: StubApp, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What the edge says of itself needs no traceback."""

        async def fail() -> None:
            raise NoServer({"a:8500": "refused"})

        app.act = fail
        assert cli.run(["serve"]) == 1
        assert (
            capsys.readouterr().err == "consul-edge: no Consul server answered: a:8500 refused\n"
        )

    def test_mistake_in_the_code_keeps_its_traceback(self, app: StubApp) -> None:
        """Only what is expected to happen is made short."""

        async def fail() -> None:
            raise ZeroDivisionError

        app.act = fail
        with pytest.raises(ZeroDivisionError):
            cli.run(["serve"])

    def test_interrupt_is_1_without_a_traceback(
        self, app: StubApp, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Ctrl-C before the server minds it ends the command in one line."""

        async def interrupt() -> None:
            raise KeyboardInterrupt

        app.act = interrupt
        assert cli.run(["serve"]) == 1
        assert capsys.readouterr().err == "consul-edge: interrupted\n"


class TestDemo:
    def test_demo_serves_the_embedded_consul(self, app: StubApp) -> None:
        """The stand-in runs while the edge serves it, in the same loop."""
        running = []

        async def look() -> None:
            running.append(StubStandIn.made.is_running)

        app.act = look
        assert cli.run(["demo"]) == 0
        assert app.settings is not None
        server = parse_server(StubStandIn.URL)
        assert ((server,), server) == (
            app.settings.consul.servers,
            app.settings.consul.local_agent,
        )
        assert (running, StubStandIn.made.is_running) == ([True], False)

    @pytest.mark.usefixtures("app")
    @pytest.mark.parametrize(
        ("argv", "arguments"),
        [
            ([], {"nodes": 12, "services": 155, "churn": 1.0, "seed": None}),
            (
                ["--nodes", "3", "--services", "5", "--churn", "0", "--seed", "7"],
                {"nodes": 3, "services": 5, "churn": 0.0, "seed": 7},
            ),
        ],
        ids=["defaults", "all"],
    )
    def test_demo_is_of_the_size_asked_for(
        self, argv: list[str], arguments: dict[str, object]
    ) -> None:
        """The flags reach the stand-in."""
        assert cli.run(["demo", *argv]) == 0
        assert arguments == StubStandIn.made.arguments

    def test_demo_does_not_look_at_the_environment(self, app: StubApp) -> None:
        """No token or TLS meant for a real Consul meets the embedded one."""
        env = {"CONSUL_HTTP_TOKEN": "word", "CONSUL_HTTP_SSL": "true", "CONSUL_EDGE_NOTHING": "x"}
        app.environ.update(env)
        assert cli.run(["demo"]) == 0
        assert app.settings is not None
        assert app.settings.consul.token is None
        assert app.settings.consul.servers[0].scheme == "http"

    def test_demo_may_listen_where_consul_would(self, app: StubApp) -> None:
        """The default server is not the demo's, so its address is free for the listener."""
        assert cli.run(["demo", "--listen", "127.0.0.1:8500", "--log-level", "error"]) == 0
        assert app.settings is not None
        assert (parse_listen("127.0.0.1:8500"),) == app.settings.listen
        assert app.settings.log.level == "error"


class TestStart:
    @pytest.mark.parametrize("command", ["version", "check-config", "print-config"])
    def test_small_command_does_not_load_the_server(self, command: str) -> None:
        """Nothing that only serving needs is imported."""
        code = (
            "import sys; from consul_edge.cli import run; run([sys.argv[1]]);"
            "print(sorted({'aiohttp', 'asyncio', 'structlog', 'uvloop'} & set(sys.modules)))"
        )
        done = run_python("-c", code, command)
        assert done.stdout.splitlines()[-1] == "[]"

    def test_healthcheck_loads_nothing_that_serves(self) -> None:
        """It runs every few seconds; told where to ask, it does not even read a configuration."""
        code = (
            "import sys; from consul_edge.cli import run;"
            "run(['healthcheck', '--url', 'http://127.0.0.1:1']);"
            "print(sorted({'aiohttp', 'asyncio', 'structlog', 'yaml', 'msgspec', 'shtab'}"
            " & set(sys.modules)))"
        )
        done = run_python("-c", code)
        assert done.stdout.splitlines()[-1] == "[]"

    def test_version_does_not_load_the_configuration(self) -> None:
        """The version needs neither YAML nor msgspec."""
        code = (
            "import sys; from consul_edge.cli import run; run(['version']);"
            "print(sorted({'yaml', 'msgspec', 'consul_edge.config'} & set(sys.modules)))"
        )
        assert run_python("-c", code).stdout.splitlines()[-1] == "[]"

    def test_module_runs_as_the_command(self) -> None:
        """``python -m consul_edge`` is the command line."""
        done = run_python("-m", "consul_edge", "version")
        assert (0, f"consul-edge {__version__}\n") == (done.returncode, done.stdout)
