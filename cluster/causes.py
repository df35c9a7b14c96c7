"""Why a pod doesn't serve, told apart in kind, by its own state alone: no events, no nodes, no claims are read.

Sources: what the kubelet, the scheduler, the node lifecycle controller and the API server of Kubernetes 1.36 write.
Some things they only tell in events: why a volume isn't mounted, what a probe answered, which quota a pod exceeds.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from rollwright.cluster.api import Manifest
from rollwright.rollout.observation import Cause


class Unreadiness(NamedTuple):
    """Why something doesn't serve: in kind, and in words on one line."""

    cause: Cause
    words: str


STARTING = Unreadiness(Cause.STARTING, "starting")
LEAVING = Unreadiness(Cause.STARTING, "leaving")

_MOST_TELLING_FIRST = (
    Cause.CONFIG,
    Cause.IMAGE,
    Cause.CRASH,
    Cause.NODE,
    Cause.VOLUME,
    Cause.UNSCHEDULABLE,
    Cause.GATED,
    # A pod that isn't there yet explains why another waits for it, not the other way round.
    Cause.STARTING,
    Cause.UNREADY,
)
_WAITING = {
    **dict.fromkeys(("ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName"), Cause.IMAGE),
    **dict.fromkeys(("ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed"), Cause.IMAGE),
    **dict.fromkeys(("CreateContainerConfigError", "CreateContainerError", "RunContainerError"), Cause.CONFIG),
    **dict.fromkeys(("PreCreateHookError", "PreStartHookError", "PostStartHookError"), Cause.CONFIG),
    "CrashLoopBackOff": Cause.CRASH,
}
_USUAL_WAITS = ("ContainerCreating", "PodInitializing")
_NEVER_RAN = ("StartError", "ContainerCannotRun")
"""How runtimes call the end of a container whose command can't be run."""
_CALM = timedelta(minutes=10)
"""The kubelet itself forgets a crash after a run of this length."""
_LEAST_RUN = timedelta(seconds=10)
_SANDBOX_PATIENCE = timedelta(minutes=1)
"""Attaching volumes takes a while also when all is well."""
_DELETION_PATIENCE = timedelta(minutes=1)


def most_telling(found: list[Unreadiness]) -> Unreadiness:
    """The one that doesn't heal by waiting, or else the one that others follow from; the first of equals."""
    return min(found, key=lambda one: _MOST_TELLING_FIRST.index(one.cause), default=STARTING)


def unreadiness_of(pod: Manifest, now: datetime) -> Unreadiness | None:
    """Why this pod doesn't serve, without its name; None if it does."""
    if "deletionTimestamp" in pod["metadata"]:
        return _lost(pod) or _overdue(pod, now) or _crashed(pod) or LEAVING
    if condition(pod, "Ready").get("status") == "True":
        return None
    found = _lost(pod) or _unheard(pod) or _unscheduled(pod) or _failing_container(pod, now)
    return found or _without_sandbox(pod, now) or _unready(pod)


class Exit(NamedTuple):
    """How a container has ended."""

    container: str
    words: str


def bad_exit_of(pod: Manifest) -> Exit | None:
    """Of its containers that have ended with an exit code but 0 the first to do so: others are ended on its account."""
    status = pod.get("status", {})
    containers = [*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])]
    ended = [(container, container.get("state", {}).get("terminated") or {}) for container in containers]
    bad = [(container, end) for container, end in ended if end.get("exitCode")]
    if not bad:
        return None
    container, end = min(bad, key=lambda found: found[1].get("finishedAt") or "")
    return Exit(container["name"], _told(container, end).words)


def condition(pod: Manifest, kind: str) -> Manifest:
    """The pod's condition of this kind; empty if it has none."""
    conditions: list[Manifest] = pod.get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == kind), {})


def _is_unscheduled(pod: Manifest) -> bool:
    """Whether the scheduler has found no node for it."""
    return bool(condition(pod, "PodScheduled").get("status") == "False")


def _lost(pod: Manifest) -> Unreadiness | None:
    """It has lost its node or its place there: evicted, preempted, refused by the kubelet, or the node is gone.

    A pod may be a disruption target without consequence: an eviction that was only tried leaves the condition behind.
    """
    status = pod.get("status", {})
    if "reason" in status:
        return Unreadiness(Cause.NODE, _sentence(status["reason"], status.get("message", "")))
    target = condition(pod, "DisruptionTarget")
    failed = status.get("phase") == "Failed"
    if target.get("status") == "True" and (failed or "deletionTimestamp" in pod["metadata"]):
        return Unreadiness(Cause.NODE, _sentence(target.get("reason", "DisruptionTarget"), target.get("message", "")))
    return Unreadiness(Cause.NODE, "the pod has failed") if failed else None


def _unheard(pod: Manifest) -> Unreadiness | None:
    """Its node is away: the node lifecycle controller takes back readiness, and leaves that of the containers."""
    ready, containers = condition(pod, "Ready"), condition(pod, "ContainersReady")
    if (ready.get("status"), containers.get("status")) != ("False", "True"):
        return None
    if ready.get("reason") == "ReadinessGatesNotReady":
        return None
    since = ready.get("lastTransitionTime", "a while ago")
    return Unreadiness(Cause.NODE, f"nothing is heard of its node {pod['spec'].get('nodeName', '')} since {since}")


def _overdue(pod: Manifest, now: datetime) -> Unreadiness | None:
    """It should be gone, and only the kubelet of its node can say that it is."""
    due: str = pod["metadata"]["deletionTimestamp"]
    node = pod["spec"].get("nodeName")
    if not node or pod["metadata"].get("finalizers") or now - datetime.fromisoformat(due) < _DELETION_PATIENCE:
        return None
    return Unreadiness(Cause.NODE, f"leaving, due at {due}: its node {node} doesn't say that it is gone")


