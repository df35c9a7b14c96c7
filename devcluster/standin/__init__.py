"""A stand-in for the LeaderWorkerSet controller v0.9.0, for development only.

It does what a rollout can see of LWS: the leader StatefulSet, the workers' StatefulSets owned by the leader pods, the
headless services, labels, annotations, revisions, status and conditions (with the peculiarities of LWS, which a
rollout has to live with), LWS's own rolling update, and the restart of a whole group. What LWS does with webhooks is
done by policies in the API server (manifests/lws-admission.yaml). It is held against recorded traces of the real
controller.

What it does not do: sub-groups, exclusive placement (its annotation restarts the leaders, as with LWS, but sets no
affinity), volume claims, TPU variables, gang scheduling, DisaggregatedSet, events, metrics, leader election, the
annotation experimental-recreate-group-after-start. It does not spell quantities in templates as Kubernetes does, and
fills in `resources: {}` and `metadata: {}` at every write, where LWS does so only when it has some other default to
fill in; neither makes a new revision. The label group-key holds the leader's name instead of a hash of it; hashes of
revisions look like LWS's but are others. Its admission goes on while it is down, where LWS's webhooks would be down
too, and every write refused.
"""
