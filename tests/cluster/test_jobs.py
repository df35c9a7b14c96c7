"""Jobs of a gate, on the real API server and Job controller; their pods are played."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from rollwright.cluster import jobs
from rollwright.cluster.api import Api, connect
from rollwright.cluster.errors import ForbiddenError, MissingError, NotYetError, RefusedError
from rollwright.cluster.jobtemplates import Backstop
from rollwright.rollout.gates.job import job_name
from rollwright.rollout.gates.questions import JobRun, JobSeen, JobState
from tests.cluster.conftest import NAME, Real
from tests.devcluster.standin.namespace import Json, until
from tests.e2e.rights import account, grant, without

pytestmark = pytest.mark.real

GATE = jobs.gate_of("rollout/lws/default/llm")
SOON = datetime.now(UTC) + timedelta(days=1)
OTHER_GATE = jobs.gate_of("rollout/sts/default/llm")
FIRST, SECOND, THIRD = (
    JobRun(name=job_name(NAME, group), environment={"GROUP": group}) for group in ("llm-3", "llm-2", "llm-1")
)
LONG = Backstop(deadline_seconds=600, kept_seconds=600)


def template(**told: str) -> Json:
    """Of a Job whose pod does as it is told; `_` in the place of `-`."""
    annotations = {f"devcluster.rollwright.io/{name.replace('_', '-')}": how for name, how in told.items()}
    containers = [{"name": "probe", "image": "probe:1", "env": [{"name": "OWN", "value": "1"}]}]
    return {"template": {"metadata": {"annotations": annotations}, "spec": {"containers": containers}}}


PASSES, FAILS, RUNS = template(exit_after="0s"), template(exit_after="0s", exit_code="3"), template(exit_after="1h")


async def run(
    real: Real, asked: Json, *runs: JobRun, gate: str = GATE, backstop: Backstop = LONG, api: Api | None = None
) -> list[JobSeen]:
    item = await real.target.read_object()
    return await jobs.run(api or real.api, item, asked, runs or (FIRST,), gate=gate, backstop=backstop)


async def ended(real: Real, asked: Json, *, backstop: Backstop = LONG, api: Api | None = None) -> JobSeen:
    """One of them, once it has ended."""
    again = partial(run, real, asked, backstop=backstop, api=api)
    (seen,) = await until(again, lambda found: found[0].state is not JobState.RUNNING)
    return seen


async def found(real: Real) -> dict[str, Json]:
    """All Jobs of the namespace."""
    items: list[Json] = json.loads(await real.kubectl("get", "jobs", "--output=json"))["items"]
    return {item["metadata"]["name"]: item for item in items}


async def pods_of_jobs(real: Real) -> list[str]:
    return (await real.kubectl("get", "pods", "--selector=batch.kubernetes.io/job-name", "--output=name")).split()


async def has_log(real: Real, *lines: str) -> None:
    """Whatever runs in the namespace has written this."""
    path = real.folder / "container.log"
    path.write_text("".join(f"2026-01-01T00:00:00Z stdout F {line}\n" for line in lines))
    spec = {"selector": {"matchNamespaces": [real.namespace.name]}, "logs": [{"logsFile": str(path)}]}
    kind = {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "ClusterLogs"}
    await real.apply({**kind, "metadata": {"name": real.namespace.name}, "spec": spec})


async def foreign(real: Real, name: str) -> str:
    """Somebody else's Job of this name; its uid."""
    spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "x:1"}]}}}
    await real.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec})
    return await uid(real, name)


async def uid(real: Real, name: str) -> str:
    uid: str = (await found(real))[name]["metadata"]["uid"]
    return uid


async def test_a_job_runs_and_passes_and_the_end_of_its_log_is_kept(real: Real) -> None:
    await has_log(real, *(f"line {number}" for number in range(30)))
    (first,) = await run(real, PASSES)
    assert (first.name, first.state, first.log) == (FIRST.name, JobState.RUNNING, "")

    seen = await until(partial(ended, real, PASSES), lambda seen: seen.log)

    assert seen.state is JobState.SUCCEEDED
    assert seen.why.startswith("CompletionsReached: ")
    assert seen.log.splitlines() == [f"line {number}" for number in range(10, 30)]


