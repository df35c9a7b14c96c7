"""Why a pod doesn't serve: in kind, and in the words of whoever said so, from status documents as they are written."""

from datetime import UTC, datetime, timedelta

import pytest

from rollwright.cluster.causes import Exit, Unreadiness, bad_exit_of, unreadiness_of
from rollwright.rollout.observation import Cause
from tests.cluster.objects import Json, as_watched, pod

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
UNREADY = "containers with unready status: [model]"
BACK_OFF = "back-off 40s restarting failed container=model pod=llm-0_default(6a2f)"
NO_GPU = (
    "0/8 nodes are available: 8 Insufficient nvidia.com/gpu. no new claims to deallocate, "
    "preemption: 0/8 nodes are available: 8 No preemption victims found for incoming pod."
)
UNBOUND = "0/8 nodes are available: pod has unbound immediate PersistentVolumeClaims."
NO_CLAIM = '0/8 nodes are available: persistentvolumeclaim "weights" not found.'
AFFINITY = (
    "0/3 nodes are available: 1 node(s) had untolerated taint {cp: }, 2 node(s) had volume node affinity conflict."
)
FAR_AND_FULL = "0/8 nodes are available: 4 Insufficient nvidia.com/gpu, 4 node(s) had volume node affinity conflict."


def at(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def condition(kind: str, status: str, reason: str = "", message: str = "", *, since: float = -60) -> Json:
    told = {"type": kind, "status": status, "lastTransitionTime": at(since)}
    return told | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})


def placed(*containers: Json, init: list[Json] | None = None, phase: str = "Pending", **status: object) -> Json:
    """What a kubelet writes of a pod that isn't ready."""
    conditions = [
        condition("PodReadyToStartContainers", "True"),
        condition("Initialized", "True"),
        condition("Ready", "False", "ContainersNotReady", UNREADY),
        condition("ContainersReady", "False", "ContainersNotReady", UNREADY),
        condition("PodScheduled", "True"),
    ]
    known = {"phase": phase, "startTime": at(-60), "conditions": conditions, "containerStatuses": list(containers)}
    return known | ({"initContainerStatuses": init} if init else {}) | status


def with_conditions(status: Json, *others: Json) -> Json:
    named = {one["type"]: one for one in [*status["conditions"], *others]}
    return status | {"conditions": list(named.values())}


def container(state: Json, *, last: Json | None = None, restarts: int = 0, **more: object) -> Json:
    known = {"name": "model", "image": "m:2", "ready": False, "started": False, "restartCount": restarts}
    return known | {"state": state, "lastState": {"terminated": last} if last else {}} | more


def waiting(reason: str, message: str = "", **more: object) -> Json:
    return container({"waiting": {"reason": reason, **({"message": message} if message else {})}}, **more)  # type: ignore[arg-type]


def running(*, since: float = -40, **more: object) -> Json:
    return container({"running": {"startedAt": at(since)}}, **{"started": True, **more})  # type: ignore[arg-type]


def ended(code: int = 1, reason: str = "Error", *, ran: float = 3, until: float = -20, message: str = "") -> Json:
    end = {"exitCode": code, "reason": reason, "startedAt": at(until - ran), "finishedAt": at(until)}
    return end | ({"message": message} if message else {})


def nowhere(reason: str, message: str) -> Json:
    """What the scheduler writes of a pod it finds no node for."""
    return {"phase": "Pending", "conditions": [condition("PodScheduled", "False", reason, message)]}


def of(status: Json, *, leaving: Json | None = None, spec: Json | None = None) -> Unreadiness | None:
    one = pod(0, status=status)
    one["metadata"].update(leaving or {})
    one["spec"].update({"nodeName": "gpu-03"} | (spec or {}))
    (kept,) = as_watched([one])
    return unreadiness_of(kept, NOON)


INITIALIZING = with_conditions(
    placed(waiting("PodInitializing"), init=[running(name="fetch", started=False)]),
    condition("Initialized", "False", "ContainersNotInitialized", "containers with incomplete status: [fetch]"),
)
NODE_AWAY = with_conditions(
    placed(running(ready=True), phase="Running"), condition("Ready", "False"), condition("ContainersReady", "True")
)


