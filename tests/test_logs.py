import contextlib
import io
import json
import logging
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn, TextIO

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from consul_edge import metrics
from consul_edge.logs import configure, redact
from tests.upstream.making import value_of

SECRET = "5ecre7-0f-mine"


class Writer:
    """Logs one event as the process would, and gives the line."""

    def __init__(self, log_format: str) -> None:
        """Send all logs to a stream of this test's own."""
        self._format = log_format
        self._stream = io.StringIO()
        self.configure("info")

    @property
    def is_json(self) -> bool:
        """Whether lines are JSON."""
        return self._format == "json"

    def configure(self, level: str) -> None:
        """Do as the process does when it starts."""
        with contextlib.redirect_stderr(self._stream):
            configure(level=level, log_format=self._format)

    def __call__(self, event: str, **fields: object) -> str:
        """Log through structlog, as the edge does."""
        structlog.get_logger().info(event, **fields)
        return self.line()

    def foreign(self, message: str, *args: object) -> str:
        """Log through the standard library, as other libraries do."""
        logging.getLogger("some.library").warning(message, *args)
        return self.line()

    def lines(self) -> list[str]:
        """Take what was written."""
        written = self._stream.getvalue()
        self._stream.seek(0)
        self._stream.truncate()
        return written.splitlines()

    def line(self) -> str:
        """Take the one line that was written."""
        (line,) = self.lines()
        return line


@pytest.fixture(params=["logfmt", "json"])
def write(request: pytest.FixtureRequest) -> Iterator[Writer]:
    """Configure logging for one test, and only for that."""
    level, raises = logging.root.level, logging.raiseExceptions
    yield Writer(request.param)
    for handler in logging.root.handlers[:]:
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter):
            logging.root.removeHandler(handler)
    logging.root.setLevel(level)
    logging.raiseExceptions = raises
    structlog.reset_defaults()


def fail(text: str) -> NoReturn:
    """Raise what is to be logged."""
    raise ValueError(text)


