"""How many accelerators a group asks for. Pure.

Of Intel's resources those are whole devices that are named here; the others are shares of them, or monitor them.
Extended resources: Kubernetes takes the limit for the request where that is left out, and allows no other. What is
asked for by resource claims (DRA) isn't counted.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

Manifest = Mapping[str, Any]

_ACCELERATOR = re.compile(
    r"nvidia\.com/(gpu|mig-.+)|amd\.com/gpu|google\.com/tpu|aws\.amazon\.com/neuron.*|habana\.ai/gaudi|gpu\.intel\.com/(i915|xe)"
)


def gpus_of_group(pods: Iterable[tuple[Manifest, int]]) -> int:
    """Accelerators of all pods of a group together, given by their templates and how many there are of each.

    0 if none are asked for.
    """
    return sum(count * _of_pod(template) for template, count in pods)


def _of_pod(template: Manifest) -> int:
    """As the scheduler counts: all that run side by side, or what an init container needs before them if that is more.

    Init containers that go on running (restartPolicy Always) stand beside those that come after them.
    """
    spec = template.get("spec") or {}
    beside = most = 0
    for container in spec.get("initContainers") or ():
        asked = _of_container(container)
        if container.get("restartPolicy") == "Always":
            beside += asked
        most = max(most, beside if container.get("restartPolicy") == "Always" else beside + asked)
    return max(most, beside + sum(map(_of_container, spec.get("containers") or ())))


def _of_container(container: Manifest) -> int:
    resources = container.get("resources") or {}
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return sum(_numbers(quantity for name, quantity in asked.items() if _ACCELERATOR.fullmatch(name)))


def _numbers(quantities: Iterable[object]) -> list[int]:
    """Whole numbers; extended resources can't be anything else."""
    return [int(str(quantity)) for quantity in quantities if str(quantity).isdecimal()]
