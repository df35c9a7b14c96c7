"""What a gate is about, as a test wants it."""

from typing import Any

from rollwright.rollout.gates.gate import Context, GroupSeen

NOW = 1_800_000_000.0


def groups(*, new: tuple[int, ...] = (3, 5, 7), old: tuple[int, ...] = (0, 1)) -> tuple[GroupSeen, ...]:
    """Groups on the new revision, and on the old one."""
    return tuple(GroupSeen(ordinal=ordinal, updated=ordinal in new) for ordinal in sorted(new + old))


def context(**given: Any) -> Context:
    """A LeaderWorkerSet `lws/llm` of which groups 3, 5 and 7 are new, and 0 and 1 old."""
    usual = {
        "kind": "LeaderWorkerSet",
        "namespace": "inference",
        "name": "llm",
        "rollout": "rollout/lws/inference/llm",
        "revision": "llm-7f9c",
        "step": 2,
        "groups": groups(),
        "now": NOW,
    }
    return Context.model_validate(usual | given)
