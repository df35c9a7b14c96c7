"""job: a Job of one's own must succeed, against each group that a step has updated, or once for all of them.

Which have succeeded is remembered, so that none is run twice, also where it has expired meanwhile. The names of Jobs
are made of the very attempt, so that one that is begun anew makes new ones.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, Field

from rollwright.rollout.gates.gate import Asking, Context, Finding, GroupSeen, Progress, Reading
from rollwright.rollout.gates.questions import Answer, JobRun, JobSeen, JobsSeen, JobState, Question, RunJobs
from rollwright.rollout.quantities import DurationSeconds

_INCONCLUSIVE_REST_SECONDS = 10.0
_NAME_LENGTH = 52
"""A pod of an indexed Job is named JOB-INDEX-xxxxx, and JOB-INDEX must still fit a label of 63."""
_WHY_CHARACTERS = 300
_LOG_CHARACTERS = 400
"""Of both so much that the message is not cut where it is passed on."""
_ALL = "all"
"""Stands for the ordinal where there is one Job for all groups."""


_OF_A_WHOLE_JOB = {"apiVersion", "kind", "metadata", "spec"}
"""None of these is a field of the spec of a Job."""

_BACKSTOP_SECONDS = 30
"""Later than the gate's own timeout, which says more: for Jobs that nobody looks after any more."""


def is_whole_job(template: Mapping[str, Any]) -> bool:
    """Whether it is a manifest, and not its spec alone."""
    return bool(template.keys() & _OF_A_WHOLE_JOB)


def _read_template(template: dict[str, Any]) -> dict[str, Any]:
    spec = template.get("spec") if is_whole_job(template) else template
    if not isinstance(spec, dict) or not isinstance(spec.get("template"), dict):
        raise ValueError("there is no pod template in it; write the spec of a Job, as in {template: {spec: ...}}")
    return template


