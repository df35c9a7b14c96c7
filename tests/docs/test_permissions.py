"""The tables of rights are those of the roles that are shipped, and so is what a worker looks for at its start."""

import re

import pytest
import yaml

from rollwright.cluster.access import Right, rights_to_roll_out
from rollwright.cluster.needs import IN_CLUSTER, IN_TARGETS, to_read_policies
from rollwright.rollout.gates.capacity import Capacity
from rollwright.rollout.gates.job import JobGate
from rollwright.rollout.spec import Change, GatedStep, InEndpoints, RolloutSpec, Serves, Strategy, Target, TargetKind
from tests.docs.pages import ROOT
from tests.e2e.used import Granted, granted

PAGE = ROOT / "docs" / "permissions.md"
POLICIES = "rollwright-policies"
SECTIONS = {
    "In each namespace with targets": "rbac",
    "In the cluster as a whole": "rbac-capacity",
    "To follow": "rbac-follow",
}
"""And the file that grants what each tells of."""
NEEDED = {right for need in (*IN_TARGETS, *IN_CLUSTER, to_read_policies(POLICIES)) for right in need.rights}
_ROW = re.compile(r"^\| `(?P<resource>[^`]+)` \| (?P<verbs>[a-z, ]+) \| (?P<why>[^|]+) \| (?P<without>[^|]+) \|$")


def shipped(file: str) -> set[Granted]:
    text = (ROOT / "deploy" / f"{file}.yaml").read_text(encoding="utf-8")
    return granted(item for item in yaml.safe_load_all(text) if item)


def rows(section: str) -> list[re.Match[str]]:
    """Of its table."""
    text = PAGE.read_text(encoding="utf-8").partition(f"### {section}\n")[2].partition("\n#")[0]
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    found = [row for line in lines if (row := _ROW.match(line))]
    assert len(found) == len(lines)
    return found


@pytest.mark.parametrize(("section", "file"), SECTIONS.items())
def test_each_verb_on_each_resource_is_told_once_and_why(section: str, file: str) -> None:
    told = [(row["resource"], verb) for row in rows(section) for verb in row["verbs"].split(", ")]
    assert len(told) == len(set(told))
    assert set(told) == {(f"{right.group}/{right.resource}".lstrip("/"), right.verb) for right in shipped(file)}


def test_a_worker_looks_at_its_start_for_all_that_is_shipped_and_for_nothing_else() -> None:
    assert {as_granted(right) for right in NEEDED} == {right for file in SECTIONS.values() for right in shipped(file)}


@pytest.mark.parametrize("kind", TargetKind)
def test_what_a_single_rollout_takes_is_a_part_of_it(kind: TargetKind) -> None:
    job = {"template": {"spec": {"containers": [{"name": "probe", "image": "probe:1"}]}}}
    gates = (JobGate.model_validate({"template": job}), Capacity())
    strategy = Strategy(
        max_unavailable=1,
        readiness=Serves(endpoint=InEndpoints(service="front")),
        steps=(GatedStep(until=1, gates=gates),),
    )
    spec = RolloutSpec(target=Target(kind=kind, namespace="a", name="b"), change=Change(), strategy=strategy)
    assert set(rights_to_roll_out(spec)) <= NEEDED


def as_granted(right: Right) -> Granted:
    group = right.kind.version.rpartition("/")[0]
    return Granted(group, right.kind.plural, right.verb, right.everywhere, right.name)
