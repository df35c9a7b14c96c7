"""What workers may do: the rights of deploy/rbac.yaml, or fewer."""

import json
from pathlib import Path
from typing import Protocol

import yaml

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


async def grant(place: Place, rules: list[Json] | None = None) -> None:
    """Apply the documented file to the namespace of a place, with other rules if some are given."""
    items = [item for item in yaml.safe_load_all(DOCUMENTED.read_text()) if item]
    for item in items:
        for placed in (item["metadata"], *item.get("subjects", ())):
            placed["namespace"] = place.namespace.name
        if rules is not None and item["kind"] == "Role":
            item["rules"] = rules
    await place.apply(*items)


async def account(place: Place) -> Path:
    """The kubeconfig of the account that the file makes."""
    token = (await place.kubectl("create", "token", "rollwright")).strip()
    own = json.loads(await place.kubectl("config", "view", "--raw", "--output=json"))
    path = place.folder / "account.kubeconfig"
    path.write_text(json.dumps({**own, "users": [{"name": own["users"][0]["name"], "user": {"token": token}}]}))
    return path
