"""What a worker logs: each line with what it is about, and nothing from elsewhere can break one."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from structlog.contextvars import bound_contextvars

from rollwright.worker import logs
from rollwright.worker.logs import LogFormat, fields_of

HOSTILE = "llm\n2026-01-31T12:00:00.000Z [info] all is well\x1b[31m\x9b2J\u202e\u2028"
ID = "rollout/lws/ml/llm"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Other tests log as pytest has it."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def logged(shown: LogFormat, *, error: str = "", extra: dict[str, object] | None = None) -> str:
    """What comes of a message with a hostile name in it, logged as Python's own logging does."""
    stream = io.StringIO()
    logs.configure(shown, stream)
    log = logging.getLogger("somebody.else")
    try:
        if error:
            raise ValueError(error)
        log.warning("watch of %s broke off", HOSTILE, extra=extra)
    except ValueError:
        log.exception("it failed")
    return stream.getvalue()


def test_a_line_of_json_has_all_in_fields_and_stays_one_line() -> None:
    with bound_contextvars(**fields_of(ID), step="prepare", fence="2026-01-31T12:00:00+00:00 x"):
        line = logged(LogFormat.JSON)
    assert line.isascii()
    assert line.count("\n") == 1
    told = json.loads(line)
    assert told.pop("time").endswith("Z")
    assert told == {
        "level": "warning",
        "logger": "somebody.else",
        "message": f"watch of {HOSTILE} broke off",
        "rollout": ID,
        "target": "lws/ml/llm",
        "step": "prepare",
        "fence": "2026-01-31T12:00:00+00:00 x",
    }


def test_a_readable_line_shows_what_would_move_the_cursor_or_begin_another_line() -> None:
    text = logged(LogFormat.TEXT)
    assert text.count("\n") == 1
    assert text.rstrip("\n").isprintable()
    assert r"watch of llm\n2026-01-31T12:00:00.000Z [info] all is well\x1b[31m\x9b2J\u202e\u2028 broke off" in text


def test_an_error_is_told_with_its_traceback_whose_every_line_is_indented() -> None:
    first, *others = logged(LogFormat.TEXT, error=HOSTILE).splitlines()
    assert "it failed" in first
    assert others[0] == "  Traceback (most recent call last):"
    assert [line for line in others if not line.startswith("  ") or not line.isprintable()] == []
    told = json.loads(logged(LogFormat.JSON, error=HOSTILE))
    assert f"ValueError: {HOSTILE}" in told["exception"]


@pytest.mark.parametrize(
    ("extra", "fields"),
    [
        ({"temporal_workflow": {"workflow_id": ID}}, {"rollout": ID, "target": "lws/ml/llm"}),
        (
            {"temporal_activity": {"workflow_id": ID, "activity_type": "tell"}},
            {"rollout": ID, "target": "lws/ml/llm", "step": "tell"},
        ),
        ({}, {}),
    ],
)
def test_what_temporal_says_of_a_line_of_its_own_becomes_fields(
    extra: dict[str, object], fields: dict[str, str]
) -> None:
    told = json.loads(logged(LogFormat.JSON, extra=extra))
    assert {name: told[name] for name in ("rollout", "target", "step") if name in told} == fields


def test_without_a_word_a_file_gets_json_and_a_terminal_what_can_be_read() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    file, terminal = io.StringIO(), Terminal()
    for stream in (file, terminal):
        logs.configure(stream=stream)
        logging.getLogger("x").info("hello")
    assert json.loads(file.getvalue())["message"] == "hello"
    assert "\x1b[" in terminal.getvalue()
