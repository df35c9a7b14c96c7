"""Jobs of gates as the activities run them: on a real API server, with pods that are played."""

import json
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from rollwright.activities.answers import Answers
from rollwright.activities.connections import PLAIN_REACH
from rollwright.activities.gating import GateCheck
from rollwright.activities.jobgates import check_templates
from rollwright.activities.messages import CheckGate
from rollwright.cluster.api import connect
from rollwright.cluster.errors import ForbiddenError, RefusedError
from rollwright.rollout.gates.gate import Finding, Progress
from rollwright.rollout.gates.job import JobGate, job_name
from rollwright.rollout.gates.questions import JobRun, JobsSeen, JobState, RunJobs
from rollwright.rollout.spec import Change, GatedStep, Strategy
from tests.cluster.conftest import NAME, Real
from tests.devcluster.standin.namespace import Json, until
from tests.e2e.rights import account, grant, without

pytestmark = pytest.mark.real

ROLLOUT = f"rollout/lws/default/{NAME}"
SOON = datetime.now(UTC) + timedelta(days=1)


def template(image: str = "probe:1", **told: str) -> Json:
    """Of a Job whose pod does as it is told; `_` in the place of `-`."""
    annotations = {f"devcluster.rollwright.io/{name.replace('_', '-')}": how for name, how in told.items()}
    return {
        "template": {"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "p", "image": image}]}}
    }


def asked(rollout: str = ROLLOUT, /, **given: Any) -> RunJobs:
    usual = {
        "rollout": rollout,
        "template": template(exit_after="0s"),
        "runs": [JobRun(name=job_name(NAME, f"{rollout} {ordinal}")) for ordinal in (1, 2)],
        "deadline_seconds": 600,
    }
    return RunJobs.model_validate(usual | given)


def check(real: Real, revision: str = "") -> CheckGate:
    """Of a gate after a step that updates group 2, and is shown at once."""
    return CheckGate(
        target=real.named,
        template=revision,
        gate=JobGate(template=template()),
        progress=Progress(since=time.time()),
        step=1,
        strategy=strategy(template()),
        show_after_seconds=0,
    )


async def answer(real: Real, question: RunJobs, answers: Answers | None = None) -> JobsSeen:
    found = await (answers or Answers(real.api, PLAIN_REACH)).answer(real.target, check(real), question)
    assert isinstance(found, JobsSeen)
    return found


async def jobs_of(real: Real) -> dict[str, Json]:
    items: list[Json] = json.loads(await real.kubectl("get", "jobs", "--output=json"))["items"]
    return {item["metadata"]["name"]: item for item in items}


def strategy(*templates: Json) -> Strategy:
    """One with a job gate in each of its steps."""
    steps = [GatedStep(until=until, gates=(JobGate(template=each),)) for until, each in enumerate(templates, 1)]
    return Strategy(steps=tuple(steps))


async def test_jobs_are_run_and_told_in_the_order_they_are_asked_for(real: Real) -> None:
    seen = await until(
        partial(answer, real, asked()), lambda seen: all(job.state is JobState.SUCCEEDED for job in seen.jobs)
    )
    assert [job.name for job in seen.jobs] == [run.name for run in asked().runs]
    assert (seen.error, seen.refused) == ("", "")


async def test_a_group_that_is_not_seen_on_the_new_revision_is_waited_for(real: Real) -> None:
    await real.is_ready(3)
    revision = await real.keep(Change(images={"model": "m:2"}))
    gate = GateCheck(real.target, check(real, revision), Answers(real.api, PLAIN_REACH).answer)

    waits = await ActivityEnvironment().run(gate.check)

    assert (waits.finding, waits.message) == (
        Finding.PENDING,
        "0 of 1 Jobs have succeeded; waits for the address of group 2",
    )
    assert await jobs_of(real) == {}


async def test_a_job_ends_and_goes_by_itself_if_nobody_looks_after_it(real: Real) -> None:
    await answer(real, asked())
    for job in (await jobs_of(real)).values():
        assert (job["spec"]["activeDeadlineSeconds"], job["spec"]["ttlSecondsAfterFinished"]) == (600, 86400)


async def test_what_the_api_server_refuses_is_told_apart_from_what_cannot_be_had_now(real: Real) -> None:
    refused = await answer(real, asked(template={"template": {"spec": {}}}))
    assert "containers: Required value" in refused.refused
    assert (refused.error, refused.jobs) == ("", ())

    await grant(real, without("jobs"))
    async with connect(str(await account(real))) as api:
        forbidden = await answer(real, asked(), Answers(api, PLAIN_REACH))
    assert "jobs" in forbidden.error
    assert "not permitted" in forbidden.error
    assert (forbidden.refused, forbidden.jobs) == ("", ())
    assert await jobs_of(real) == {}


async def test_all_jobs_of_a_rollout_are_cleaned_up_and_no_others(real: Real) -> None:
    other = asked("rollout/sts/default/llm")
    await answer(real, asked())
    await answer(real, other)

    for _ in range(2):
        await Answers(real.api, PLAIN_REACH).clean_up(real.named, ROLLOUT, SOON)

    assert set(await jobs_of(real)) == {run.name for run in other.runs}


async def test_every_template_of_a_strategy_is_tried_and_nothing_is_made(real: Real) -> None:
    item = await real.target.read_object()
    await check_templates(real.api, item, strategy(template(), template()))
    await check_templates(real.api, item, Strategy())
    with pytest.raises(RefusedError, match=r"gate job of step 2: .*image: Required value"):
        await check_templates(real.api, item, strategy(template(), template(image="")))
    assert await jobs_of(real) == {}


async def test_without_the_right_to_make_jobs_that_is_told_at_once(real: Real) -> None:
    item = await real.target.read_object()
    await grant(real, without("jobs", "create"))
    async with connect(str(await account(real))) as api:
        await check_templates(api, item, Strategy())
        with pytest.raises(ForbiddenError, match=r"gate job of step 1: create jobs .*: not permitted; grant this verb"):
            await check_templates(api, item, strategy(template()))
