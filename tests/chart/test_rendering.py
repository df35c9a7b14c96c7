"""What Helm makes of the chart: kept manifests, refusals in words, and the files for whoever has no Helm."""

from pathlib import Path

import pytest

from rollwright.activities.messages import LONGEST_MUTATION
from tests.chart.helm import CHART, NAME, Helm, values_of
from tests.chart.written import CASES, written
from tests.devcluster.standin.namespace import Json
from tests.docs.pages import ROOT, Block, blocks

pytestmark = pytest.mark.real

SHOWN = [block for block in blocks(ROOT / "docs" / "installing.md") if block.language == "yaml"]
DEFAULT = f"--values={values_of('default')}"


@pytest.mark.parametrize("case", CASES)
async def test_the_chart_has_no_mistakes(helm: Helm, case: str) -> None:
    linted = await helm.run("lint", "--strict", CHART, f"--values={values_of(case)}")
    assert linted.code == 0, linted.output + linted.error


async def test_what_is_rendered_is_what_is_kept(helm: Helm) -> None:
    """If it is meant to change: python -m tests.chart.written, and look at the difference."""
    for path, text in (await written(helm)).items():
        assert path.read_text(encoding="utf-8") == text, path


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("temporal.address=", "at '/temporal/address': '' does not match pattern"),
        ("temporal.address=https://temporal:7233", "at '/temporal/address'"),
        ("temporal.adress=temporal:7233", "at '/temporal': additional properties 'adress' not allowed"),
        ("targets.namespaces=null", "at '/targets': missing property 'namespaces'"),
        ("targets.everywhere=true", "at '/targets/namespaces': maxItems: got 1, want 0"),
        ("targets.namespaces={Inference}", "at '/targets/namespaces/0': 'Inference' does not match pattern"),
        ("targets.namespaces={rollwright}", "Install the chart in a namespace without targets."),
        ("follow.namespaces={elsewhere}", "follow.namespaces has elsewhere, which targets.namespaces doesn't have"),
        ("replicas=0", "at '/replicas': minimum: got 0, want 1"),
        ("serviceAccount.create=false", "at '/serviceAccount/name': minLength: got 0, want 1"),
        ("env[0].name=TEMPORAL_API_KEY,env[0].value=secret", "at '/env/0/name': 'not' failed"),
        ("notify.secret=../../etc", "at '/notify/secret'"),
        ("alerts.waitingSeconds=1h", "at '/alerts/waitingSeconds': got string, want integer"),
        ("versioning.buildId=a/b", "at '/versioning/buildId': 'a/b' does not match pattern"),
        ("taskQueue=team.gpu", "taskQueue team.gpu can't name the deployment that the builds belong to"),
        ("versioning.deployment=GPU", "at '/versioning/deployment': 'GPU' does not match pattern"),
        ("image.tag=1@sha256:abc", "at '/image/tag': '1@sha256:abc' does not match pattern"),
        ("alerts.enabled=true", "alerts.enabled takes serviceMonitor.enabled"),
        ("rbac.create=false", "additional properties 'rbac' not allowed"),
    ],
)
async def test_values_that_can_not_be_meant_are_refused_with_words(helm: Helm, given: str, says: str) -> None:
    refused = await helm.run("template", NAME, CHART, f"--namespace={NAME}", DEFAULT, f"--set={given}")
    assert refused.code != 0
    assert says in refused.error


async def test_what_must_be_given_is_asked_for(helm: Helm) -> None:
    refused = await helm.run("template", NAME, CHART)
    assert "at '/temporal/address': '' does not match pattern" in refused.error
    assert "at '/targets/namespaces': minItems: got 0, want 1" in refused.error


async def test_no_value_has_a_secret_in_it(helm: Helm) -> None:
    """Secrets are named; the chart makes none."""
    objects = await helm.objects(f"--values={values_of('everything')}")
    assert "Secret" not in {item["kind"] for item in objects}
    by_name = {variable["name"]: variable for variable in container(objects)["env"]}
    assert by_name["TEMPORAL_API_KEY"] == {
        "name": "TEMPORAL_API_KEY",
        "valueFrom": {"secretKeyRef": {"name": "temporal-api-key", "key": "key"}},
    }


@pytest.mark.parametrize("block", SHOWN, ids=str)
async def test_the_values_that_the_page_shows_are_values(helm: Helm, block: Block, tmp_path: Path) -> None:
    values = tmp_path / block.title
    values.write_text(block.text)
    assert deployment(await helm.objects(f"--values={values}"))


async def test_a_worker_has_the_time_to_finish_what_it_is_at(helm: Helm) -> None:
    pod = deployment(await helm.objects(DEFAULT))["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= 2 * LONGEST_MUTATION.total_seconds()


async def test_notes_say_how_to_go_on(helm: Helm, tmp_path: Path) -> None:
    """And of what may not be seen at once: that gates reach nothing, and what it means to be everywhere."""
    options = (f"--values={values_of('everywhere')}", "--set=networkPolicy.enabled=true,connections.secret=ours")
    dry = ("install", NAME, CHART, f"--namespace={NAME}", "--dry-run=client", *options)
    notes = (await helm.run(*dry)).output.partition("NOTES:")[2]
    assert "for targets in\nall namespaces." in notes
    assert "kubectl rollout status deployment/rollwright --namespace rollwright" in notes
    assert "let nobody start rollouts of targets there" in notes
    assert "say in networkPolicy.egress" in notes


def deployment(objects: list[Json]) -> Json:
    (found,) = (item for item in objects if item["kind"] == "Deployment")
    return found


def container(objects: list[Json]) -> Json:
    (found,) = deployment(objects)["spec"]["template"]["spec"]["containers"]
    worker: Json = found
    return worker