VALUES = {
    "a target": f"/v1/kv/a?recurse&token={SECRET}",
    "a target with another behind": f"/v1/kv/a?token={SECRET}&dc=dc1",
    "semicolons": f"/v1/kv/a?x;token={SECRET}",
    "an encoded name": f"/v1/kv/a?%74oken={SECRET}",
    "another encoded name": f"/v1/kv/a?t%6fk%65n={SECRET}",
    "commas and quotes": f"/v1/kv/a?token=a,b'{SECRET}",
    "a header": f"X-Consul-Token: {SECRET}",
    "a bearer": f"Authorization: Bearer {SECRET}",
    "a basic": f"authorization:basic {SECRET}",
    "an environment": f"CONSUL_HTTP_TOKEN={SECRET}",
    "a mapping as text": f"{{'X-Consul-Token': '{SECRET}', 'Accept': '*/*'}}",
    "pairs as text": f"[('Authorization', 'Bearer {SECRET}')]",
    "raw pairs as text": f"((b'X-Consul-Token', b'{SECRET}'),)",
    "JSON as text": json.dumps({"token": SECRET, "other": 1}),
    "two forms in one": f"/v1/kv/a?token={SECRET} {{'X-Consul-Token': '{SECRET}'}}",
    "a mapping": {"X-Consul-Token": SECRET},
    "a mapping of bytes": {b"x-consul-token": SECRET.encode()},
    "a mapping within": {"request": {"headers": [{"Authorization": f"Bearer {SECRET}"}]}},
    "pairs": [("Accept", "*/*"), ("X-Consul-Token", SECRET)],
    "raw pairs": ((b"X-Consul-Token", SECRET.encode()),),
    "a multidict": CIMultiDict({"x-consul-token": SECRET}),
    "bytes": f"GET /?token={SECRET} HTTP/1.1".encode(),
    "an exception": ValueError(f"cannot parse /v1/kv/a?token={SECRET}"),
    "a set": {f"token={SECRET}"},
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_token_in_any_value_is_not_written(write: Writer, value: object) -> None:
    """However a value holds a token, the line that is written does not."""
    assert SECRET not in write("something happened", value=value)


@pytest.mark.parametrize(
    "value", [text for text in VALUES.values() if isinstance(text, str)], ids=str
)
def test_token_in_the_event_itself_is_not_written(write: Writer, value: str) -> None:
    """Also a message that was put together is looked through."""
    assert SECRET not in write(value)


@pytest.mark.parametrize(
    "name", ["token", "X-Consul-Token", "Authorization", "auth", "consul_token", "SecretID"]
)
@pytest.mark.parametrize(
    "value", [SECRET, SECRET.encode(), [SECRET]], ids=["str", "bytes", "list"]
)
def test_field_named_for_a_secret_is_blanked(write: Writer, name: str, value: object) -> None:
    """Whatever its value looks like."""
    line = write("something happened", **{name: value})
    assert SECRET not in line
    assert "***" in line


def test_token_bound_to_the_context_is_not_written(write: Writer) -> None:
    """Fields that come along from elsewhere are fields, too."""
    with structlog.contextvars.bound_contextvars(target=f"/?token={SECRET}"):
        assert SECRET not in write("something happened")


def test_token_in_a_libraries_log_is_not_written(write: Writer) -> None:
    """Libraries know nothing of the rule; the net holds for them."""
    assert SECRET not in write.foreign("GET %s failed", f"/v1/kv/a?token={SECRET}")


def test_token_in_an_exceptions_text_is_not_written(write: Writer) -> None:
    """A traceback ends in the error's text, which may repeat a request."""
    try:
        fail(f"bad target /v1/kv/a?token={SECRET}&raw")
    except ValueError:
        structlog.get_logger().exception("request failed")
    line = write.line()
    assert "ValueError: bad target /v1/kv/a?token=***&raw" in line
    assert SECRET not in line


@pytest.mark.parametrize(
    "text",
    [
        "server lost",
        "GET /v1/kv/a?recurse&dc=dc1",
        "clients without a token borrow the edge's (consul.token_for_clients)",
        "secret file read again",
        "10.0.0.1:8500 timed out after 2s",
    ],
)
def test_text_without_a_token_is_left_as_it_is(text: str) -> None:
    """The net does not eat what operators need."""
    assert redact(text) == text


@given(
    before=st.text(max_size=20),
    name=st.sampled_from(["token=", "?token=", "X-Consul-Token: ", "Authorization: Bearer "]),
    value=st.text("abcdef0123456789-", min_size=8),
    after=st.sampled_from(["", "&x=y", " HTTP/1.1", ";x", "\n"]),
)
def test_token_anywhere_in_a_text_is_blanked(
    before: str, name: str, value: str, after: str
) -> None:
    """Whatever stands before and behind."""
    shown = redact(f"{before}\n{name}{value}{after}")
    assert shown.endswith(f"{name}***{after}")


def fields(write: Writer, line: str) -> dict[str, str]:
    """Read a line back."""
    if write.is_json:
        read = json.loads(line)
        assert isinstance(read, dict)
        return {key: str(value) for key, value in read.items()}
    found = re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))', line)
    return {key: quoted or plain for key, quoted, plain in found}


@pytest.fixture
def _far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be in a zone that is eight hours ahead."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Etc/GMT-8")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_far_east")
def test_time_is_written_in_utc_with_milliseconds(write: Writer) -> None:
    """Logs of machines in several zones are read together."""
    stamp = fields(write, write("something happened"))["ts"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(stamp)) < timedelta(minutes=1)


def test_fields_are_written_beside_level_and_event(write: Writer) -> None:
    """A line has its time, its level, what happened, and with what."""
    read = fields(write, write("server lost", server="a:8500", tries=3, known=True))
    assert list(read)[:3] == ["ts", "level", "event"] or write.is_json
    assert (read["level"], read["event"]) == ("info", "server lost")
    assert (read["server"], read["tries"]) == ("a:8500", "3")
    assert read["known"].lower() == "true"


