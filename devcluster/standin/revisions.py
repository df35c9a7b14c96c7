"""Revisions of a LeaderWorkerSet: what of its spec counts as one, its hash and its ControllerRevision. Pure.

Source: LWS v0.9.0, utils/revision. The hash is FNV-1 of the data, spelt with the letters Kubernetes uses for names.
"""

import json
from collections.abc import Iterable
from typing import Final

from rollwright.devcluster.standin import labels
from rollwright.devcluster.standin.manifests import Manifest, is_controlled_by, label_of
from rollwright.devcluster.standin.templates import owner_reference

_SAFE_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"


def data_of(lws: Manifest) -> Manifest:
    """Return the part of `lws` whose change is an update: the templates and the network configuration."""
    spec = lws["spec"]
    return {
        "spec": {
            "leaderWorkerTemplate": {**spec["leaderWorkerTemplate"], "$patch": "replace"},
            "networkConfig": {**spec["networkConfig"], "$patch": "replace"},
        }
    }


def hash_of(data: Manifest) -> str:
    """Return the hash by which labels name the revision that holds `data`."""
    digest = 0x811C9DC5
    for byte in json.dumps(data, sort_keys=True).encode():
        digest = (digest * 0x01000193) % 2**32 ^ byte
    return "".join(_SAFE_LETTERS[ord(digit) % len(_SAFE_LETTERS)] for digit in str(digest))


def owned_by(lws: Manifest, revisions: Iterable[Manifest]) -> list[Manifest]:
    """Return LWS's own revisions of `lws`, oldest first; those of others carry another label."""
    own = [
        revision
        for revision in revisions
        if label_of(revision, labels.SET_NAME) == lws["metadata"]["name"] and is_controlled_by(revision, lws)
    ]
    return sorted(own, key=lambda revision: int(revision["revision"]))


def newest_of(revisions: Iterable[Manifest], revision_hash: str) -> Manifest | None:
    """Return the newest of `revisions` (oldest first) that is labelled `revision_hash`."""
    found = [revision for revision in revisions if label_of(revision, labels.REVISION) == revision_hash]
    return found[-1] if found else None


def new_revision(lws: Manifest, existing: list[Manifest], revision_hash: str) -> Manifest:
    """Return the ControllerRevision to create for `lws` as it is now, numbered after the `existing` ones.

    It is labelled `revision_hash`, which replaces a lost one, or when that is "", with the hash of what it holds.
    """
    data = data_of(lws)
    number = existing[-1]["revision"] + 1 if existing else 1
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{lws['metadata']['name'][:220]}-{hash_of(data)}-{number}",
            "namespace": lws["metadata"]["namespace"],
            "labels": {labels.SET_NAME: lws["metadata"]["name"], labels.REVISION: revision_hash or hash_of(data)},
            "ownerReferences": [owner_reference(lws)],
        },
        "revision": number,
        "data": data,
    }
