"""A stand-in for the LeaderWorkerSet controller v0.9.0, for development only.

It does what a rollout can see of LWS: the leader StatefulSet, the workers' StatefulSets owned by the leader pods, the headless
services, labels, annotations, revisions, status and conditions (with LWS's own peculiarities, which a rollout has to live with),
LWS's own rolling update, and the restart of a whole group. What LWS's webhooks do is done by policies in the API server
(manifests/lws-admission.yaml). It is held against recorded traces of the real controller.

What it does not do: sub-groups (their policy is validated and otherwise ignored), exclusive placement (the annotation restarts the
leaders, as with LWS, but no affinity is set), volume claims, TPU variables, gang scheduling, DisaggregatedSet, leader election,
metrics, events, the deprecated restart policy `Default` under another name than its own (it acts as `None`), the annotation
experimental-recreate-group-after-start, and one hash of many: the label group-key holds the leader's name. Its revision hashes are
of the same form as LWS's and differ from them.
"""
