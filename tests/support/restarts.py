"""Parts of the embedded Kubernetes that are started again."""

from rollwright.devcluster.cluster import DevCluster
from rollwright.devcluster.parts import Part


async def restart_clients(cluster: DevCluster) -> None:
    """Have the API server's clients find it again: alone they would after up to a minute."""
    for client in (Part.CONTROLLER_MANAGER, Part.SCHEDULER, Part.KWOK):
        await cluster.stop_part(client)
        await cluster.start_part(client)
