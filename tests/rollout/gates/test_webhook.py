"""What is told to a service, and what its answers come to."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from rollwright.rollout.gates.gate import Finding, Progress, follow
from rollwright.rollout.gates.kinds import AnyGate
from rollwright.rollout.gates.questions import Fetch, Fetched
from rollwright.rollout.gates.webhook import WebhookGate
from tests.rollout.gates.seen import NOW, context, groups

START = Progress(since=NOW)


def gate(**changes: Any) -> WebhookGate:
    read = TypeAdapter[AnyGate](AnyGate).validate_python({"kind": "http", "url": "https://smoke/tests"} | changes)
    assert isinstance(read, WebhookGate)
    return read


def judged(status: int | None, body: str = "", error: str = "") -> tuple[Finding, str]:
    reading = gate().judge(context(), START, (Fetched(status=status, body=body, error=error),))
    return reading.finding, reading.message


def test_it_tells_what_is_rolled_out() -> None:
    (question,) = gate(path="/v1/check", requestTimeout="3s").ask(context(), Progress(since=NOW, attempt=2))
    assert question == Fetch(
        url="https://smoke/tests",
        path="/v1/check",
        document={
            "id": "293ffc64919e9a5e4aca181a40edb0b6",
            "target": {"kind": "LeaderWorkerSet", "namespace": "inference", "name": "llm"},
            "rollout": "rollout/lws/inference/llm",
            "step": 2,
            "revision": "llm-7f9c",
            "new": [3, 5, 7],
            "old": [0, 1],
            "attempt": 2,
        },
        timeout_seconds=3,
    )


def told_id(subject: WebhookGate, progress: Progress = START, **seen: Any) -> str:
    (question,) = subject.ask(context(**seen), progress)
    assert isinstance(question, Fetch)
    assert question.document
    return str(question.document["id"])


def test_the_id_is_the_same_for_all_requests_of_an_attempt() -> None:
    later = Progress.model_validate_json(START.model_dump_json())
    later = later.model_copy(update={"asked_at": NOW + 30, "message": "answered 202", "inconclusives": 2})
    assert told_id(gate(), later, now=NOW + 60, groups=groups(new=(7,))) == told_id(gate())


def test_another_attempt_step_gate_or_rollout_has_another_id() -> None:
    ids = [
        told_id(gate()),
        told_id(gate(name="smoke")),
        told_id(gate(), step=3),
        told_id(gate(), rollout="rollout/lws/inference/other"),
        told_id(gate(), Progress(since=NOW + 0.001)),
        told_id(gate(), Progress(since=NOW, attempt=2)),
    ]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_success_lets_it_pass(status: int) -> None:
    assert judged(status) == (Finding.PASSED, f"answered {status}")


def test_accepted_is_asked_again_after_the_interval() -> None:
    assert judged(202, "3 of 10 prompts done") == (Finding.PENDING, "answered 202: 3 of 10 prompts done")
    assert (gate().interval_seconds, gate(interval="2m").interval_seconds) == (30, 120)


@pytest.mark.parametrize("status", [100, 199, 400, 401, 404, 428, 430, 500, 501, 505, 599])
def test_anything_else_has_it_fail(status: int) -> None:
    assert judged(status, "no") == (Finding.FAILED, f"answered {status}: no")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_stands_in_between_decides_nothing(status: int) -> None:
    assert judged(status, "try later") == (Finding.INCONCLUSIVE, f"answered {status}: try later")


@pytest.mark.parametrize("status", [301, 302, 304, 307, 308])
def test_a_redirect_has_it_fail(status: int) -> None:
    assert judged(status, "<a>here</a>") == (Finding.FAILED, f"answered {status}; redirects are not followed")


def test_no_answer_is_inconclusive_up_to_a_limit() -> None:
    assert judged(None, error="no answer within 10 s") == (Finding.INCONCLUSIVE, "no answer within 10 s")
    subject, progress = gate(inconclusiveLimit=1), START
    for expected in (Finding.PENDING, Finding.INCONCLUSIVE):
        progress = follow(subject, progress, subject.judge(context(), progress, (Fetched(error="refused"),)), NOW)
        assert progress.finding is expected


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("all good\n", ": all good"),
        ('{"message": "7 of 7 prompts", "secret": "x"}', ": 7 of 7 prompts"),
        ('{"result": "ok"}', ""),
        ("[1, 2]", ": [1, 2]"),
        ("", ""),
        (" \n ", ""),
        ("two\r\n\tlines", ": two lines"),
        ("\x1b[31mred\x00", ": [31mred"),
        ("x" * 1000, ": " + "x" * 200),
        ('{"message": "' + "x" * 1000 + '"}', ": " + "x" * 200),
        ("[" * 300, ": " + "[" * 200),
    ],
)
def test_the_message_is_what_the_answer_says_in_short(body: str, said: str) -> None:
    assert judged(200, body) == (Finding.PASSED, f"answered 200{said}")


@pytest.mark.parametrize(
    "path",
    ["check", "/../admin", "/a/../b", "/./a", "/%2e%2e/a", "//evil", "/a b", "/a?b=c", "/a#b", "/", "/a\\b", "@evil"],
)
def test_a_path_leads_nowhere_but_below_the_url(path: str) -> None:
    with pytest.raises(ValidationError, match="path"):
        gate(path=path)


def test_it_needs_one_source_without_credentials() -> None:
    with pytest.raises(ValidationError, match="give either url or connection"):
        gate(connection="smoke")
    with pytest.raises(ValidationError, match="write a connection instead"):
        gate(url="https://token@smoke")
    assert gate(url="https://smoke/a@b?c=d@e").url == "https://smoke/a@b?c=d@e"
    assert gate(url=None, connection="smoke").connection == "smoke"
    with pytest.raises(ValidationError, match="connection"):
        gate(url=None, connection="../smoke")


def test_it_is_read_as_it_was_written() -> None:
    written = gate(path="/v1", interval="1m", requestTimeout="5s", inconclusiveLimit=0, retries=2)
    assert WebhookGate.model_validate_json(written.model_dump_json(by_alias=True)) == written
