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
  such as `2s-5s` from which one is drawn for each start. Default: 1s, of a pod of a Job 0s.
- `ready-after-by-group`: a JSON object from group ordinal to the same, e.g. `{"3": "20s"}`; wins over `ready-after` for
  the groups it names. A pod's group is its label leaderworkerset.sigs.k8s.io/group-index, or, in a plain StatefulSet,
  apps.kubernetes.io/pod-index.
- `fail`: how the pod fails, for as long as the annotation is there: in a template, or set on a live pod and removed to
  let it start again. It is not Ready then, and its status says what real parts would write:
  `image-pull` (its containers wait in ImagePullBackOff), `config` (in CreateContainerConfigError), `crash-loop` (they
  exit soon after each start; from the second time on they wait in CrashLoopBackOff for 5 s), `volume` (its sandbox
  doesn't come up), `not-ready` (it runs, and its readiness probe fails), `node-lost` (it ran, and the node lifecycle
  controller has taken its readiness back).
- `fail-groups`: a JSON list of the group ordinals that `fail` is limited to, e.g. `[2, 3]`.
- `crash-after`: a pod that crashes becomes Ready each time, and crashes so long after that.
- `exit-after`, `exit-code`: a pod that a Job owns ends so long after it has become Ready, with this code: Succeeded if
  that is 0, else Failed. Default: 1s and 0. To end one that runs, set a shorter `exit-after` on it. No other pod ends.
- `gone-after`: how long a deleted pod takes to go, whatever its grace period. Default: 200ms.

Pods write no logs. What is to be had as the log of one (`kubectl logs`) is a file named by a ClusterLogs object:

    apiVersion: kwok.x-k8s.io/v1alpha1
    kind: ClusterLogs
    metadata: {name: mine}
    spec:
      selector: {matchNamespaces: [default], matchNames: [a-pod]} # either may be left away
      logs: [{containers: [main], logsFile: /tmp/main.log}] # lines as in `2026-01-01T00:00:00Z stdout F hello`

What the scheduler says is real: a pod that asks for more GPUs than are free, for a claim that doesn't exist, or that
carries scheduling gates, stays without a node. Under LWS's RecreateGroupOnPodRestart a container that crashes takes its
group along as soon as it is started again, so a crash loop shows as ever new leaders.
"""


class DevClusterError(Exception):
    """The embedded Kubernetes can't do what was asked; the message says why and what to do next."""
