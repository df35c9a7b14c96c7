"""The template that the groups of a target run while another one stands, as under a frozen partition.

The ledger may never have seen it, so it is read from where the target's controller keeps it, to be gone back to.
"""

from rollwright.cluster.api import CONTROLLER_REVISIONS, Api, Manifest
from rollwright.cluster.objects import controller_of
from rollwright.cluster.snapshot import Snapshot


async def running_template(api: Api, snapshot: Snapshot) -> Manifest | None:
    """What all groups run; None if that is the template that stands, differs among them, or isn't kept any more.

    A surge apart: by a maxSurge of the user's own LWS starts groups above the partition on the template that stands.
    """
    item = snapshot.item
    running = snapshot.revisions_below(item.replicas)
    if len(running) != 1 or snapshot.target_revision in running or not snapshot.is_taken_up:
        return None
    (revision,) = running
    selector = snapshot.kept_by_controller(item, revision)
    listing = await api.list_all(CONTROLLER_REVISIONS, item.namespace, selector)
    for kept in sorted(listing["items"], key=lambda found: int(found["revision"]), reverse=True):
        owner = controller_of(kept)
        if owner and owner["uid"] == item.uid and snapshot.is_kept_in(kept, revision):
            spec = (kept.get("data") or {}).get("spec") or {}
            return {part: _without_directive(spec[part]) for part in item.TEMPLATE_PARTS if spec.get(part)}
    return None


def _without_directive(part: Manifest) -> Manifest:
    """What is kept is a strategic merge patch, which says of itself that it replaces."""
    return {name: value for name, value in part.items() if name != "$patch"}
