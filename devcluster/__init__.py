"""An embedded Kubernetes for the demo and the tests. For development only; needs Linux.

Real etcd, kube-apiserver, kube-controller-manager and kube-scheduler, built from pinned sources; the pods and nodes are
played by kwok, and LeaderWorkerSets by a stand-in for the LWS controller. Nothing listens beyond loopback.

    from rollwright.devcluster.cluster import ClusterSettings, DevCluster

    cluster = await DevCluster.up("mine", ClusterSettings(gpu_nodes=8, gpus_per_node=8))
    cluster.kubeconfig  # what everything else needs
    await cluster.down()

What a pod does is said by annotations on it (or on the template it is made from), all starting with
`devcluster.rollwright.io/`. A duration is written as Go does: `500ms`, `2s`, `1m30s`.

- `ready-after`: how long after it is scheduled, or after it recovers, the pod becomes Ready: a duration, or a range
  such as `2s-5s` from which one is drawn for each start. Default: 1s.
- `ready-after-by-group`: a JSON object from group ordinal to the same, e.g. `{"3": "20s"}`; wins over `ready-after` for
  the groups it names. A pod's group is its label leaderworkerset.sigs.k8s.io/group-index, or, in a plain StatefulSet,
  apps.kubernetes.io/pod-index.
- `fail`: `crash-loop` (the container waits in CrashLoopBackOff, its restarts go up every 5 s) or `image-pull` (it waits
  in ImagePullBackOff). The pod is not Ready for as long as the annotation is there: set it on a live pod to make it
  fail, remove it to let it start again.
- `fail-groups`: a JSON list of the group ordinals that `fail` is limited to, e.g. `[2, 3]`.
- `gone-after`: how long a deleted pod takes to go, whatever its grace period. Default: 200ms.
"""


class DevClusterError(Exception):
    """The embedded Kubernetes can't do what was asked; the message says why and what to do next."""