async def test_a_job_that_fails_tells_the_exit_code(real: Real) -> None:
    seen = await ended(real, FAILS)

    assert seen.state is JobState.FAILED
    assert seen.why.startswith(
        "probe exited with 3 (Error); BackoffLimitExceeded: Job has reached the specified backoff limit"
    )


async def test_a_log_that_cannot_be_had_changes_no_outcome_and_is_told(real: Real) -> None:
    seen = await ended(real, PASSES)

    assert (seen.state, seen.log) == (JobState.SUCCEEDED, "")
    assert f"no log: get pods/log {real.namespace.name}/{FIRST.name}-" in seen.why


async def test_of_a_log_no_more_is_kept_than_4_kb_and_nothing_that_a_terminal_obeys(real: Real) -> None:
    await has_log(real, *(f"\x1b[31m{'é' * 500}" for _ in range(8)), "the end")

    seen = await until(partial(ended, real, PASSES), lambda seen: seen.log)

    assert 4000 < len(seen.log.encode()) <= 4096
    assert seen.log.endswith("é\nthe end")
    assert "\x1b" not in seen.log


async def test_a_job_that_takes_too_long_fails(real: Real) -> None:
    seen = await ended(real, RUNS, backstop=Backstop(deadline_seconds=1, kept_seconds=600))

    assert seen.state is JobState.FAILED
    assert seen.why.startswith("DeadlineExceeded: ")


async def test_while_a_job_does_not_start_it_tells_what_it_waits_for(real: Real) -> None:
    again = partial(run, real, template(fail="image-pull"))

    (seen,) = await until(again, lambda found: "ImagePullBackOff" in found[0].why)

    assert seen.state is JobState.RUNNING
    assert seen.why == 'ImagePullBackOff: Back-off pulling image "probe:1"'


async def test_a_suspended_job_says_so(real: Real) -> None:
    (seen,) = await until(partial(run, real, {**RUNS, "suspend": True}), lambda found: "suspended" in found[0].why)
    assert seen.state is JobState.RUNNING


async def test_a_job_is_made_once_also_by_two_at_once(real: Real) -> None:
    await asyncio.gather(run(real, RUNS, FIRST, SECOND), run(real, RUNS, FIRST, SECOND))
    before = {name: item["metadata"]["uid"] for name, item in (await found(real)).items()}
    made = real.api.requests["create jobs"]

    seen = await run(real, RUNS, SECOND, FIRST)

    assert [one.name for one in seen] == [SECOND.name, FIRST.name]
    assert {name: item["metadata"]["uid"] for name, item in (await found(real)).items()} == before
    assert real.api.requests["create jobs"] == made


async def test_one_that_was_begun_and_has_gone_is_not_made_again_nor_are_others(real: Real) -> None:
    await run(real, RUNS, FIRST)
    await jobs.clean_up(real.api, real.namespace.name, GATE, SOON)

    with pytest.raises(MissingError, match=f"the Job {FIRST.name} has gone, and it isn't known how it ended"):
        await run(real, RUNS, SECOND, FIRST.model_copy(update={"begun": True}))

    assert await found(real) == {}


async def test_its_containers_are_told_what_it_runs_for(real: Real) -> None:
    await run(real, RUNS, FIRST, SECOND)

    for name, group in ((FIRST.name, "llm-3"), (SECOND.name, "llm-2")):
        (container,) = (await found(real))[name]["spec"]["template"]["spec"]["containers"]
        assert container["env"] == [{"name": "GROUP", "value": group}, {"name": "OWN", "value": "1"}]


async def test_clean_up_takes_all_jobs_of_a_gate_with_their_pods_and_may_be_repeated(real: Real) -> None:
    await run(real, RUNS, FIRST, THIRD)
    await run(real, RUNS, SECOND, gate=OTHER_GATE)
    await until(partial(pods_of_jobs, real), lambda pods: len(pods) == 3)

    for _ in range(2):
        await jobs.clean_up(real.api, real.namespace.name, GATE, SOON)

    assert set(await found(real)) == {SECOND.name}
    (left,) = await until(partial(pods_of_jobs, real), lambda pods: len(pods) == 1)
    assert SECOND.name in left


