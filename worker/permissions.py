"""What a worker may not do, said at its start, and not only once a rollout comes to it."""

import logging
from collections.abc import Sequence

from rollwright.cluster.access import in_words, missing
from rollwright.cluster.api import Api
from rollwright.cluster.errors import ClusterError
from rollwright.cluster.needs import IN_CLUSTER, IN_TARGETS, Need, to_read_policies
from rollwright.worker.policies import Place

ALL_NAMESPACES = ""
_log = logging.getLogger(__name__)


async def tell_missing(api: Api, namespaces: Sequence[str], *, follow: Sequence[str], policies: Place) -> None:
    """Log which rights are missing for targets in these namespaces and for those followed, and what that costs.

    What people may have left away on purpose is no warning.
    """
    asked = [
        (namespace, f" in {namespace or 'all namespaces'}", need) for namespace in namespaces for need in IN_TARGETS
    ]
    if namespaces:
        asked += [(ALL_NAMESPACES, "", need) for need in IN_CLUSTER]
    places = dict.fromkeys(policies.namespace or namespace for namespace in follow)
    asked += [(namespace, f" in {namespace}", to_read_policies(policies.config_map)) for namespace in places]
    for namespace, where, need in asked:
        try:
            await _tell(api, namespace, where, need)
        except ClusterError as error:
            _log.warning("what this worker may do can't be told: %s", error)
            return


async def _tell(api: Api, namespace: str, where: str, need: Need) -> None:
    if lacking := await missing(api, namespace, need.rights):
        level = logging.INFO if need.optional else logging.WARNING
        _log.log(level, "may not %s%s: %s (docs/permissions.md)", in_words(lacking), where, need.lost)
