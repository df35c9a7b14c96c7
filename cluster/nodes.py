"""Which nodes take which pods, however full they are: by what the scheduler looks at besides resources. Pure."""

from collections.abc import Callable, Mapping

from rollwright.cluster.api import Manifest
from rollwright.cluster.causes import condition

_KEEPING_AWAY = ("NoSchedule", "NoExecute")


def takes(node: Manifest, spec: Manifest) -> bool:
    """Whether a node takes new pods of this spec: ready, not cordoned, its taints tolerated, and selected by the pod.

    By the nodeSelector and the required node affinity; what is only preferred keeps no pod away.
    """
    if node["spec"].get("unschedulable") or condition(node, "Ready").get("status") != "True":
        return False
    tolerations = spec.get("tolerations") or ()
    if not all(any(_tolerates(one, taint) for one in tolerations) for taint in _taints(node)):
        return False
    return has_labels(node, spec.get("nodeSelector") or {}) and _has_affinity(node, spec)


def has_labels(node: Manifest, wanted: Mapping[str, str]) -> bool:
    """Whether a node has all of these labels."""
    labels = labels_of(node)
    return all(labels.get(name) == value for name, value in wanted.items())


def labels_of(node: Manifest) -> Mapping[str, str]:
    """The labels of a node."""
    labels: Mapping[str, str] = node["metadata"].get("labels") or {}
    return labels


def _taints(node: Manifest) -> list[Manifest]:
    return [taint for taint in node["spec"].get("taints") or () if taint["effect"] in _KEEPING_AWAY]


def _tolerates(toleration: Manifest, taint: Manifest) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")


def _has_affinity(node: Manifest, spec: Manifest) -> bool:
    """One of the terms must match; one that asks for nothing matches no node."""
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(_matches(node, term) for term in required["nodeSelectorTerms"])


def _matches(node: Manifest, term: Manifest) -> bool:
    of_labels, of_fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    fields = {"metadata.name": node["metadata"]["name"]}
    asked = [*((labels_of(node), one) for one in of_labels), *((fields, one) for one in of_fields)]
    return bool(asked) and all(_meets(found.get(one["key"]), one) for found, one in asked)


def _meets(value: str | None, expression: Manifest) -> bool:
    values: list[str] = expression.get("values") or []
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return _compares(value, values, int.__gt__)
        case "Lt":
            return _compares(value, values, int.__lt__)
        case _:
            return False


def _compares(value: str | None, values: list[str], compare: Callable[[int, int], bool]) -> bool:
    try:
        return value is not None and compare(int(value), int(values[0]))
    except ValueError:
        return False
