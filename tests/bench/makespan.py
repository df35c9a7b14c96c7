"""How long an update takes: the target's own controller against rollwright, on the same start-up times by ordinal."""

import asyncio
from typing import Any

from rollwright.rollout.spec import Pacing
from tests.bench.case import LWS, STATEFUL_SET, Case, TargetKind, equal, long_tail, stragglers
from tests.bench.site import Site, report, site
from tests.bench.updates import update, update_natively
from tests.bench.witness import Witness

CASES = (equal(24, 3, 2), stragglers(24, 3, 2, (23, 15, 7)), long_tail(64, "10%", "10%"))
FEW = stragglers(8, 2, 1, (7, 4))
NATIVE = (STATEFUL_SET, LWS)
MANAGED = (LWS,)


async def measure_stragglers() -> dict[str, Any]:
    """The shortest of all parts: 8 groups, two of them slow."""
    case, kind = FEW, LWS
    async with site("stragglers") as here, here.namespace("managed") as witness, here.namespace("native") as others:
        await here.start_worker()
        native, ordered, eager = await asyncio.gather(
            update_natively(here, others, kind, "native", case),
            update(here, witness, kind, "ordered", case, Pacing.ORDERED),
            update(here, witness, kind, "eager", case, Pacing.EAGER),
        )
    return {
        "case": f"{_title(case)}; {case.name}",
        "kind": kind.name,
        "native_seconds": round(native.seconds, 2),
        "ordered_seconds": round(ordered.seconds, 2),
        "eager_seconds": round(eager.seconds, 2),
        "lower_bound_seconds": round(case.lower_bound, 2),
        "eager_over_native": round(eager.seconds / native.seconds, 2),
        "promise_kept": all(done.told(case)["promise_kept"] for done in (ordered, eager)),
    }


async def measure_makespan() -> dict[str, Any]:
    """Every case by everybody; those that StatefulSets replace one at a time by themselves."""
    found: list[dict[str, Any]] = [_about(case) for case in CASES]
    async with site("gate-off", gate=False) as here, here.namespace("native") as witness:
        report("makespan: one pod at a time, all cases at once")
        alone = await asyncio.gather(*(_natively(here, witness, kind, case) for kind in NATIVE for case in CASES))
        for position, done in enumerate(alone):
            kind, case = NATIVE[position // len(CASES)], CASES[position % len(CASES)]
            found[position % len(CASES)]["by"][f"{kind.name}, gate off"] = done.told(case)
    async with site("gate-on") as here, here.namespace("managed") as witness, here.namespace("native") as others:
        await here.start_worker()
        for told, case in zip(found, CASES, strict=True):
            report(f"makespan: {_title(case)}, {case.name}")
            runs = {f"{kind.name}, gate on": _natively(here, others, kind, case) for kind in NATIVE} | {
                f"rollwright on {kind.name}, {pacing}": update(
                    here, witness, kind, _name(kind, case, pacing), case, pacing
                )
                for kind in MANAGED
                for pacing in Pacing
            }
            done = await asyncio.gather(*runs.values())
            told["by"].update({who: one.told(case) for who, one in zip(runs, done, strict=True)})
    return {"cases": found}


def _natively(here: Site, witness: Witness, kind: TargetKind, case: Case) -> Any:
    return update_natively(here, witness, kind, _name(kind, case), case)


def _about(case: Case) -> dict[str, Any]:
    return {
        "case": f"{_title(case)}, {case.name}",
        "lower_bound_seconds": round(case.lower_bound, 2),
        "planned_seconds": {str(pacing): round(case.planned(pacing), 2) for pacing in Pacing},
        "by": {},
    }


def _title(case: Case) -> str:
    return f"{case.replicas} groups, {case.max_unavailable}/{case.max_surge}"


def _name(kind: TargetKind, case: Case, pacing: Pacing | None = None) -> str:
    return f"{kind.name.lower()[:3]}-{CASES.index(case)}-{pacing or 'native'}"
