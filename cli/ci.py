"""What a CI says of a job in its environment: which request it carries out, and who has asked for it. Pure."""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from rollwright.cli.text import one_line
from rollwright.rollout.spec import RolloutSpec

LONGEST_REQUEST_ID = 200
LONGEST_ACTOR = 200
_DIGEST_LENGTH = 10
_NO_COMMIT = ("", "HEAD")
"""What Buildkite says of a build whose commit isn't known yet."""


class Ci(NamedTuple):
    """The names of a CI's own variables, as it documents them. Of several, all that are set are taken."""

    name: str
    sign: str
    """Is set in each of its jobs, and nowhere else."""
    project: tuple[str, ...]
    commit: str
    job: tuple[str, ...]
    run: str
    """Stays when a job of it is run again."""
    actors: tuple[str, ...]
    """The first that is set is taken."""


KNOWN = (
    Ci(
        name="github",
        sign="GITHUB_ACTIONS",
        project=("GITHUB_REPOSITORY",),
        commit="GITHUB_SHA",
        job=("GITHUB_WORKFLOW", "GITHUB_JOB"),
        run="GITHUB_RUN_ID",
        actors=("GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR"),  # the first runs it again, the second has begun it
    ),
    Ci(
        name="gitlab",
        sign="GITLAB_CI",
        project=("CI_PROJECT_PATH",),
        commit="CI_COMMIT_SHA",
        job=("CI_JOB_NAME",),
        run="CI_PIPELINE_ID",
        actors=("GITLAB_USER_LOGIN",),
    ),
    Ci(
        name="buildkite",
        sign="BUILDKITE",
        project=("BUILDKITE_ORGANIZATION_SLUG", "BUILDKITE_PIPELINE_SLUG"),
        commit="BUILDKITE_COMMIT",
        job=("BUILDKITE_STEP_KEY", "BUILDKITE_LABEL"),
        run="BUILDKITE_BUILD_ID",
        actors=("BUILDKITE_BUILD_CREATOR",),
    ),
    Ci(
        name="circleci",
        sign="CIRCLECI",
        project=("CIRCLE_PROJECT_USERNAME", "CIRCLE_PROJECT_REPONAME"),
        commit="CIRCLE_SHA1",
        job=("CIRCLE_JOB",),
        run="CIRCLE_PIPELINE_ID",
        actors=("CIRCLE_USERNAME",),
    ),
    Ci(
        name="jenkins",
        sign="JENKINS_URL",
        project=(),
        commit="GIT_COMMIT",
        job=("JOB_NAME",),
        run="BUILD_NUMBER",
        actors=("BUILD_USER_ID", "BUILD_USER"),  # of the plugin build user vars
    ),
)


def request_id(environment: Mapping[str, str], spec: RolloutSpec) -> str:
    """Which request a job carries out: the same when it is run again. Empty outside of a CI.

    That is the commit, the job, and what is asked for: a job may roll out several things, and one that is started by
    hand another thing each time. A restart says nothing of what is to be there, so it is one for each run.
    """
    found = _found(environment)
    if found is None:
        return ""
    commit, job = environment.get(found.commit, ""), _joined(environment, found.job)
    if commit in _NO_COMMIT or not job:
        return ""
    run = environment.get(found.run, "") if spec.change.restart else ""
    if spec.change.restart and not run:
        return ""  # all restarts of this commit would be one request
    where = ":".join(filter(None, (found.name, _joined(environment, found.project), commit, job, run)))
    asked = spec.model_dump_json(include={"change", "strategy"}, by_alias=True)
    end = f":{_digest(asked)}"
    longest = LONGEST_REQUEST_ID - len(end)
    if len(where) > longest:
        digest = _digest(where)
        where = f"{where[: longest - len(digest) - 1]}~{digest}"
    return where + end


def actor(environment: Mapping[str, str]) -> str:
    """Who has started the job; empty outside of a CI, and where it doesn't say."""
    found = _found(environment)
    names = found.actors if found else ()
    said = (one_line(environment.get(name, "")) for name in names)
    return next(filter(None, said), "")[:LONGEST_ACTOR]


def _found(environment: Mapping[str, str]) -> Ci | None:
    return next((ci for ci in KNOWN if environment.get(ci.sign)), None)


def _joined(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    return "/".join(filter(None, (one_line(environment.get(name, "")) for name in names)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]
