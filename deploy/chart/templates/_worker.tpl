{{- /* What a worker is told: by flags, by its environment, and by files of Secrets. */ -}}

{{- define "rollwright.arguments" -}}
- worker
- --task-queue={{ .Values.taskQueue }}
{{- with .Values.cluster }}
- --cluster={{ . }}
{{- end }}
- --metrics=0.0.0.0:9090
- --health=0.0.0.0:8080
{{- range .Values.targets.namespaces }}
- --namespace={{ . }}
{{- end }}
{{- if .Values.targets.everywhere }}
- --all-namespaces
{{- end }}
{{- if .Values.follow.namespaces }}
- --follow
{{- range .Values.follow.namespaces }}
- --follow-namespace={{ . }}
{{- end }}
- --policies={{ .Values.follow.policies }}
{{- end }}
{{- if .Values.connections.secret }}
- --connections=/etc/rollwright/connections
{{- end }}
{{- if .Values.notify.secret }}
- --notify=/etc/rollwright/notify/{{ .Values.notify.key }}
{{- end }}
{{- if .Values.versioning.enabled }}
- --deployment={{ .Values.versioning.deployment | default .Values.taskQueue }}
- --build-id={{ include "rollwright.build" . }}
{{- if .Values.versioning.becomeCurrent }}
- --become-current
{{- end }}
{{- end }}
{{- end }}

{{- define "rollwright.environment" -}}
- name: TEMPORAL_ADDRESS
  value: {{ .Values.temporal.address | quote }}
- name: TEMPORAL_NAMESPACE
  value: {{ .Values.temporal.namespace | quote }}
{{- with .Values.temporal.tls }}
{{- if or .enabled .serverName .caSecret .clientSecret }}
- name: TEMPORAL_TLS
  value: "true"
{{- end }}
{{- if .serverName }}
- name: TEMPORAL_TLS_SERVER_NAME
  value: {{ .serverName | quote }}
{{- end }}
{{- if .caSecret }}
- name: TEMPORAL_TLS_SERVER_CA_CERT_PATH
  value: /etc/rollwright/temporal-ca/ca.crt
{{- end }}
{{- if .clientSecret }}
- name: TEMPORAL_TLS_CLIENT_CERT_PATH
  value: /etc/rollwright/temporal-client/tls.crt
- name: TEMPORAL_TLS_CLIENT_KEY_PATH
  value: /etc/rollwright/temporal-client/tls.key
{{- end }}
{{- end }}
{{- with .Values.temporal.apiKey }}
{{- if .secret }}
- name: TEMPORAL_API_KEY
  valueFrom:
    secretKeyRef: {name: {{ .secret | quote }}, key: {{ .key | quote }}}
{{- end }}
{{- end }}
{{- if .Values.payloadKeys.secret }}
- name: ROLLWRIGHT_KEYS
  value: /etc/rollwright/keys/{{ .Values.payloadKeys.key }}
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The Secrets that are mounted, by the name of the folder below /etc/rollwright. */ -}}
{{- define "rollwright.secrets" -}}
{{- $secrets := dict
    "connections" .Values.connections.secret
    "keys" .Values.payloadKeys.secret
    "notify" .Values.notify.secret
    "temporal-ca" .Values.temporal.tls.caSecret
    "temporal-client" .Values.temporal.tls.clientSecret }}
{{- range $name, $secret := $secrets }}
{{- if not $secret }}{{ $_ := unset $secrets $name }}{{ end }}
{{- end }}
{{- toJson $secrets }}
{{- end }}
