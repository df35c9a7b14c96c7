{{- define "rollwright.name" -}}
{{ .Release.Name | trunc 53 | trimSuffix "-" }}
{{- end }}

{{- define "rollwright.account" -}}
{{ .Values.serviceAccount.name | default (include "rollwright.name" .) }}
{{- end }}

{{- define "rollwright.selector" -}}
app.kubernetes.io/name: rollwright
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "rollwright.labels" -}}
{{ include "rollwright.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "rollwright.tag" -}}
{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* The queue of the steps, which only workers of this cluster take. */ -}}
{{- define "rollwright.queue" -}}
{{ .Values.taskQueue }}{{ with .Values.cluster }}@{{ . }}{{ end }}
{{- end }}

{{- define "rollwright.build" -}}
{{ .Values.versioning.buildId | default (include "rollwright.tag" .) | trunc 63 | trimAll "-._" }}
{{- end }}

{{- /* Of the Deployment: each build has one of its own. */ -}}
{{- define "rollwright.workers" -}}
{{ include "rollwright.name" . }}
{{- if .Values.versioning.enabled }}-{{ include "rollwright.build" . | lower | replace "." "-" | replace "_" "-" }}{{ end }}
{{- end }}

{{- define "rollwright.workersSelector" -}}
{{ include "rollwright.selector" . }}
{{- if .Values.versioning.enabled }}
rollwright.io/build: {{ include "rollwright.build" . | quote }}
{{- end }}
{{- end }}

{{- /* The namespaces of the ConfigMaps with policies: the one that is named, or each target's own. */ -}}
{{- define "rollwright.policyNamespaces" -}}
{{- if contains "/" .Values.follow.policies -}}
{{ list (splitList "/" .Values.follow.policies | first) | toJson }}
{{- else -}}
{{ .Values.follow.namespaces | toJson }}
{{- end -}}
{{- end }}

{{- define "rollwright.subjects" -}}
- kind: ServiceAccount
  name: {{ include "rollwright.account" . }}
  namespace: {{ .Release.Namespace }} # never that of targets, whose pods could have the account
{{- end }}
