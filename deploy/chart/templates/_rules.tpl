{{- /* What workers may do. deploy/rbac*.yaml are made from this: python -m tests.chart.written */ -}}

{{- define "rollwright.rules" -}}
- apiGroups: [leaderworkerset.x-k8s.io]
  resources: [leaderworkersets]
  verbs: [get, list, watch, patch]
# Patched where they are targets themselves; a LeaderWorkerSet's are only looked at.
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch, delete]
# Templates are kept as ControllerRevisions, to roll out and to go back to. One that is kept again gets a new number;
# beyond the last ones they are deleted.
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, create, patch, delete]
# An autoscaler of the target has LWS's own maxSurge carry the surge; without this, a rollout does as if there were one.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list]
{{- if .Values.rights.jobs }}
# A job gate runs Jobs, and deletes them when it is done. These two may be left away where no rollout has such a gate.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, create, delete]
# What the pods of its Jobs have written last. Without this a gate decides all the same, and shows no log.
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
{{- end }}
{{- if .Values.rights.endpoints }}
# For `readiness: endpoint` only: a group counts as ready once its leader is in the endpoints of a Service. Without
# this, a rollout that asks for it is refused.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
{{- end }}
{{- if .Values.rights.capacity }}
# For gates of the kind capacity, where a target has the label kueue.x-k8s.io/queue-name.
- apiGroups: [kueue.x-k8s.io]
  resources: [localqueues]
  verbs: [list]
{{- end }}
{{- if .Values.rights.events }}
# `kubectl describe` of a target tells of each step of its rollout, and why it stands; without this, it doesn't, and
# everything else works.
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}
{{- end }}

{{- define "rollwright.capacityRules" -}}
- apiGroups: [""]
  resources: [nodes, pods]
  verbs: [list]
# Quota, where a target has the label kueue.x-k8s.io/queue-name.
- apiGroups: [kueue.x-k8s.io]
  resources: [clusterqueues]
  verbs: [get]
{{- end }}

{{- define "rollwright.followRules" -}}
# By name: list and watch are asked for this one only, so no other ConfigMap can be read.
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [{{ splitList "/" .Values.follow.policies | last | quote }}]
  verbs: [list, watch]
{{- end }}