@pytest.mark.parametrize(
    ("status", "cause", "words"),
    [
        pytest.param(nowhere("Unschedulable", NO_GPU), Cause.UNSCHEDULABLE, f"Unschedulable: {NO_GPU}", id="no GPU"),
        pytest.param(nowhere("Unschedulable", UNBOUND), Cause.VOLUME, f"Unschedulable: {UNBOUND}", id="unbound claim"),
        pytest.param(nowhere("Unschedulable", NO_CLAIM), Cause.VOLUME, f"Unschedulable: {NO_CLAIM}", id="no claim"),
        pytest.param(nowhere("Unschedulable", AFFINITY), Cause.VOLUME, f"Unschedulable: {AFFINITY}", id="far volume"),
        pytest.param(
            nowhere("Unschedulable", FAR_AND_FULL),
            Cause.UNSCHEDULABLE,
            f"Unschedulable: {FAR_AND_FULL}",
            id="the volume is far from some nodes, the others are full",
        ),
        pytest.param(nowhere("SchedulerError", "oops"), Cause.UNSCHEDULABLE, "SchedulerError: oops", id="scheduler"),
        pytest.param(
            placed(waiting("ErrImagePull", "rpc error: m:2: not found")),
            Cause.IMAGE,
            "ErrImagePull: rpc error: m:2: not found",
            id="first pull",
        ),
        pytest.param(
            placed(waiting("ImagePullBackOff", 'Back-off pulling image "m:2"')),
            Cause.IMAGE,
            'ImagePullBackOff: Back-off pulling image "m:2"',
            id="later pulls",
        ),
        pytest.param(placed(waiting("InvalidImageName")), Cause.IMAGE, "InvalidImageName", id="image name"),
        pytest.param(
            placed(waiting("CreateContainerConfigError", 'secret "token" not found')),
            Cause.CONFIG,
            'CreateContainerConfigError: secret "token" not found',
            id="missing secret",
        ),
        pytest.param(
            placed(waiting("RunContainerError", "no such file")),
            Cause.CONFIG,
            "RunContainerError: no such file",
            id="run",
        ),
        pytest.param(
            placed(waiting("CrashLoopBackOff", BACK_OFF, last=ended(137, "OOMKilled"), restarts=3), phase="Running"),
            Cause.CRASH,
            "CrashLoopBackOff: model exited with 137 (OOMKilled)",
            id="crash loop",
        ),
        pytest.param(
            placed(waiting("CrashLoopBackOff", BACK_OFF, last=ended(message="no CUDA\ndriver")), phase="Running"),
            Cause.CRASH,
            "CrashLoopBackOff: model exited with 1 (Error): no CUDA driver",
            id="crash loop with last words",
        ),
        pytest.param(
            placed(waiting("CrashLoopBackOff", BACK_OFF)),
            Cause.CRASH,
            f"CrashLoopBackOff: {BACK_OFF}",
            id="end unknown",
        ),
        pytest.param(
            placed(container({"terminated": ended(2)}), phase="Running"),
            Cause.CRASH,
            "model exited with 2 (Error)",
            id="crashed just now",
        ),
        pytest.param(
            placed(waiting("CrashLoopBackOff", BACK_OFF, last=ended(128, "StartError", message="exec: not found"))),
            Cause.CONFIG,
            "CrashLoopBackOff: model exited with 128 (StartError): exec: not found",
            id="a command that can't be run",
        ),
        pytest.param(
            placed(
                waiting("PodInitializing"), init=[waiting("CrashLoopBackOff", BACK_OFF, last=ended(), name="fetch")]
            ),
            Cause.CRASH,
            "CrashLoopBackOff: fetch exited with 1 (Error)",
            id="an init container crashes",
        ),
        pytest.param(
            placed(
                running(),
                init=[waiting("ImagePullBackOff", "no m:2", name="sidecar"), running(name="log", ready=True)],
            ),
            Cause.IMAGE,
            "ImagePullBackOff: no m:2",
            id="a sidecar has no image",
        ),
        pytest.param(
            placed(running(), waiting("CreateContainerConfigError", "no map", name="side"), phase="Running"),
            Cause.CONFIG,
            "CreateContainerConfigError: no map",
            id="one container of two",
        ),
        pytest.param(
            INITIALIZING,
            Cause.STARTING,
            "containers with incomplete status: [fetch]",
            id="an init container works",
        ),
        pytest.param(
            with_conditions(
                placed(waiting("ContainerCreating")), condition("PodReadyToStartContainers", "False", since=-90)
            ),
            Cause.VOLUME,
            f"PodReadyToStartContainers is False since {at(-90)}: its volumes or its network don't come up, "
            "its events say why",
            id="no sandbox for long",
        ),
        pytest.param(
            with_conditions(
                placed(waiting("ContainerCreating")), condition("PodReadyToStartContainers", "False", since=-5)
            ),
            Cause.STARTING,
            "starting",
            id="no sandbox yet",
        ),
        pytest.param(placed(waiting("ContainerCreating")), Cause.STARTING, "starting", id="the image is pulled"),
        pytest.param({"phase": "Pending"}, Cause.STARTING, "starting", id="nothing known yet"),
        pytest.param(placed(waiting("Novelty", "x")), Cause.STARTING, "Novelty: x", id="a reason nobody knows"),
        pytest.param(placed(running(), phase="Running"), Cause.UNREADY, UNREADY, id="readiness probe"),
        pytest.param(
            placed(running(), init=[container({"terminated": ended(0, "Completed")}, ready=True)], phase="Running"),
            Cause.UNREADY,
            UNREADY,
            id="an init container has done its work",
        ),
        pytest.param(
            placed(running(started=False), phase="Running"),
            Cause.STARTING,
            UNREADY,
            id="startup probe",
        ),
        pytest.param(
            with_conditions(
                placed(running(ready=True), phase="Running"),
                condition("Ready", "False", "ReadinessGatesNotReady", 'gate "lb" does not exist'),
                condition("ContainersReady", "True"),
            ),
            Cause.UNREADY,
            'gate "lb" does not exist',
            id="readiness gate",
        ),
        pytest.param(NODE_AWAY, Cause.NODE, f"nothing is heard of its node gpu-03 since {at(-60)}", id="node away"),
        pytest.param(
            placed(running(), phase="Running", reason="NodeLost", message="Node gpu-03 is unresponsive"),
            Cause.NODE,
            "NodeLost: Node gpu-03 is unresponsive",
            id="node lost",
        ),
        pytest.param(
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."},
            Cause.NODE,
            "Evicted: The node was low on resource: memory.",
            id="evicted",
        ),
        pytest.param(
            {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "Allocate failed: nvidia.com/gpu"},
            Cause.NODE,
            "UnexpectedAdmissionError: Allocate failed: nvidia.com/gpu",
            id="refused by the kubelet",
        ),
        pytest.param(
            {
                "phase": "Failed",
                "conditions": [
                    condition("DisruptionTarget", "True", "DeletionByPodGC", "PodGC: node no longer exists")
                ],
            },
            Cause.NODE,
            "DeletionByPodGC: PodGC: node no longer exists",
            id="node deleted",
        ),
        pytest.param({"phase": "Failed"}, Cause.NODE, "the pod has failed", id="failed"),
        pytest.param(
            with_conditions(
                placed(running(), phase="Running"), condition("DisruptionTarget", "True", "EvictionByEvictionAPI")
            ),
            Cause.UNREADY,
            UNREADY,
            id="an eviction that was only tried",
        ),
    ],
)
def test_a_pod_tells_what_it_lacks(status: Json, cause: Cause, words: str) -> None:
    assert of(status) == Unreadiness(cause, words)