def _crashed(pod: Manifest) -> Unreadiness | None:
    """It leaves because it crashed: LWS recreates a group as soon as a container of it is started again."""
    metadata = pod["metadata"]
    grace = timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)
    deleted = datetime.fromisoformat(metadata["deletionTimestamp"]) - grace
    for container in _containers(pod):
        end, state = _last_end(container), container.get("state", {})
        run = state.get("running") or state.get("terminated")
        if end and run and not _has_calmed(end, run, deleted):
            crash = _told(container, end)
            return crash._replace(words=f"leaving, {crash.words}")
    return None


def _unscheduled(pod: Manifest) -> Unreadiness | None:
    if not _is_unscheduled(pod):
        return None
    scheduled = condition(pod, "PodScheduled")
    reason, message = scheduled.get("reason", "Unschedulable"), scheduled.get("message", "")
    if reason == "SchedulingGated":
        gates = ", ".join(gate["name"] for gate in pod["spec"].get("schedulingGates", []))
        return Unreadiness(Cause.GATED, _sentence(reason, f"{gates}: {message}" if gates else message))
    # Beside a lack of anything else, volumes are what keeps it from some of the nodes only.
    volume = "volume" in message.lower() and "Insufficient" not in message
    return Unreadiness(Cause.VOLUME if volume else Cause.UNSCHEDULABLE, _sentence(reason, message))


def _failing_container(pod: Manifest, now: datetime) -> Unreadiness | None:
    found = [trouble for container in _containers(pod) if (trouble := _container_trouble(container, now))]
    return most_telling(found) if found else None


def _containers(pod: Manifest) -> list[Manifest]:
    """The statuses of its containers that aren't ready; one that initializes is, once it has succeeded."""
    status = pod.get("status", {})
    containers = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    return [container for container in containers if not container.get("ready")]


def _container_trouble(container: Manifest, now: datetime) -> Unreadiness | None:
    waiting = container.get("state", {}).get("waiting") or {}
    reason: str = waiting.get("reason", "")
    message: str = waiting.get("message", "")
    if reason in _USUAL_WAITS:
        return None
    cause = _WAITING.get(reason, Cause.STARTING)
    if cause in (Cause.IMAGE, Cause.CONFIG):
        return Unreadiness(cause, _sentence(reason, message))
    if crash := _crash(container, now):
        return crash._replace(words=f"{reason}: {crash.words}") if reason else crash
    return Unreadiness(cause, _sentence(reason, message)) if reason else None


def _crash(container: Manifest, now: datetime) -> Unreadiness | None:
    """How the container has ended, if it waits to be started again, or was just now."""
    state = container.get("state", {})
    end = state.get("terminated") or _last_end(container)
    run = state.get("running")
    if not end or (run is not None and _has_calmed(end, run, now)):
        return None
    return _told(container, end)


def _told(container: Manifest, end: Manifest) -> Unreadiness:
    cause = Cause.CONFIG if end.get("reason") in _NEVER_RAN else Cause.CRASH
    how = f"{container.get('name', 'a container')} exited with {end.get('exitCode')} ({end.get('reason', 'Error')})"
    return Unreadiness(cause, _sentence(how, end.get("message") or ""))


def _last_end(container: Manifest) -> Manifest | None:
    end: Manifest | None = container.get("lastState", {}).get("terminated")
    return end


def _has_calmed(end: Manifest, run: Manifest, until: datetime) -> bool:
    """Whether it has run for longer than it did before it crashed: between two crashes it seems well for a moment."""
    if not (end.get("startedAt") and end.get("finishedAt") and run.get("startedAt")):
        return True
    before = datetime.fromisoformat(end["finishedAt"]) - datetime.fromisoformat(end["startedAt"])
    return before >= _CALM or until - datetime.fromisoformat(run["startedAt"]) > max(2 * before, _LEAST_RUN)


def _without_sandbox(pod: Manifest, now: datetime) -> Unreadiness | None:
    """It has a node, and there is nothing to start its containers in: that waits for volumes, and for the network."""
    sandbox = condition(pod, "PodReadyToStartContainers")
    since = sandbox.get("lastTransitionTime")
    if sandbox.get("status") != "False" or not since or now - datetime.fromisoformat(since) < _SANDBOX_PATIENCE:
        return None
    told = _sentence(f"PodReadyToStartContainers is False since {since}", sandbox.get("message", ""))
    return Unreadiness(Cause.VOLUME, f"{told}: its volumes or its network don't come up, its events say why")


def _unready(pod: Manifest) -> Unreadiness:
    """Nothing is wrong with it: it isn't there yet, or it runs, and its readiness probe fails."""
    initialized, ready = condition(pod, "Initialized"), condition(pod, "Ready")
    if initialized.get("status") == "False" and initialized.get("message"):
        return Unreadiness(Cause.STARTING, _line(initialized["message"]))
    containers = pod.get("status", {}).get("containerStatuses", [])
    if not containers or not all(one.get("state", {}).get("running") for one in containers):
        return STARTING
    cause = Cause.UNREADY if all(one.get("started", True) for one in containers) else Cause.STARTING
    return Unreadiness(cause, _line(ready.get("message") or "running, not ready"))


def _sentence(reason: str, message: str) -> str:
    return _line(f"{reason}: {message}" if message else reason)


def _line(text: str) -> str:
    """On one line, without what a terminal would obey."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def restarts(pod: Manifest) -> int:
    """How often containers of the pod have been started anew."""
    status = pod.get("status", {})
    containers = (one for name in ("initContainerStatuses", "containerStatuses") for one in status.get(name) or ())
    return sum(int(one.get("restartCount", 0)) for one in containers)
