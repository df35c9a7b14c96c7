"""What pods ask for: amounts of resources, as the scheduler adds them up. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache, reduce

from kubernetes.utils.quantity import parse_quantity

from rollwright.cluster.api import Manifest

Amounts = Mapping[str, Decimal]
"""How much of each resource, by name: cores, bytes, numbers."""

_ONE_POD: Amounts = {"pods": Decimal(1)}


def amounts(quantities: Mapping[str, object] | None) -> Amounts:
    """Quantities as Kubernetes writes them: "500m", "1Gi", 8."""
    return {name: _amount(str(quantity)) for name, quantity in (quantities or {}).items()}


def requests_of(spec: Manifest) -> Amounts:
    """What a pod of this spec asks a node for, without what it asks nothing of.

    What runs side by side, or what an init container needs before that if it is more; init containers that go on
    running (restartPolicy Always) stand beside those that come after them. Where the pod as a whole asks for
    something, that holds instead. The overhead is added (Kubernetes: PodRequests of component-helpers/resource).
    """
    beside: Amounts = {}
    most: Amounts = {}
    for container in spec.get("initContainers") or ():
        with_it = _sum(beside, _asked(container))
        most = _maximum(most, with_it)
        if container.get("restartPolicy") == "Always":
            beside = with_it
    running = reduce(_sum, map(_asked, spec.get("containers") or ()), beside)
    whole: Amounts = {**_maximum(most, running), **_asked(spec)}
    total = _sum(_sum(whole, amounts(spec.get("overhead"))), _ONE_POD)
    return {name: amount for name, amount in total.items() if amount}


def _asked(asking: Manifest) -> Amounts:
    """Of a container, or a pod as a whole: a limit is the request too where that is left out."""
    resources = asking.get("resources") or {}
    return amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _sum(one: Amounts, other: Amounts) -> Amounts:
    return {name: one.get(name, Decimal()) + other.get(name, Decimal()) for name in {**one, **other}}


def _maximum(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, Decimal()), other.get(name, Decimal())) for name in {**one, **other}}


@lru_cache(maxsize=4096)
def _amount(quantity: str) -> Decimal:
    """Parsed once: thousands of pods ask for the same few quantities."""
    parsed: Decimal = parse_quantity(quantity)
    return parsed