def test_a_ready_pod_lacks_nothing_whatever_else_its_status_says() -> None:
    restarted = placed(running(ready=True, restarts=1, last=ended()), phase="Running")
    assert of(with_conditions(restarted, condition("Ready", "True"), condition("DisruptionTarget", "True"))) is None


def test_the_gates_that_hold_a_pod_back_are_named() -> None:
    blocked = "Scheduling is blocked due to non-empty scheduling gates"
    gated = of(nowhere("SchedulingGated", blocked), spec={"schedulingGates": [{"name": "queue/admission"}]})
    assert gated == Unreadiness(Cause.GATED, f"SchedulingGated: queue/admission: {blocked}")


@pytest.mark.parametrize(
    ("ran", "restarted", "cause"),
    [
        pytest.param(3, -2, Cause.CRASH, id="it has run shorter than before its crash"),
        pytest.param(3, -9, Cause.CRASH, id="about as short"),
        pytest.param(3, -30, Cause.UNREADY, id="it got over it"),
        pytest.param(180, -300, Cause.CRASH, id="it crashes after minutes, every time"),
        pytest.param(180, -400, Cause.UNREADY, id="it got further this time"),
        pytest.param(900, -2, Cause.UNREADY, id="one crash after a long time is no loop"),
    ],
)
def test_a_crash_loop_goes_on_while_its_container_runs_for_a_moment(ran: float, restarted: float, cause: Cause) -> None:
    again = running(since=restarted, restarts=4, last=ended(ran=ran, until=restarted - 20))
    why = of(placed(again, phase="Running"))
    assert why
    assert why.cause is cause


