"""What a CI's variables make of a start: which request it is, and whose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollwright.cli import ci
from rollwright.cli.interventions import read_intervention
from rollwright.rollout.spec import Change, RolloutSpec, Strategy, Target

SHA = "5441815b4f3ec2aeecd8c876b4793b86f7c4ccea"
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "octo-org/llm",
    "GITHUB_SHA": SHA,
    "GITHUB_WORKFLOW": "Deploy",
    "GITHUB_JOB": "rollout",
    "GITHUB_RUN_ID": "1658821493",
    "GITHUB_ACTOR": "octocat",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PROJECT_PATH": "group/llm",
    "CI_COMMIT_SHA": SHA,
    "CI_JOB_NAME": "rollout: [eu, 1]",
    "CI_PIPELINE_ID": "77",
    "GITLAB_USER_LOGIN": "ann",
}
BUILDKITE = {
    "BUILDKITE": "true",
    "BUILDKITE_ORGANIZATION_SLUG": "acme",
    "BUILDKITE_PIPELINE_SLUG": "llm",
    "BUILDKITE_COMMIT": SHA,
    "BUILDKITE_STEP_KEY": "rollout",
    "BUILDKITE_LABEL": "Roll out",
    "BUILDKITE_BUILD_ID": "0199",
    "BUILDKITE_BUILD_CREATOR": "Ann",
}
CIRCLECI = {
    "CIRCLECI": "true",
    "CIRCLE_PROJECT_USERNAME": "acme",
    "CIRCLE_PROJECT_REPONAME": "llm",
    "CIRCLE_SHA1": SHA,
    "CIRCLE_JOB": "rollout",
    "CIRCLE_PIPELINE_ID": "5034",
    "CIRCLE_USERNAME": "ann",
}
JENKINS = {
    "JENKINS_URL": "https://jenkins.example.com/",
    "GIT_COMMIT": SHA,
    "JOB_NAME": "llm/main",
    "BUILD_NUMBER": "12",
    "BUILD_USER_ID": "ann",
}


def spec(name: str = "llm", *, max_surge: int = 1, **change: object) -> RolloutSpec:
    return RolloutSpec(
        target=Target(name=name),
        change=Change(**(change or {"images": {"model": "llm:v2"}})),
        strategy=Strategy(max_surge=max_surge),
    )


@pytest.mark.parametrize(
    ("environment", "begins", "actor"),
    [
        (GITHUB, f"github:octo-org/llm:{SHA}:Deploy/rollout:", "octocat"),
        (GITHUB | {"GITHUB_TRIGGERING_ACTOR": "hubot"}, f"github:octo-org/llm:{SHA}:Deploy/rollout:", "hubot"),
        (GITLAB, f"gitlab:group/llm:{SHA}:rollout: [eu, 1]:", "ann"),
        (BUILDKITE, f"buildkite:acme/llm:{SHA}:rollout/Roll out:", "Ann"),
        (CIRCLECI, f"circleci:acme/llm:{SHA}:rollout:", "ann"),
        (JENKINS, f"jenkins:{SHA}:llm/main:", "ann"),
    ],
)
def test_each_ci_says_which_request_a_job_carries_out_and_who_has_started_it(
    environment: dict[str, str], begins: str, actor: str
) -> None:
    request = ci.request_id(environment, spec())
    assert (request[:-10], len(request)) == (begins, len(begins) + 10)
    assert ci.actor(environment) == actor


@pytest.mark.parametrize("variables", [GITHUB, GITLAB, BUILDKITE, CIRCLECI, JENKINS])
def test_a_job_that_is_run_again_carries_out_the_same_request_and_another_commit_or_job_does_not(
    variables: dict[str, str],
) -> None:
    first = ci.request_id(variables, spec())
    others = [dict(variables, **{name: "other"}) for name in variables if "SHA" in name or "COMMIT" in name]
    others += [dict(variables, **{name: "other"}) for name in variables if name.endswith(("JOB", "JOB_NAME", "KEY"))]
    assert ci.request_id(dict(variables), spec()) == first
    assert len(others) >= 2
    assert all(ci.request_id(other, spec()) not in ("", first) for other in others)


def test_another_change_or_strategy_is_another_request_also_of_the_same_commit() -> None:
    asked = {
        ci.request_id(GITHUB, made)
        for made in (spec(), spec(images={"model": "llm:v3"}), spec(max_surge=2), spec(patch={"size": 2}))
    }
    assert len(asked) == 4


def test_a_restart_is_a_request_of_its_own_in_each_run_and_the_same_in_a_run_that_is_repeated() -> None:
    nightly = [ci.request_id(GITHUB | {"GITHUB_RUN_ID": run}, spec(restart=True)) for run in ("1", "2", "2")]
    assert nightly[0] != nightly[1] == nightly[2]
    change = [ci.request_id(GITHUB | {"GITHUB_RUN_ID": run}, spec()) for run in ("1", "2")]
    assert change[0] == change[1]


def test_a_restart_in_a_run_that_is_not_named_is_no_request() -> None:
    unnamed = {name: value for name, value in GITHUB.items() if name != "GITHUB_RUN_ID"}
    assert ci.request_id(unnamed, spec(restart=True)) == ""
    assert ci.request_id(unnamed, spec()) != ""


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"CI": "true"},
        {name: value for name, value in GITHUB.items() if name != "GITHUB_ACTIONS"},
        GITHUB | {"GITHUB_SHA": ""},
        BUILDKITE | {"BUILDKITE_COMMIT": "HEAD"},
        {"JENKINS_URL": "https://jenkins.example.com/", "JOB_NAME": "llm"},
    ],
)
def test_without_a_commit_and_a_job_there_is_no_request(environment: dict[str, str]) -> None:
    assert ci.request_id(environment, spec()) == ""


@given(st.text(min_size=1, max_size=400).filter(str.strip))
def test_whatever_a_job_is_called_its_request_fits_and_shows_on_one_line(job: str) -> None:
    request = ci.request_id(GITLAB | {"CI_JOB_NAME": job}, spec())
    assert len(request) <= 200
    assert all(letter.isprintable() for letter in request)


def test_long_names_that_differ_only_at_their_end_are_different_requests() -> None:
    jobs = [ci.request_id(GITLAB | {"CI_JOB_NAME": "x" * 300 + end}, spec()) for end in "ab"]
    assert jobs[0] != jobs[1]
    assert [len(job) for job in jobs] == [200, 200]


def test_who_has_started_the_job_is_the_actor_unless_one_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GITHUB.items():
        monkeypatch.setenv(name, value)
    assert read_intervention("", "").actor == "octocat"
    assert read_intervention("ann", "").actor == "ann"
