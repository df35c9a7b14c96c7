"""The Job that a template asks for, for one run: what is ours to say is added, what the template says otherwise stays.

Pure. Only what we say ourselves may not be in a template; the rest of it is judged by the API server.
"""

import copy
from collections.abc import Mapping
from typing import NamedTuple

from rollwright.cluster import names
from rollwright.cluster.api import JOBS, Manifest
from rollwright.cluster.errors import RefusedError
from rollwright.cluster.objects import TargetObject
from rollwright.rollout.gates.job import is_whole_job
from rollwright.rollout.gates.questions import JobRun


class Backstop(NamedTuple):
    """What ends a Job, and removes it, if nobody else does; where the template says nothing itself."""

    deadline_seconds: int
    """It fails if it takes longer: activeDeadlineSeconds."""
    kept_seconds: int
    """It goes so long after its end: ttlSecondsAfterFinished. Longer than anybody takes to look at it."""


def job(item: TargetObject, template: Manifest, run: JobRun, *, gate: str, backstop: Backstop) -> Manifest:
    """The Job that runs for a target. `template`: the spec of a Job, or a whole one. `gate`: a value for a label.

    Raises RefusedError for a template that says what is ours to say, or that can't be added to.
    """
    whole = copy.deepcopy(template if is_whole_job(template) else {**_KIND, "spec": template})
    if found := {name: whole.get(name) for name in _KIND if whole.get(name) != _KIND[name]}:
        wrong = ", ".join(f"{name} {value}" for name, value in found.items())
        raise _refused(f"it has {wrong}; give the spec of a Job, or a whole Job of {JOBS.version}")
    metadata, spec = _object(whole, "metadata"), _object(whole, "spec")
    pod = _object(spec, "template")
    _check(metadata, _object(pod, "metadata"), item.namespace)
    ours = {names.GATE: gate, names.TARGET_UID: item.uid}
    for labelled in (metadata, pod["metadata"]):
        _object(labelled, "labels").update(ours)
    metadata |= {"name": run.name, "namespace": item.namespace, "ownerReferences": [item.owner_reference]}
    _add_defaults(
        spec,
        backoffLimit=0,
        activeDeadlineSeconds=backstop.deadline_seconds,
        ttlSecondsAfterFinished=backstop.kept_seconds,
    )
    _add_defaults(_object(pod, "spec"), restartPolicy="Never")
    _add_environment(pod["spec"], run.environment)
    return whole


_KIND = {"apiVersion": JOBS.version, "kind": "Job"}


def _check(metadata: Manifest, pod_metadata: Manifest, namespace: str) -> None:
    if name := metadata.get("name"):
        raise _refused(f"it has the name {name}; remove metadata.name, each run gets a name of its own")
    if metadata.get("ownerReferences"):
        raise _refused("it has owners; remove metadata.ownerReferences, it goes with the target")
    for found in (metadata, pod_metadata):
        if found.get("namespace") not in (None, namespace):
            raise _refused(f"it names the namespace {found['namespace']}; remove it, it runs in that of the target")


def _add_defaults(found: Manifest, **defaults: object) -> None:
    for name, value in defaults.items():
        if found.get(name) is None:
            found[name] = value


def _add_environment(pod_spec: Manifest, environment: Mapping[str, str]) -> None:
    """Before what the template has, which may refer to it, as in $(NAME)."""
    ours = [{"name": name, "value": value} for name, value in environment.items()]
    for container in (*_objects(pod_spec, "initContainers"), *_objects(pod_spec, "containers")):
        others = [variable for variable in _objects(container, "env") if variable.get("name") not in environment]
        container["env"] = ours + others


def _object(parent: Manifest, name: str) -> Manifest:
    """What stands under a name, put there if nothing does."""
    if parent.get(name) is None:
        parent[name] = {}
    found = parent[name]
    if not isinstance(found, dict):
        raise _refused(f"its {name} is {found!r:.50}; write an object with fields")
    return found


def _objects(parent: Manifest, name: str) -> list[Manifest]:
    found = parent.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _refused(f"its {name} is {found!r:.50}; write a list of objects with fields")
    return found


def _refused(why: str) -> RefusedError:
    return RefusedError(f"the template of the Job can't be used: {why}")
