"""What kubeconfigs say of contexts and their namespaces, by the rules of kubectl; no cluster is asked.

Read without the Kubernetes client, which takes longer to load than most verbs run.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rollwright.cli.failure import CommandError, ExitCode

DEFAULT_NAMESPACE = "default"
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True)
class Contexts:
    """What one or several kubeconfigs say together."""

    current: str = ""
    """Name of the context in use; empty if none is."""
    namespaces: dict[str, str] = field(default_factory=dict)
    """Of each context by name; empty where it has none."""


def read_contexts(kubeconfig: str | None) -> Contexts:
    """Of this file, or of those that KUBECONFIG names, or of ~/.kube/config: the first to say something is right.

    Raises CommandError if a file can't be read, or the one that is given isn't there.
    """
    current, namespaces = "", dict[str, str]()
    for path in _paths(kubeconfig):
        written = _load(path)
        current = current or _text(written.get("current-context"))
        for entry in written.get("contexts") or ():
            namespaces.setdefault(_text(entry["name"]), _text((entry.get("context") or {}).get("namespace")))
    return Contexts(current, namespaces)


def namespace_in_use(kubeconfig: str | None, context: str | None) -> str:
    """The namespace that kubectl would use without -n. Raises CommandError."""
    try:
        found = read_contexts(kubeconfig)
    except CommandError as error:
        raise CommandError(
            f"which namespace is meant isn't known: {error}", todo="Give -n NAMESPACE.", code=error.code
        ) from error
    if context and context not in found.namespaces:
        raise CommandError(
            f"the kubeconfig has no context {context!r}; it has {', '.join(found.namespaces) or 'none'}",
            todo="`kubectl config get-contexts` shows them.",
            code=ExitCode.BAD_INPUT,
        )
    here = "" if found.namespaces else _of_the_pod()
    return found.namespaces.get(context or found.current) or here or DEFAULT_NAMESPACE


def _of_the_pod() -> str:
    """That of the ServiceAccount with which a pod reaches its cluster; empty outside of pods."""
    try:
        return _POD_NAMESPACE.read_text().strip()
    except OSError:
        return ""


def _paths(kubeconfig: str | None) -> Iterator[Path]:
    if kubeconfig:
        yield Path(kubeconfig)
        return
    named = [Path(text) for text in os.environ.get("KUBECONFIG", "").split(os.pathsep) if text]
    yield from filter(_is_there, named or _at_home())


def _at_home() -> list[Path]:
    try:
        return [Path.home() / ".kube" / "config"]
    except RuntimeError:  # whoever this is has no home, as many a user in a container
        return []


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # reading it tells why
        return True


def _load(path: Path) -> dict[str, Any]:
    loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        written = yaml.load(path.read_bytes(), Loader=loader)  # noqa: S506 - either is a safe one
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}", code=ExitCode.BAD_INPUT) from error
    except (yaml.YAMLError, ValueError) as error:
        raise CommandError(f"{path} is no YAML: {error}", code=ExitCode.BAD_INPUT) from error
    if written is None:
        return {}
    contexts = (written.get("contexts") or []) if isinstance(written, dict) else None
    if not isinstance(contexts, list) or not all(map(_is_context, contexts)):
        raise CommandError(f"{path} is no kubeconfig", code=ExitCode.BAD_INPUT)
    return dict(written)


def _is_context(entry: object) -> bool:
    return isinstance(entry, dict) and "name" in entry and isinstance(entry.get("context") or {}, dict)


def _text(value: object) -> str:
    return "" if value is None else str(value)
