"""The JSON patches: each changes what it must in one write, and tests what it assumes."""

import json
from collections.abc import Mapping

from rollwright.cluster import names
from rollwright.cluster.api import Manifest
from rollwright.cluster.objects import Settings, TargetObject
from rollwright.cluster.record import Asked, Fence, Record


def guarded(item: Manifest, fence: Fence, changes: list[Manifest]) -> list[Manifest]:
    """A patch that applies only to the spec and the fence that were read, and leaves the new fence.

    The generation stands for the whole spec: unlike resourceVersion it doesn't change with the status. A `test` for
    null passes where the path is missing, as long as its parent is there.
    """
    annotations = item["metadata"].get("annotations")
    patch = [{"op": "test", "path": "/metadata/uid", "value": item["metadata"]["uid"]}]
    if "generation" in item["metadata"]:
        patch.append({"op": "test", "path": "/metadata/generation", "value": item["metadata"]["generation"]})
    if annotations is None:
        patch += [
            {"op": "test", "path": "/metadata/annotations", "value": None},
            {"op": "add", "path": "/metadata/annotations", "value": {}},
        ]
    patch.append({"op": "test", "path": _annotation(names.FENCE), "value": (annotations or {}).get(names.FENCE)})
    patch.append({"op": "add", "path": _annotation(names.FENCE), "value": str(fence)})
    return patch + changes


def hold(item: TargetObject, record: Record, asked: Asked) -> list[Manifest]:
    """Ask for what a rollout holds of the spec, and write down that it was asked for: never the one without the other.

    The template apart, which `template` puts in place in the same patch.
    """
    record = record.model_copy(update={"asked": asked})
    text = json.dumps(record.model_dump(by_alias=True, exclude_none=True), sort_keys=True)
    return [
        *(scale(record.groups) if record.groups != item.replicas else []),
        *item.pace(Settings(asked.partition, asked.max_unavailable, asked.max_surge)),
        *annotate({names.RECORD: text}),
    ]


def template(content: Manifest, item: TargetObject) -> list[Manifest]:
    """Put a template in place of the one that stands."""
    gone = item.template.keys() - content.keys()
    return [
        *({"op": "add", "path": f"/spec/{part}", "value": value} for part, value in content.items()),
        *({"op": "remove", "path": f"/spec/{part}"} for part in sorted(gone)),
    ]


def scale(groups: int) -> list[Manifest]:
    """Ask for so many groups."""
    return [{"op": "replace", "path": "/spec/replicas", "value": groups}]


def forget(item: TargetObject) -> list[Manifest]:
    """Remove the record, if it is there: the user's settings stand again."""
    return erase(names.RECORD) if names.RECORD in item.annotations else []


def annotate(notes: Mapping[str, str]) -> list[Manifest]:
    """Write annotations on an object that has some."""
    return [{"op": "add", "path": _annotation(name), "value": text} for name, text in notes.items()]


def erase(name: str) -> list[Manifest]:
    """Remove an annotation that is there."""
    return [{"op": "remove", "path": _annotation(name)}]


def _annotation(name: str) -> str:
    return "/metadata/annotations/" + name.replace("~", "~0").replace("/", "~1")
