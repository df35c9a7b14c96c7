"""People are told over real HTTP, by the real activity on a real Temporal server."""

import asyncio
import hashlib
import hmac
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from rollwright.activities import sending
from rollwright.activities.messages import ActivityName, News, Tell
from rollwright.activities.recipients import Recipient, Recipients
from rollwright.activities.telling import TellingActivities
from rollwright.cluster.events import Events, Happening, Origin
from rollwright.rollout.spec import Target
from tests.support.receiver import receiver

TARGET = Target(namespace="inference", name="llm")
GATED = Tell(
    target=TARGET,
    rollout=TARGET.workflow_id,
    uid="uid",
    news=News.GATED,
    line="gated, 2 of 4 groups done: gate 1 of 2 waits to be promoted",
    next=("rollwright promote lws/llm -n inference",),
    revision="llm-2",
    actor="ada",
    reason="new model",
    request_id="ci-7",
    done=2,
    replicas=4,
    at="2026-01-02T03:04:05+00:00",
)
SECRET = "s3cr3tT0ken"


def test_a_message_says_what_has_happened_and_how_to_go_on() -> None:
    assert sending.title(GATED) == "lws/llm in namespace inference: gated"
    assert sending.text(GATED) == (
        "gated, 2 of 4 groups done: gate 1 of 2 waits to be promoted\n"
        "\n"
        "To go on:\n"
        "  rollwright promote lws/llm -n inference\n"
        "\n"
        "revision llm-2, by ada (new model), ci-7"
    )


def test_what_pods_and_services_say_calls_nobody_in_a_chat() -> None:
    said = sending.text(
        GATED.model_copy(update={"line": "@everyone <!channel> <@U1> \x1b[2Jada@example.com", "reason": "@here"})
    )
    assert not any(call in said for call in ("@everyone", "<!channel>", "<@U1>", "@here", "\x1b"))
    assert "ada@example.com" in said


async def test_a_callback_is_sent_signed_json(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("a key\n")
    async with receiver() as receiving:
        recipient = _callback(receiving.port, hmac_key_file=key)
        assert await sending.send(recipient, GATED, "run/1") == ""
    (received,) = receiving.received
    timestamp = received.headers["X-Rollwright-Timestamp"]
    expected = hmac.new(b"a key", timestamp.encode() + b"." + received.body, hashlib.sha256).hexdigest()
    assert received.headers["X-Rollwright-Signature"] == f"sha256={expected}"
    assert abs(time.time() - int(timestamp)) < 60
    assert json.loads(received.body) == {
        "format": 1,
        "id": "run/1",
        "state": "pending",
        "event": "gated",
        "target": {"kind": "LeaderWorkerSet", "namespace": "inference", "name": "llm"},
        "rollout": "rollout/lws/inference/llm",
        "line": GATED.line,
        "next": ["rollwright promote lws/llm -n inference"],
        "revision": "llm-2",
        "actor": "ada",
        "reason": "new model",
        "requestId": "ci-7",
        "done": 2,
        "replicas": 4,
        "at": "2026-01-02T03:04:05+00:00",
    }


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_only_2xx_counts_as_taken_and_no_redirect_is_followed(status: int) -> None:
    async with receiver() as receiving:
        receiving.statuses = [status]
        assert await sending.send(_callback(receiving.port), GATED, "run/1") == f"callback (answers {status})"
    assert [received.path for received in receiving.received] == [f"/{SECRET}"]


async def test_proxies_of_the_environment_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver() as proxy, receiver() as receiving:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        assert await sending.send(_callback(receiving.port), GATED, "run/1") == ""
    assert (len(receiving.received), len(proxy.received)) == (1, 0)


async def test_a_name_that_stands_for_a_link_local_address_is_not_connected_to() -> None:
    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listening:
        address = f"http://2852039166:{listening.sockets[0].getsockname()[1]}/{SECRET}"  # 169.254.169.254 as a number
        recipient = Recipient.model_validate({"callback": address})
        began = time.monotonic()
        assert await sending.send(recipient, GATED, "run/1") == "callback (does not answer)"
        assert time.monotonic() - began < 2


async def test_a_receiver_that_hangs_is_given_up() -> None:
    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with receiver() as receiving:
        receiving.answer = hang
        with patch("rollwright.activities.sending._PATIENCE_SECONDS", 0.2):
            assert await sending.send(_callback(receiving.port), GATED, "run/1") == "callback (takes too long)"


async def test_apprise_tells_the_services_it_knows(caplog: pytest.LogCaptureFixture) -> None:
    async with receiver() as receiving:
        recipient = Recipient.model_validate({"url": f"json://user:{SECRET}@127.0.0.1:{receiving.port}/{SECRET}"})
        assert await sending.send(recipient, GATED, "run/1") == ""
        receiving.statuses = [500]
        with caplog.at_level(logging.DEBUG):
            assert await sending.send(recipient, GATED, "run/1") == "JSON (has not taken it)"
    received = json.loads(receiving.received[0].body)
    assert (received["title"], received["message"], received["type"]) == (
        sending.title(GATED),
        sending.text(GATED),
        "info",
    )
    assert SECRET not in caplog.text


async def test_apprise_does_not_block_the_loop() -> None:
    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1)
        return web.Response()

    async with receiver() as receiving:
        receiving.answer = hang  # on this very loop: blocked, it could never answer
        recipient = Recipient.model_validate({"url": f"json://127.0.0.1:{receiving.port}/"})
        assert await sending.send(recipient, GATED, "run/1") == ""