LEAVING = {"deletionTimestamp": at(10), "deletionGracePeriodSeconds": 30}


@pytest.mark.parametrize(
    ("status", "leaving", "cause", "words"),
    [
        pytest.param(placed(running(ready=True)), LEAVING, Cause.STARTING, "leaving", id="told to"),
        pytest.param(NODE_AWAY, LEAVING, Cause.STARTING, "leaving", id="the kubelet may still confirm it"),
        pytest.param(
            placed(container({"terminated": ended(143, until=-5)})), LEAVING, Cause.STARTING, "leaving", id="obeyed"
        ),
        pytest.param(
            placed(running(since=-21, restarts=1, last=ended(until=-21))),
            LEAVING,
            Cause.CRASH,
            "leaving, model exited with 1 (Error)",
            id="restarted just before: LWS recreates the group",
        ),
        pytest.param(
            placed(running(since=-900, restarts=1, last=ended(until=-900))),
            LEAVING,
            Cause.STARTING,
            "leaving",
            id="restarted long ago",
        ),
        pytest.param(
            with_conditions(
                placed(running()),
                condition("DisruptionTarget", "True", "DeletionByTaintManager", "deleting due to NoExecute taint"),
            ),
            LEAVING,
            Cause.NODE,
            "DeletionByTaintManager: deleting due to NoExecute taint",
            id="the node is unreachable",
        ),
        pytest.param(
            placed(running()),
            {"deletionTimestamp": at(-300), "deletionGracePeriodSeconds": 30},
            Cause.NODE,
            f"leaving, due at {at(-300)}: its node gpu-03 doesn't say that it is gone",
            id="overdue",
        ),
        pytest.param(
            placed(running()),
            {"deletionTimestamp": at(-300), "finalizers": ["foregroundDeletion"]},
            Cause.STARTING,
            "leaving",
            id="it waits for its workers to go",
        ),
    ],
)
def test_a_pod_that_leaves_tells_why_if_it_knows(status: Json, leaving: Json, cause: Cause, words: str) -> None:
    assert of(status, leaving=leaving) == Unreadiness(cause, words)


def test_words_are_on_one_line_and_harmless() -> None:
    why = of(placed(waiting("ErrImagePull", "not\n\tfound \x1b[2J here")))
    assert why
    assert why.words == "ErrImagePull: not found [2J here"


def exited(name: str, code: int, seconds: float) -> Json:
    reason = "Error" if code else "Completed"
    state = {"terminated": {"exitCode": code, "reason": reason, "finishedAt": at(seconds)}}
    return container(state) | {"name": name}


def exit_of(*containers: Json, init: list[Json] | None = None) -> Exit | None:
    return bad_exit_of(pod(0, status=placed(*containers, init=init, phase="Failed")))


def test_of_a_pod_that_has_failed_the_container_that_failed_first_is_named() -> None:
    """The others are ended on its account, those that stand by its side after it, and not well either."""
    found = exit_of(exited("probe", 3, 0), exited("other", 1, 2), init=[exited("proxy", 143, 2)])
    assert found == Exit("probe", "probe exited with 3 (Error)")


def test_a_container_that_initializes_may_be_the_one_that_failed() -> None:
    found = exit_of(container({"waiting": {"reason": "PodInitializing"}}), init=[exited("fetch", 2, 0)])
    assert found == Exit("fetch", "fetch exited with 2 (Error)")


def test_a_pod_whose_containers_ended_well_has_no_bad_exit() -> None:
    assert exit_of(exited("probe", 0, 0)) is None
    assert exit_of(container({"running": {"startedAt": at(0)}})) is None
