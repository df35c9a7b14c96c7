"""How long an update takes: the target's own controller against rollwright, on the same start-up times by ordinal."""

import asyncio
from typing import Any

from rollwright.rollout.spec import Pacing
from tests.bench.case import LWS, STATEFUL_SET, Case, TargetKind, equal, long_tail, stragglers
from tests.bench.site import Site, report, site
from tests.bench.updates import Update, update, update_natively
from tests.bench.witness import Witness

CASES = (equal(24, 3, 2), stragglers(24, 3, 2, (23, 15, 7)), long_tail(64, "10%", "10%"))
FEW = stragglers(8, 2, 1, (7, 4), seconds=2.0)
KINDS = (STATEFUL_SET, LWS)


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
        runs = [(kind, position) for kind in KINDS for position in range(len(CASES))]
        done = await asyncio.gather(*(_natively(here, witness, kind, CASES[position]) for kind, position in runs))
        for (kind, position), one in zip(runs, done, strict=True):
            found[position]["by"][f"{kind.name}, gate off"] = one.told(CASES[position])
    async with site("gate-on") as here, here.namespace("managed") as witness, here.namespace("native") as others:
        await here.start_worker()
        for told, case in zip(found, CASES, strict=True):
            report(f"makespan: {_title(case)}, {case.name}")
            natively = await asyncio.gather(*(_natively(here, others, kind, case) for kind in KINDS))
            told["by"] |= {f"{kind.name}, gate on": one.told(case) for kind, one in zip(KINDS, natively, strict=True)}
            for pacing in Pacing:  # no more at once: they would wait for each other
                names = {kind: _name(kind, case, pacing) for kind in KINDS}
                ours = [update(here, witness, kind, name, case, pacing) for kind, name in names.items()]
                for kind, one in zip(KINDS, await asyncio.gather(*ours), strict=True):
                    told["by"][f"rollwright on {kind.name}, {pacing}"] = one.told(case) | _overhead(one, case, pacing)
    return {"cases": found}


def _overhead(one: Update, case: Case, pacing: Pacing) -> dict[str, Any]:
    """What came on top of the start-ups that the steps wait for, by how many of them follow each other."""
    seconds = one.seconds - case.planned(pacing)
    return {
        "over_lower_bound": round(one.seconds / case.lower_bound, 2),
        "overhead_ms_per_round": round(1000 * seconds / case.rounds),
    }


def _natively(here: Site, witness: Witness, kind: TargetKind, case: Case) -> Any:
    return update_natively(here, witness, kind, _name(kind, case), case)


def _about(case: Case) -> dict[str, Any]:
    return {
        "case": f"{_title(case)}, {case.name}",
        "start_up_seconds": case.start_up_told,
        "rounds": case.rounds,
        "lower_bound_seconds": round(case.lower_bound, 2),
        "planned_seconds": {str(pacing): round(case.planned(pacing), 2) for pacing in Pacing},
        "by": {},
    }


def _title(case: Case) -> str:
    return f"{case.replicas} groups, {case.max_unavailable}/{case.max_surge}"


def _name(kind: TargetKind, case: Case, pacing: Pacing | None = None) -> str:
    return f"{kind.name.lower()[:3]}-{CASES.index(case)}-{pacing or 'native'}"