def test_libraries_log_is_rendered_like_the_edges(write: Writer) -> None:
    """One format for the whole process, with the arguments put in."""
    read = fields(write, write.foreign("%d of %s", 7, "nine"))
    assert (read["level"], read["event"]) == ("warning", "7 of nine")
    assert re.fullmatch(r"\S+\.\d{3}Z", read["ts"])


def test_libraries_exception_is_rendered_in_the_same_line(write: Writer) -> None:
    """A traceback is a field, or one event would be many lines for a machine."""
    try:
        fail("the reason")
    except ValueError:
        logging.getLogger("some.library").exception("it failed")
    assert "ValueError: the reason" in fields(write, write.line())["exception"]


def test_line_that_cannot_be_written_tells_no_token(write: Writer) -> None:
    """What a library logs wrongly is reported by its place, not by its arguments."""
    write.configure("info")  # pytest's own handler would raise
    told = write.foreign("%d tries", f"/v1/kv/a?token={SECRET}")
    assert told.startswith("a log line of some.library (test_logs.py:")
    assert told.endswith("cannot be written: TypeError")


def test_value_with_a_line_end_stays_one_line(write: Writer) -> None:
    """Nobody can forge a second event through a value."""
    line = write("something happened", value="a\nts=x level=error event=forged")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("level", "written"), {"debug": 4, "info": 2, "warning": 0, "error": 0}.items()
)
def test_level_below_the_configured_one_is_not_written(
    write: Writer, level: str, written: int
) -> None:
    """It holds for the edge's logs and for libraries'."""
    write.configure(level)
    for log in (structlog.get_logger(), logging.getLogger("some.library")):
        log.debug("fine")
        log.info("coarse")
    assert len(write.lines()) == written


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[TextIO]:
    """Give a file that stands where a manager says that the journal is."""
    with (tmp_path / "journal").open("w+") as stream:
        yield stream
    configure(level="info", log_format="logfmt", journal_stream="")


def begin(stream: TextIO, said: str, log_format: str = "logfmt") -> None:
    """Do as the process does whose stderr that is, and reload its level once."""
    with contextlib.redirect_stderr(stream):
        configure(level="info", log_format=log_format, journal_stream=said)
        configure(level="debug", log_format=log_format)


def name_of(stream: TextIO) -> str:
    """Give what a manager would say of a stream."""
    status = os.fstat(stream.fileno())
    return f"{status.st_dev}:{status.st_ino}"


def written(stream: TextIO) -> list[str]:
    """Read what went there."""
    stream.seek(0)
    return stream.read().splitlines()


def test_line_of_the_journal_begins_with_its_priority(write: Writer, journal: TextIO) -> None:
    """The edge's and libraries', in either format."""
    begin(journal, name_of(journal), "json" if write.is_json else "logfmt")
    log = structlog.get_logger()
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(log, level)("event")
    logging.getLogger("some.library").warning("event")
    lines = written(journal)
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<3>", "<2>", "<4>"]
    assert {line[3] for line in lines} == {"{" if write.is_json else "t"}


@pytest.mark.usefixtures("write")
@pytest.mark.parametrize("said", ["", "1:2", "nonsense"])
def test_line_that_goes_elsewhere_has_no_priority(journal: TextIO, said: str) -> None:
    """A variable that a parent left, or a stderr that was sent to a file, is no journal."""
    begin(journal, said)
    structlog.get_logger().warning("event")
    assert [line[:3] for line in written(journal)] == ["ts="]


def test_lines_that_are_written_are_counted_by_level(write: Writer) -> None:
    """Those of the edge and of libraries; what is below the level is none."""
    counter = metrics.LOG_MESSAGES.labels("warning")
    before = value_of(counter)

    structlog.get_logger().warning("one")
    logging.getLogger("a library").warning("two")
    structlog.get_logger().debug("none")

    assert value_of(counter) - before == 2
