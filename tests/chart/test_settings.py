"""What the chart tells a worker is what a worker understands."""

import re
from typing import Any

import pytest
import yaml
from temporalio.envconfig import ClientConfigProfile
from typer.core import TyperOption

from docs.reference import chart
from rollwright.cli import main
from tests.chart.helm import CHART, DATA
from tests.devcluster.standin.namespace import Json


def container(case: str) -> Json:
    """The worker's, in a rendering that is kept."""
    items: list[Json] = [item for item in yaml.safe_load_all((DATA / f"{case}.yaml").read_text()) if item]
    (deployment,) = (item for item in items if item["kind"] == "Deployment")
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    worker: Json = found
    return worker


@pytest.mark.parametrize("case", ["default", "everything", "everywhere"])
def test_a_worker_knows_every_flag(case: str) -> None:
    verb, *told = container(case)["args"]
    known = {flag for given in main._load(verb).params if isinstance(given, TyperOption) for flag in given.opts}
    assert {argument.partition("=")[0] for argument in told} - known == set()


def test_temporal_is_found_by_what_is_in_the_environment() -> None:
    """As the SDK reads it; whatever it doesn't know would be passed over without a word."""
    told = {variable["name"]: variable.get("value", "") for variable in container("everything")["env"]}
    profile = ClientConfigProfile.load(override_env_vars={**told, "TEMPORAL_API_KEY": "from a Secret"})
    assert (profile.address, profile.namespace) == ("temporal.example:443", "gpu")
    assert profile.api_key == "from a Secret"
    assert profile.tls
    assert not profile.tls.disabled
    assert profile.tls.server_name == "temporal.internal"
    files = (profile.tls.server_root_ca_cert, profile.tls.client_cert, profile.tls.client_private_key)
    folders = ("temporal-ca/ca.crt", "temporal-client/tls.crt", "temporal-client/tls.key")
    assert [str(file) for file in files] == [f"/etc/rollwright/{path}" for path in folders]


def test_every_file_that_is_named_is_in_a_folder_that_is_mounted() -> None:
    worker = container("everything")
    mounted = {mount["mountPath"] for mount in worker["volumeMounts"]} - {"/tmp"}
    named = re.findall(r"/etc/rollwright/[-\w]+", yaml.safe_dump([worker["args"], worker["env"]]))
    assert set(named) == mounted


def test_values_and_schema_are_of_the_same_keys() -> None:
    """What the schema doesn't know is refused, and what has no value is described nowhere."""
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    of_schema = set(keys(schema, schema["definitions"])) - {"global"}
    assert of_schema == set(paths(values, of_schema))


def test_the_page_of_the_values_has_all_of_them() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    shown = {value.path: value.default for value in chart.values()}
    assert set(shown) == set(paths(values, {"resources.requests", "resources.limits", "dashboard.labels"}))
    assert (shown["temporal.apiKey.key"], shown["networkPolicy.apiServerPorts"]) == ("api-key", "[443, 6443]")
    (told,) = (value.told for value in chart.values() if value.path == "rights.capacity")
    assert told == "For capacity gates: to list the nodes and pods of the whole cluster, and what Kueue leaves."


def keys(schema: Any, definitions: Any, path: str = "") -> list[str]:
    """The paths of all properties."""
    found = []
    for name, of in schema["properties"].items():
        resolved = definitions[of["$ref"].rpartition("/")[2]] if "$ref" in of else of
        here = f"{path}{name}"
        found += keys(resolved, definitions, f"{here}.") if "properties" in resolved else [here]
    return found


def paths(values: Any, leaves: set[str], path: str = "") -> list[str]:
    """Of all values, down to leaves."""
    found = []
    for name, value in values.items():
        here = f"{path}{name}"
        goes_on = isinstance(value, dict) and value and here not in leaves
        found += paths(value, leaves, f"{here}.") if goes_on else [here]
    return found
