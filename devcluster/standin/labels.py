"""Names of the LeaderWorkerSet API v1: labels and annotations on pods, StatefulSets and revisions."""

from typing import Final

GROUP: Final = "leaderworkerset.x-k8s.io"
API_VERSION: Final = f"{GROUP}/v1"
KIND: Final = "LeaderWorkerSet"

_PREFIX: Final = "leaderworkerset.sigs.k8s.io"
SET_NAME: Final = f"{_PREFIX}/name"
GROUP_INDEX: Final = f"{_PREFIX}/group-index"
GROUP_KEY: Final = f"{_PREFIX}/group-key"
WORKER_INDEX: Final = f"{_PREFIX}/worker-index"
REVISION: Final = f"{_PREFIX}/template-revision-hash"

SIZE: Final = f"{_PREFIX}/size"
REPLICAS: Final = f"{_PREFIX}/replicas"
LEADER_NAME: Final = f"{_PREFIX}/leader-name"
SUBDOMAIN_POLICY: Final = f"{_PREFIX}/subdomainPolicy"
EXCLUSIVE_TOPOLOGY: Final = f"{_PREFIX}/exclusive-topology"
