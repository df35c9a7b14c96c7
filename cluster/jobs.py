"""Jobs that a gate runs for a target: made once each, looked at, and cleaned up.

They go with the target, and by themselves some time after their end, should nobody clean them up.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from rollwright.cluster import names
from rollwright.cluster.api import JOBS, PODS, Api, Manifest
from rollwright.cluster.causes import bad_exit_of, condition, unreadiness_of
from rollwright.cluster.errors import ClusterError, ConflictError, MissingError, NotYetError, RefusedError
from rollwright.cluster.jobtemplates import Backstop, job
from rollwright.cluster.objects import TargetObject, controller_of, is_terminating, label
from rollwright.cluster.snapshot import now
from rollwright.rollout.gates.job import job_name
from rollwright.rollout.gates.questions import JobRun, JobSeen, JobState

_LOG_LINES = 20
_LOG_BYTES = 4096
_LOG_BYTES_READ = 4 * _LOG_BYTES
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_OUTCOMES = {
    "Complete": JobState.SUCCEEDED,
    "Failed": JobState.FAILED,
    # These come first, while pods that are needed no more still end.
    "SuccessCriteriaMet": JobState.SUCCEEDED,
    "FailureTarget": JobState.FAILED,
}
_PHASES = {JobState.SUCCEEDED: "Succeeded", JobState.FAILED: "Failed"}


def gate_of(rollout: str) -> str:
    """What stands for the gates of a rollout in a label, where its workflow id is too long, and has slashes."""
    return hashlib.sha256(rollout.encode()).hexdigest()[:16]


async def check(api: Api, item: TargetObject, template: Manifest) -> None:
    """Ask the API server whether it would take such a Job. Raises the ClusterError that comes of it."""
    run = JobRun(name=job_name(item.name, "dry run"))
    asked = job(item, template, run, gate="check", backstop=Backstop(deadline_seconds=1, kept_seconds=1))
    await api.create(JOBS, item.namespace, asked, dry_run=True)


async def run(
    api: Api, item: TargetObject, template: Manifest, runs: Sequence[JobRun], *, gate: str, backstop: Backstop
) -> list[JobSeen]:
    """Make the Jobs that don't exist yet, and tell how far each is, in the order of `runs`.

    `template`: the spec of a Job, or a whole one. `gate`: whose they are, as a value for a label (see `gate_of`); a Job
    of the same name that exists is taken as it is, if it is of the same.

    Raises RefusedError for a template that can't be used and MissingError for a Job that was begun and has gone, before
    anything is made; RefusedError also for a Job of somebody else's that has the name of one, NotYetError while the
    one that has it goes.
    """
    wanted = {run.name: job(item, template, run, gate=gate, backstop=backstop) for run in runs}
    selector = f"{names.GATE}={gate},{names.TARGET_UID}={item.uid}"
    listing = await api.list_all(JOBS, item.namespace, selector)
    found = {one["metadata"]["name"]: one for one in listing["items"]}
    if gone := next((run.name for run in runs if run.begun and run.name not in found), ""):
        # Also where the rollout has gone on and cleaned up, and this is done by a worker that doesn't know it yet.
        raise MissingError(f"{item}: the Job {gone} has gone, and it isn't known how it ended")
    jobs = []
    for name, manifest in wanted.items():
        standing = found.get(name) or await _create(api, item, manifest)
        if is_terminating(standing):
            raise NotYetError(f"{item}: the Job {name} is being deleted; it is made anew once it has gone")
        jobs.append(standing)
    pods = (await api.list_all(PODS, item.namespace, selector))["items"]
    return list(await asyncio.gather(*(_look(api, one, _pods_of(one, pods)) for one in jobs)))


async def clean_up(api: Api, namespace: str, gate: str, before: datetime) -> None:
    """Delete the Jobs that carry this value in the label, and with each its pods. One that is gone is fine.

    Only those made before a moment: a clean-up that comes late must not hit those of a later gate.
    """
    listing = await api.list_all(JOBS, namespace, f"{names.GATE}={gate}")
    for found in listing["items"]:
        metadata = found["metadata"]
        if datetime.fromisoformat(metadata["creationTimestamp"]) > before:
            continue
        try:
            # Unless told otherwise, the API server would leave its pods to themselves.
            as_read = {"uid": metadata["uid"]}
            await api.delete(JOBS, namespace, metadata["name"], as_read, propagation="Background")
        except (ConflictError, MissingError):
            continue  # it has gone meanwhile, whatever has its name now


async def _create(api: Api, item: TargetObject, manifest: Manifest) -> Manifest:
    """Make a Job, or find the one that was made just now."""
    metadata = manifest["metadata"]
    try:
        return await api.create(JOBS, item.namespace, manifest)
    except ConflictError as error:
        try:
            found = await api.get(JOBS, item.namespace, metadata["name"])
        except MissingError:
            raise error from None
    if label(found, names.GATE) != metadata["labels"][names.GATE]:
        raise RefusedError(
            f"{item}: there is a Job {metadata['name']} in namespace {item.namespace} that this gate hasn't made; "
            "delete it, or give it another name"
        )
    if label(found, names.TARGET_UID) != item.uid:
        raise NotYetError(
            f"{item}: the Job {metadata['name']} belongs to an earlier target of this name, and goes with it"
        )
    return found


def _pods_of(found: Manifest, pods: Sequence[Manifest]) -> list[Manifest]:
    uid = found["metadata"]["uid"]
    return [pod for pod in pods if (controller_of(pod) or {}).get("uid") == uid]


async def _look(api: Api, found: Manifest, pods: list[Manifest]) -> JobSeen:
    name: str = found["metadata"]["name"]
    outcome = next((one for one in map(partial(condition, found), _OUTCOMES) if one.get("status") == "True"), None)
    if outcome is None:
        return JobSeen(name=name, state=JobState.RUNNING, why=_waits_for(found, pods))
    state = _OUTCOMES[outcome["type"]]
    if not pods:
        return JobSeen(name=name, state=state, why=_line(_told(outcome), "no log: none of its pods is left"))
    last = max(pods, key=lambda pod: (pod["status"].get("phase") == _PHASES[state], _age_key(pod)))
    bad = bad_exit_of(last) if state is JobState.FAILED else None
    why = (bad.words if bad else "", _told(outcome))
    try:
        log = await _log(api, last, bad.container if bad else _main_container(last))
    except ClusterError as error:
        return JobSeen(name=name, state=state, why=_line(*why, f"no log: {error}"))
    return JobSeen(name=name, state=state, why=_line(*why), log=log)


async def _log(api: Api, pod: Manifest, container: str) -> str:
    """The end of a log. Raises the ClusterError that stands in the way."""
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    text = await api.log(namespace, name, container, lines=_LOG_LINES, limit_bytes=_LOG_BYTES_READ)
    lines = "\n".join(_printable(line) for line in text.splitlines()[-_LOG_LINES:])
    return lines.encode()[-_LOG_BYTES:].decode(errors="ignore")


def _waits_for(found: Manifest, pods: list[Manifest]) -> str:
    suspended = condition(found, "Suspended")
    if suspended.get("status") == "True":
        return _line(_told(suspended))
    if not pods:
        return "it has no pod yet"
    unready = unreadiness_of(max(pods, key=_age_key), now())
    return unready.words if unready else ""


def _age_key(pod: Manifest) -> tuple[str, str]:
    """Larger for pods that were made later."""
    metadata = pod["metadata"]
    return metadata["creationTimestamp"], metadata["name"]


def _main_container(pod: Manifest) -> str:
    named: str = pod["metadata"].get("annotations", {}).get(_DEFAULT_CONTAINER, "")
    return named or str(pod["spec"]["containers"][0]["name"])


def _told(found: Manifest) -> str:
    """A condition in words."""
    reason, message = found.get("reason", ""), found.get("message", "")
    return f"{reason}: {message}" if reason and message else reason or message


def _line(*parts: str) -> str:
    return " ".join(_printable("; ".join(part for part in parts if part)).split())


def _printable(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(one if one.isprintable() else " " for one in text)
