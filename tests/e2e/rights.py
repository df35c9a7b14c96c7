"""What workers may do: the rights of deploy/rbac.yaml, or fewer."""

import json
from pathlib import Path
from typing import Protocol

import yaml

from rollwright.devcluster.cluster import DevCluster
from tests.devcluster.standin.namespace import Json, Namespace, until

DOCUMENTED = Path(__file__).parents[2] / "deploy" / "rbac.yaml"
COUNTING = DOCUMENTED.with_name("rbac-capacity.yaml")
FOLLOWING = DOCUMENTED.with_name("rbac-follow.yaml")
READ = ("get", "list", "watch")


class Place(Protocol):
    """A namespace of a test's own, and a folder for its files."""

    cluster: DevCluster
    namespace: Namespace
    folder: Path


def namespaces_of(namespace: str) -> tuple[str, str]:
    """Those of a test: the target's, and the one of the worker's account, which there is where rights are granted."""
    return namespace, f"{namespace}-worker"


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


def placed(
    namespace: str, rules: list[Json] | None = None, *, counting: bool = False, following: bool = False
) -> list[Json]:
    """The documented file for the namespace of a target, with other rules if some are given.

    `counting`: also what may be left away, to count free nodes; under names of its own, as it holds everywhere.
    `following`: also what a worker needs that follows.
    """
    namespaces = dict(zip(("default", "rollwright"), namespaces_of(namespace), strict=True))
    files = [DOCUMENTED, *([COUNTING] if counting else []), *([FOLLOWING] if following else [])]
    items = [item for path in files for item in yaml.safe_load_all(path.read_text())]
    for item in items:
        for named in (item, item.get("roleRef")):
            if named and named["kind"].startswith("Cluster"):
                holder = named.get("metadata", named)
                holder["name"] += f"-{namespace}"
        for placed_in in (item["metadata"], *item.get("subjects", ())):
            if "namespace" in placed_in:
                placed_in["namespace"] = namespaces[placed_in["namespace"]]
        if item["kind"] == "Namespace":
            item["metadata"]["name"] = namespaces[item["metadata"]["name"]]
        if rules is not None and item["kind"] == "Role":
            item["rules"] = rules
    return items


async def grant(
    place: Place, rules: list[Json] | None = None, *, counting: bool = False, following: bool = False
) -> None:
    """Apply the documented file for the target of a place, with other rules if some are given, until they count."""
    items = placed(place.namespace.name, rules, counting=counting, following=following)
    path = place.folder / "rights.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    await place.cluster.kubectl("apply", f"--filename={path}")
    granted = [rule for item in items if item["kind"].endswith("Role") for rule in item["rules"]]
    taken = [rule for rule in documented_rules() if rule not in granted]

    def count(held: list[Json]) -> bool:
        return all(rule in held for rule in granted) and not any(rule in held for rule in taken)

    await until(lambda: _held(place), count)


async def _held(place: Place) -> list[Json]:
    """The rules by which the API server judges the worker: a moment behind those that were written."""
    namespace, workers = namespaces_of(place.namespace.name)
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    path = place.folder / "rules-review.json"
    path.write_text(json.dumps(review))
    asked_as = f"--as=system:serviceaccount:{workers}:rollwright"
    answer = await place.cluster.kubectl("create", f"--filename={path}", "--output=json", "--validate=false", asked_as)
    held: list[Json] = json.loads(answer)["status"]["resourceRules"]
    return held


async def account(place: Place) -> Path:
    """The kubeconfig of the account that the file makes."""
    _, workers = namespaces_of(place.namespace.name)
    token = (await place.cluster.kubectl("create", "token", "rollwright", f"--namespace={workers}")).strip()
    own = json.loads(await place.cluster.kubectl("config", "view", "--raw", "--output=json"))
    path = place.folder / "account.kubeconfig"
    path.write_text(json.dumps({**own, "users": [{"name": own["users"][0]["name"], "user": {"token": token}}]}))
    return path


async def remove_namespaces(cluster: DevCluster, namespace: str) -> None:
    """Have those of a test deleted, in a while."""
    await cluster.kubectl("delete", "namespace", *namespaces_of(namespace), "--ignore-not-found", "--wait=false")
