"""Templates of a LeaderWorkerSet: what of it is a revision, changed as asked, and kept in the cluster.

LWS deletes its old revisions when an update completes, so rollwright keeps its own: ControllerRevisions without the
label of LWS, owned by the target and deleted with it.
"""

import copy
import hashlib
import json
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


def kept_name(lws_name: str, template: Manifest) -> str:
    """The name under which a template is kept; the same content has the same name."""
    return f"{lws_name}-rw-{digest(template)}"


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


def controller_revision(lws: Manifest, template: Manifest, number: int) -> Manifest:
    """The object that keeps a template."""
    metadata = lws["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": kept_name(metadata["name"], template),
            "namespace": metadata["namespace"],
            "labels": {names.TARGET_UID: metadata["uid"]},
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


def _set_images(template: Manifest, images: dict[str, str]) -> None:
    containers = [
        container
        for pod in _pod_templates(template)
        for container in [*pod["spec"].get("containers", []), *pod["spec"].get("initContainers", [])]
    ]
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
