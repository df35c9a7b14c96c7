"""Templates of a LeaderWorkerSet: what of it is a revision, changed as asked, and the object that keeps it. Pure."""

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from rollwright.cluster import names
from rollwright.cluster.api import Manifest
from rollwright.cluster.errors import RefusedError
from rollwright.rollout.spec import Change

_PARTS = ("leaderWorkerTemplate", "networkConfig")


def template_of(lws: Manifest) -> Manifest:
    """The part of the spec that makes a revision (LWS: the templates and networkConfig)."""
    return {part: lws["spec"][part] for part in _PARTS if lws["spec"].get(part) is not None}


def digest(template: Manifest) -> str:
    """A short name for the content of a template."""
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


def kept_name(lws: Manifest, template: Manifest) -> str:
    """The name under which a template is kept; the same content of the same object has the same name.

    What was kept for a deleted object of the same name goes some time after it, and must not be taken for this one's.
    """
    metadata = lws["metadata"]
    return f"{metadata['name']}-rw-{metadata['uid'][:8]}-{digest(template)}"


def digest_of_kept(name: str) -> str:
    """The digest in the name of a kept template."""
    return name.rpartition("-")[2]


def render(change: Change, lws: Manifest, restarted_at: str) -> Manifest:
    """The template after the change. Raises RefusedError if the change doesn't fit the target."""
    template = copy.deepcopy(template_of(lws))
    if change.images:
        _set_images(template, change.images)
    elif change.patch:
        template["leaderWorkerTemplate"] = merge_patch(template["leaderWorkerTemplate"], change.patch)
    elif change.manifest:
        template = _from_manifest(change.manifest, lws)
    elif change.restart:
        for pod in _pod_templates(template):
            pod.setdefault("metadata", {}).setdefault("annotations", {})[names.RESTARTED_AT] = restarted_at
    return template


def images_of(template: Manifest) -> tuple[str, ...]:
    """What runs, as CONTAINER=IMAGE; the leader's and the workers' once where they are the same."""
    found = [
        f"{container['name']}={container['image']}"
        for pod in _pod_templates(template)
        for container in _containers(pod)
        if "image" in container
    ]
    return tuple(dict.fromkeys(found))


def controller_revision(lws: Manifest, template: Manifest, number: int, notes: Mapping[str, str]) -> Manifest:
    """The object that keeps a template, with annotations.

    It must not have the labels by which LWS and the StatefulSet controller find their own revisions, to delete them.
    """
    metadata = lws["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": kept_name(lws, template),
            "namespace": metadata["namespace"],
            "labels": {names.TARGET_UID: metadata["uid"]},
            "annotations": dict(notes),
            "ownerReferences": [
                {
                    "apiVersion": lws["apiVersion"],
                    "kind": lws["kind"],
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                }
            ],
        },
        "revision": number,
        "data": template,
    }


def merge_patch(document: Any, patch: Any) -> Any:
    """JSON merge patch, RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def _pod_templates(template: Manifest) -> list[Manifest]:
    both = template["leaderWorkerTemplate"]
    return [both[role] for role in ("leaderTemplate", "workerTemplate") if both.get(role)]


def _containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"].get("containers", []), *pod["spec"].get("initContainers", [])]


def _set_images(template: Manifest, images: dict[str, str]) -> None:
    containers = [container for pod in _pod_templates(template) for container in _containers(pod)]
    known = sorted({container["name"] for container in containers})
    if unknown := sorted(images.keys() - set(known)):
        raise RefusedError(f"there is no container {', '.join(unknown)} in the target; it has {', '.join(known)}")
    for container in containers:
        container["image"] = images.get(container["name"], container["image"])


def _from_manifest(manifest: Manifest, lws: Manifest) -> Manifest:
    name, wanted = manifest.get("metadata", {}).get("name"), lws["metadata"]["name"]
    if manifest.get("kind") != "LeaderWorkerSet" or name != wanted:
        raise RefusedError(f"change.manifest is a {manifest.get('kind')} {name}; it must be LeaderWorkerSet {wanted}")
    if not manifest.get("spec", {}).get("leaderWorkerTemplate"):
        raise RefusedError("change.manifest has no spec.leaderWorkerTemplate")
    return copy.deepcopy(template_of(manifest))
