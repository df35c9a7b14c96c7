"""What to roll out, from a file, from flags, or from a file changed by flags."""

from dataclasses import dataclass, replace
from typing import Any

from rollwright.cli import files, options, overrides
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.kubeconfig import namespace_in_use
from rollwright.rollout.spec import RolloutSpec

_TODO = "Give --file, or --target lws/NAME (or sts/NAME) with what is to change."


@dataclass(frozen=True)
class Where:
    """What flags say of where a target is."""

    namespace: str | None
    kubeconfig: str | None
    context: str | None
    cluster: str | None = None
    """None: as the file says, if it does."""


def read_file(path: str, where: Where) -> RolloutSpec:
    """Read the file as it is; what it doesn't say of the target's namespace is said by `where`. Raises CommandError."""
    document = files.read_document(path)
    return files.to_spec(_placed(document, where))


def _placed(document: files.Document, where: Where) -> files.Document:
    """With a namespace: that of the flag, else what is written, else the one that kubectl would use.

    So with a cluster, if one is named at all.
    """
    content = document.content
    target = content.get("target") if isinstance(content, dict) else None
    if not isinstance(target, dict):
        return document
    placed = where.namespace or target.get("namespace") or namespace_in_use(where.kubeconfig, where.context)
    cluster = {"cluster": where.cluster} if where.cluster else {}
    return replace(document, content={**content, "target": {**target, "namespace": placed, **cluster}})


def read_spec(
    file: str, *, target: str, where: Where, images: list[str], restart: bool, strategy: dict[str, Any]
) -> RolloutSpec:
    """Read the file, put the flags over it, and check the whole. Raises CommandError.

    A change given by flags takes the place of the file's; of the target and the strategy, only what is given does.
    """
    if not file and not target:
        raise CommandError("there is nothing to roll out", todo=_TODO, code=ExitCode.BAD_INPUT)
    flags = {
        "target": _target(target, where),
        "strategy": overrides.given(strategy),
    }
    change = _change(images, restart=restart)
    document = files.read_document(file) if file else files.Document("flags", {})
    if not isinstance(document.content, dict):
        return files.to_spec(document)
    content = dict(document.content)
    for part, given in flags.items():
        written = content.get(part) or {}
        if given and isinstance(written, dict):
            content[part] = {**written, **given}
    if change:
        content["change"] = change
    changed = f"{document.source} with flags" if file and content != document.content else document.source
    return files.to_spec(_placed(files.Document(changed, content, document.node), where))


def _target(target: str, where: Where) -> dict[str, Any]:
    if not target:
        return {"namespace": where.namespace} if where.namespace else {}
    named = options.read_target(target, where.namespace, where.kubeconfig, where.context)
    if where.cluster not in (None, named.cluster) and named.cluster:
        raise CommandError(f"{target} is not in cluster {where.cluster}; leave --cluster away", code=ExitCode.BAD_INPUT)
    cluster = {"cluster": named.cluster} if named.cluster else {}
    return {"kind": named.kind, "name": named.name, "namespace": named.namespace, **cluster}


def _change(images: list[str], *, restart: bool) -> dict[str, Any]:
    if images and restart:
        raise CommandError(
            "--image and --restart are both given; a new image restarts every group anyway", code=ExitCode.BAD_INPUT
        )
    if restart:
        return {"restart": True}
    by_container: dict[str, str] = {}
    for given in images:
        container, separator, image = given.partition("=")
        if not (container and separator and image):
            raise CommandError(f"--image {given!r}: write CONTAINER=IMAGE", code=ExitCode.BAD_INPUT)
        if container in by_container:
            raise CommandError(f"--image is given twice for container {container}", code=ExitCode.BAD_INPUT)
        by_container[container] = image
    return {"images": by_container} if by_container else {}