class JobGate(Asking):
    """Jobs that must succeed: each runs in the target's namespace, and is told by variables what it is about."""

    kind: Literal["job"] = Field(default="job", description="Which gate it is.")
    template: Annotated[dict[str, Any], AfterValidator(_read_template)] = Field(
        description="The spec of a Job, or a whole Job without a name."
    )
    per: Literal["group", "step"] = Field(
        default="group", description="A Job for each group that the step has updated, or one for all of them."
    )
    interval: DurationSeconds = Field(default=3, ge=1, description="From one look at the Jobs to the next.")
    parallel: int = Field(default=10, ge=1, le=100, description="The most Jobs at once.")
    timeout: DurationSeconds = Field(
        default=1800, ge=1, description="An attempt that is not decided after so long has failed."
    )

    LEAVES_THINGS: ClassVar[bool] = True

    def ask(self, context: Context, progress: Progress) -> tuple[Question, ...]:
        """The Jobs that are to run now, and those that run."""
        if not (due := self._due(context, progress)):
            return ()
        rest = progress.since + self.timeout - context.now
        question = RunJobs(
            rollout=context.rollout,
            template=self.template,
            runs=tuple(wish.run for wish in due),
            deadline_seconds=math.ceil(max(0.0, rest)) + _BACKSTOP_SECONDS,
        )
        return (question,)

    def judge(self, context: Context, progress: Progress, answers: tuple[Answer, ...]) -> Reading:
        """By how the Jobs have ended. Before another attempt those that run still end: never more than `parallel`."""
        seen: tuple[JobSeen, ...] = ()
        for answer in answers:
            if not isinstance(answer, JobsSeen):
                raise TypeError(answer.answer)
            if answer.refused:
                return Reading(Finding.FAILED, _line(answer.refused), final=True)
            if answer.error:
                return Reading(
                    Finding.INCONCLUSIVE, _line(answer.error), again_after_seconds=_INCONCLUSIVE_REST_SECONDS
                )
            seen = answer.jobs
        told = list(zip(self._due(context, progress), seen, strict=True))
        memory = {**progress.memory, **{wish.key: str(job.state) for wish, job in told}}
        if failed := [_how(wish, job) for wish, job in told if job.state is JobState.FAILED]:
            message = failed[0] if len(failed) == 1 else f"{len(failed)} Jobs have failed; {failed[0]}"
            still = any(job.state is JobState.RUNNING for _, job in told) and progress.attempt <= self.retries
            return Reading(Finding.PENDING if still else Finding.FAILED, message, memory=memory)
        wishes = self._wishes(context, progress)
        succeeded = sum(memory.get(wish.key) == JobState.SUCCEEDED for wish in wishes)
        message = f"{succeeded} of {len(wishes)} Jobs have succeeded" if wishes else "no group is updated by this step"
        if succeeded == len(wishes):
            return Reading(Finding.PASSED, message, memory=memory)
        waits = [f"waits for the address of {wish.lacks}" for wish in wishes if wish.lacks and wish.key not in memory]
        waits += [_how(wish, job) for wish, job in told if job.state is JobState.RUNNING and job.why]
        return Reading(Finding.PENDING, "; ".join([message, *waits[:1]]), memory=memory)

    def _due(self, context: Context, progress: Progress) -> "list[_Wish]":
        """Those that haven't succeeded, as many as may run at once; after a failure no further ones are begun."""
        wishes, known = self._wishes(context, progress), progress.memory
        begun = [wish for wish in wishes if known.get(wish.key) in (JobState.RUNNING, JobState.FAILED)]
        if any(known[wish.key] == JobState.FAILED for wish in begun):
            return begun
        return [*begun, *(wish for wish in wishes if not wish.lacks and wish.key not in known)][: self.parallel]

    def _wishes(self, context: Context, progress: Progress) -> "list[_Wish]":
        """All Jobs of this attempt, whether they run by now or not."""
        groups = [group for group in context.groups if group.ordinal in context.newly]
        if self.per == "group":
            return [self._wish(context, progress, str(group.ordinal), _of_one(group), group) for group in groups]
        return [self._wish(context, progress, _ALL, _of_all(groups), *groups)] if groups else []

    def _wish(
        self, context: Context, progress: Progress, key: str, environment: Mapping[str, str], *groups: GroupSeen
    ) -> "_Wish":
        who = f"step {context.step}" if self.per == "step" else f"group {key}"
        attempt = (context.rollout, str(context.step), self.title, repr(progress.since), str(progress.attempt))
        usual = {
            "ROLLWRIGHT_NAMESPACE": context.namespace,
            "ROLLWRIGHT_TARGET": context.name,
            "ROLLWRIGHT_REVISION": context.revision,
            "ROLLWRIGHT_STEP": str(context.step),
        }
        # No title has a line break, so no two keys are the same.
        name = job_name(context.name, "\n".join((*attempt, key)))
        run = JobRun(name=name, environment={**usual, **environment}, begun=key in progress.memory)
        lacking = (f"group {group.ordinal}" for group in groups if not (group.updated and group.address))
        return _Wish(key, who, run, next(lacking, ""))


class _Wish(NamedTuple):
    """A Job that is to run."""

    key: str
    """What it is remembered by."""
    who: str
    run: JobRun
    lacks: str
    """A group that it is to run against, and that is not up; empty if all are."""


def job_name(target_name: str, key: str) -> str:
    """A name for a Job of a target: a DNS label, the same for the same key."""
    digest = hashlib.sha256(key.encode()).hexdigest()[:10]
    return f"{target_name[: _NAME_LENGTH - len(digest) - 1].rstrip('-')}-{digest}"


def _of_one(group: GroupSeen) -> dict[str, str]:
    return {
        "ROLLWRIGHT_GROUP": str(group.ordinal),
        "ROLLWRIGHT_LEADER_ADDRESS": group.address,
        "ROLLWRIGHT_LEADER_POD": group.pod,
    }


def _of_all(groups: list[GroupSeen]) -> dict[str, str]:
    return {
        "ROLLWRIGHT_GROUPS": ",".join(str(group.ordinal) for group in groups),
        "ROLLWRIGHT_LEADER_ADDRESSES": ",".join(group.address for group in groups),
    }


def _how(wish: _Wish, job: JobSeen) -> str:
    """How a Job stands, in words on one line."""
    why = _line(job.why)[:_WHY_CHARACTERS] or str(job.state)
    log = " / ".join(filter(None, map(_line, job.log.splitlines())))
    cut = f"...{log[-_LOG_CHARACTERS:]}" if len(log) > _LOG_CHARACTERS else log
    return f"{wish.who}: {why}" + (f"; its log ends: {cut}" if cut else "")


def _line(text: str) -> str:
    """Without what a terminal would obey."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
