"""What workers may do: the rights of deploy/rbac.yaml, or fewer."""

import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import yaml

from rollwright.devcluster.cluster import DevCluster
from tests.devcluster.standin.namespace import Json, Namespace

DOCUMENTED = Path(__file__).parents[2] / "deploy" / "rbac.yaml"
READ = ("get", "list", "watch")


class Place(Protocol):
    """A namespace of a test's own, and a folder for its files."""

    namespace: Namespace
    folder: Path

    async def kubectl(self, *arguments: str) -> str: ...

    async def apply(self, *manifests: Json) -> None: ...


def documented_rules() -> list[Json]:
    """The rules of the documented role."""
    (role,) = (item for item in yaml.safe_load_all(DOCUMENTED.read_text()) if item["kind"] == "Role")
    rules: list[Json] = role["rules"]
    return rules


def reading(rules: list[Json]) -> list[Json]:
    """What of it writes nothing."""
    read = ({**rule, "verbs": [verb for verb in rule["verbs"] if verb in READ]} for rule in rules)
    return [rule for rule in read if rule["verbs"]]


def without(resource: str, *verbs: str) -> list[Json]:
    """The documented rules but for some verbs on a kind, or all of them."""
    rules = documented_rules()
    (rule,) = (rule for rule in rules if rule["resources"] == [resource])
    left = [verb for verb in rule["verbs"] if verbs and verb not in verbs]
    return [*(other for other in rules if other is not rule), *([{**rule, "verbs": left}] if left else [])]


def placed(namespace: str, rules: list[Json] | None = None, *, counting: bool = False) -> list[Json]:
    """The documented file for a namespace, with other rules if some are given.

    `counting`: also what may be left away, to count free nodes; under names of its own, as it holds everywhere.
    """
    items = [item for item in yaml.safe_load_all(DOCUMENTED.read_text()) if item]
    for item in items:
        for named in (item, item.get("roleRef")):
            if named and named["kind"].startswith("Cluster"):
                holder = named.get("metadata", named)
                holder["name"] += f"-{namespace}"
        for placed_in in (item["metadata"], *item.get("subjects", ())):
            placed_in["namespace"] = namespace
        if rules is not None and item["kind"] == "Role":
            item["rules"] = rules
    return [item for item in items if counting or not item["kind"].startswith("Cluster")]


async def grant(place: Place, rules: list[Json] | None = None) -> None:
    """Apply the documented file to the namespace of a place, with other rules if some are given."""
    await place.apply(*placed(place.namespace.name, rules))


async def account(place: Place) -> Path:
    """The kubeconfig of the account that the file makes."""
    return await _kubeconfig(place.kubectl, place.folder)


async def kubeconfig_of_account(cluster: DevCluster, namespace: str, folder: Path) -> Path:
    """The same of a namespace, written into a folder."""
    return await _kubeconfig(partial(cluster.kubectl, f"--namespace={namespace}"), folder)


async def _kubeconfig(kubectl: Callable[..., Awaitable[str]], folder: Path) -> Path:
    token = (await kubectl("create", "token", "rollwright")).strip()
    own = json.loads(await kubectl("config", "view", "--raw", "--output=json"))
    path = folder / "account.kubeconfig"
    path.write_text(json.dumps({**own, "users": [{"name": own["users"][0]["name"], "user": {"token": token}}]}))
    return path