@workflow.defn
class Teller:
    """Tells one thing, as a rollout does."""

    @workflow.run
    async def run(self, told: Tell) -> None:
        await workflow.execute_activity(
            str(ActivityName.TELL),
            told,
            start_to_close_timeout=timedelta(seconds=20),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_attempts=3),
        )


@dataclass
class PlayedEvents:
    """Keeps what Events would be made."""

    made: list[tuple[str, str]] = field(default_factory=list)

    async def make(self, target: Target, uid: str, happening: Happening, origin: Origin) -> None:
        self.made.append((happening.reason, origin.key))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(temporal_binary: Path) -> AsyncIterator[WorkflowEnvironment]:
    async with await WorkflowEnvironment.start_local(
        data_converter=pydantic_data_converter, dev_server_existing_path=str(temporal_binary)
    ) as environment:
        yield environment


@asynccontextmanager
async def telling(
    server: WorkflowEnvironment, folder: Path, events: PlayedEvents, *recipients: dict[str, Any]
) -> AsyncIterator[str]:
    """A worker that tells these; the name of its queue."""
    path = folder / "notify.yaml"
    path.write_text(yaml.safe_dump({"notify": list(recipients)}))
    activities = TellingActivities(cast("Events", events), Recipients(path))
    queue = str(uuid.uuid4())
    async with Worker(
        server.client,
        task_queue=queue,
        workflows=[Teller],
        activities=activities.all(),
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield queue


@pytest.mark.real
async def test_who_was_told_is_not_told_again_because_another_was_not(
    server: WorkflowEnvironment, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    events = PlayedEvents()
    async with receiver() as good, receiver() as bad:
        bad.statuses = [503, 503]
        recipients: list[dict[str, Any]] = [
            {"callback": f"http://127.0.0.1:{good.port}/{SECRET}"},
            {"callback": f"http://127.0.0.1:{bad.port}/{SECRET}"},
            {"callback": f"http://127.0.0.1:{bad.port}/{SECRET}", "events": ["completed"]},
        ]
        with caplog.at_level(logging.DEBUG):
            async with telling(server, tmp_path, events, *recipients) as queue:
                await server.client.execute_workflow(Teller.run, GATED, id=queue, task_queue=queue)
    assert (len(good.received), len(bad.received)) == (1, 3)
    assert len({json.loads(received.body)["id"] for received in bad.received}) == 1
    assert {reason for reason, _ in events.made} == {"RolloutGated"}
    assert len({key for _, key in events.made}) == 1
    assert "callback (answers 503)" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.real
async def test_what_fails_for_good_names_no_address(server: WorkflowEnvironment, tmp_path: Path) -> None:
    recipients: list[dict[str, Any]] = [
        {"url": f"json://u:{SECRET}@127.0.0.1:1/{SECRET}"},
        {"callback": f"http://127.0.0.1:1/{SECRET}"},
    ]
    async with telling(server, tmp_path, PlayedEvents(), *recipients) as queue:
        with pytest.raises(WorkflowFailureError) as failed:
            await server.client.execute_workflow(Teller.run, GATED, id=queue, task_queue=queue)
    assert isinstance(failed.value.cause, ActivityError)
    assert isinstance(failed.value.cause.cause, ApplicationError)
    assert failed.value.cause.cause.message == "JSON (has not taken it); callback (does not answer)"
    history = await server.client.get_workflow_handle(queue).fetch_history()
    assert SECRET not in history.to_json()


def _callback(port: int, **given: Any) -> Recipient:
    return Recipient.model_validate({"callback": f"http://127.0.0.1:{port}/{SECRET}", **given})