async def test_a_job_of_somebody_else_is_left_alone(real: Real) -> None:
    theirs = await foreign(real, FIRST.name)

    with pytest.raises(RefusedError, match=f"there is a Job {FIRST.name} in namespace .* this gate hasn't made"):
        await run(real, PASSES)
    await jobs.clean_up(real.api, real.namespace.name, GATE, SOON)

    assert await uid(real, FIRST.name) == theirs


async def test_a_job_of_another_gate_is_not_taken_for_this_ones(real: Real) -> None:
    await run(real, RUNS)

    with pytest.raises(RefusedError, match="this gate hasn't made"):
        await run(real, RUNS, gate=OTHER_GATE)


async def test_a_job_that_is_being_deleted_is_waited_for(real: Real) -> None:
    await run(real, {"metadata": {"finalizers": ["example.com/hold"]}, **whole(RUNS)})
    await jobs.clean_up(real.api, real.namespace.name, GATE, SOON)

    with pytest.raises(NotYetError, match="is being deleted"):
        await run(real, RUNS)

    await real.kubectl("patch", "job", FIRST.name, "--type=merge", '--patch={"metadata": {"finalizers": null}}')
    await run(real, RUNS)


def whole(spec: Json) -> Json:
    return {"apiVersion": "batch/v1", "kind": "Job", "spec": spec}


async def test_jobs_and_their_pods_go_with_the_target(real: Real) -> None:
    await run(real, RUNS)
    await until(partial(pods_of_jobs, real), lambda pods: len(pods) == 1)

    await real.kubectl("delete", "lws", NAME)

    await until(partial(found, real), lambda left: not left)
    await until(partial(pods_of_jobs, real), lambda pods: not pods)


async def test_a_job_of_an_earlier_target_of_this_name_is_not_taken_for_this_ones(real: Real) -> None:
    await run(real, RUNS)
    await real.kubectl("label", "--overwrite", "job", FIRST.name, "rollwright.io/target-uid=of-an-earlier-one")

    with pytest.raises(NotYetError, match="belongs to an earlier target of this name"):
        await run(real, RUNS)


async def test_a_template_is_checked_by_the_api_server_and_nothing_is_made(real: Real) -> None:
    item = await real.target.read_object()

    await jobs.check(real.api, item, PASSES)
    with pytest.raises(RefusedError, match=r"spec\.template\.spec\.containers: Required value"):
        await jobs.check(real.api, item, {"template": {"spec": {}}})

    assert await found(real) == {}


async def test_the_documented_rights_are_enough(real: Real) -> None:
    await has_log(real, "hello")
    await grant(real)
    async with connect(str(await account(real))) as api:
        await jobs.check(api, await real.target.read_object(), PASSES)
        seen = await until(partial(ended, real, PASSES, api=api), lambda seen: seen.log)
        await foreign(real, SECOND.name)
        with pytest.raises(RefusedError):
            await run(real, PASSES, SECOND, api=api)
        await jobs.clean_up(api, real.namespace.name, GATE, SOON)

    assert seen.log == "hello"
    assert set(await found(real)) == {SECOND.name}


async def test_without_the_right_to_run_jobs_that_is_told(real: Real) -> None:
    await grant(real, without("jobs"))
    async with connect(str(await account(real))) as api:
        with pytest.raises(ForbiddenError, match=r"jobs .*: not permitted"):
            await run(real, PASSES, api=api)
        with pytest.raises(ForbiddenError, match=r"jobs .*: not permitted"):
            await jobs.clean_up(api, real.namespace.name, GATE, SOON)


async def test_without_the_right_to_read_logs_a_job_decides_all_the_same(real: Real) -> None:
    await grant(real, without("pods/log"))
    async with connect(str(await account(real))) as api:
        seen = await ended(real, FAILS, api=api)

    assert (seen.state, seen.log) == (JobState.FAILED, "")
    assert "exited with 3" in seen.why
    assert "pods/log" in seen.why
    assert "not permitted" in seen.why
