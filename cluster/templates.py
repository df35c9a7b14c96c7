"""Templates of a target: changed as asked, named by their content, and the object that keeps one. Pure."""

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rollwright.cluster import names
from rollwright.cluster.api import Manifest
from rollwright.cluster.errors import RefusedError
from rollwright.cluster.objects import TargetObject
from rollwright.rollout.spec import Change


def digest(template: Manifest) -> str:
    """A short name for the content of a template."""
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


def kept_name(item: TargetObject, template: Manifest) -> str:
    """The name under which a template is kept; the same content of the same object has the same name.

    What was kept for a deleted object of the same name goes some time after it, and must not be taken for this one's.
    """
    return f"{item.name}-rw-{item.uid[:8]}-{digest(template)}"


def digest_of_kept(name: str) -> str:
    """The digest in the name of a kept template."""
    return name.rpartition("-")[2]


def render(change: Change, item: TargetObject, restarted_at: str) -> Manifest:
    """The template after the change. Raises RefusedError if the change doesn't fit the target."""
    template = copy.deepcopy(item.template)
    if change.images:
        _set_images(item.pod_templates(template), change.images)
    elif change.patch:
        part, *_ = item.TEMPLATE_PARTS
        template[part] = merge_patch(template[part], change.patch)
    elif change.manifest:
        template = _from_manifest(change.manifest, item)
    elif change.restart:
        for pod in item.pod_templates(template):
            pod.setdefault("metadata", {}).setdefault("annotations", {})[names.RESTARTED_AT] = restarted_at
    return template


def images_of(pod_templates: Sequence[Manifest]) -> tuple[str, ...]:
    """What runs, as CONTAINER=IMAGE; the leader's and the workers' once where they are the same."""
    found = [
        f"{container['name']}={container['image']}"
        for pod in pod_templates
        for container in _containers(pod)
        if "image" in container
    ]
    return tuple(dict.fromkeys(found))


def controller_revision(item: TargetObject, template: Manifest, number: int, notes: Mapping[str, str]) -> Manifest:
    """The object that keeps a template, with annotations.

    It must not have the labels by which LWS and the StatefulSet controller find their own revisions, to delete them.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": kept_name(item, template),
            "namespace": item.namespace,
            "labels": {names.TARGET_UID: item.uid},
            "annotations": dict(notes),
            "ownerReferences": [item.owner_reference],
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


def _containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"].get("containers", []), *pod["spec"].get("initContainers", [])]


def _set_images(pod_templates: Sequence[Manifest], images: dict[str, str]) -> None:
    containers = [container for pod in pod_templates for container in _containers(pod)]
    known = sorted({container["name"] for container in containers})
    if unknown := sorted(images.keys() - set(known)):
        raise RefusedError(f"there is no container {', '.join(unknown)} in the target; it has {', '.join(known)}")
    for container in containers:
        container["image"] = images.get(container["name"], container["image"])


def _from_manifest(manifest: Manifest, item: TargetObject) -> Manifest:
    found, wanted = (manifest.get("kind"), _object(manifest, "metadata").get("name")), (item.KIND, item.name)
    if found != wanted:
        raise RefusedError(f"change.manifest is a {found[0]} {found[1]}; it must be {wanted[0]} {wanted[1]}")
    part, *_ = item.TEMPLATE_PARTS
    if not _object(manifest, "spec").get(part):
        raise RefusedError(f"change.manifest has no spec.{part}")
    return copy.deepcopy(replace(item, manifest=manifest).template)


def _object(manifest: Manifest, name: str) -> Manifest:
    """A part of what somebody has written; empty if it is none, or not of that sort."""
    found = manifest.get(name)
    return found if isinstance(found, dict) else {}
