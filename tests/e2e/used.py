"""Rights as manifests grant them, and as an account has used them, by what the API server has written down."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.devcluster.standin.namespace import Json

FOR_EVERYBODY = "selfsubjectaccessreviews"
"""Whoever is authenticated may ask what he may do."""


class Granted(NamedTuple):
    """One verb on one resource."""

    group: str
    resource: str
    """With its subresource, as in "pods/log"."""
    verb: str
    everywhere: bool
    """In the cluster as a whole, and not in one namespace."""
    name: str = ""
    """Of the only object; empty: of all."""


def granted(manifests: Iterable[Json]) -> set[Granted]:
    """What roles among these allow."""
    return {
        Granted(group, resource, verb, role["kind"] == "ClusterRole", name)
        for role in manifests
        if role["kind"] in ("Role", "ClusterRole")
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


def used(audit: Path, account: str, *, only: Iterable[str] = ()) -> set[Granted]:
    """What an account has asked for, whether it was allowed or not.

    `only`: resources of which an object was asked for by its name when a list was.
    """
    lines = (json.loads(line) for line in audit.read_text().splitlines())
    asked = [_asked(event["objectRef"], event["verb"], only) for event in lines if _is_by(event, account)]
    return {one for one in asked if one.resource != FOR_EVERYBODY}


def _is_by(event: Json, account: str) -> bool:
    return "objectRef" in event and event["user"]["username"] == account


def _asked(reference: Json, verb: str, only: Iterable[str]) -> Granted:
    resource, subresource = reference["resource"], reference.get("subresource")
    return Granted(
        reference.get("apiGroup", ""),
        f"{resource}/{subresource}" if subresource else resource,
        verb,
        everywhere="namespace" not in reference,
        name=reference.get("name", "") if resource in only else "",
    )
