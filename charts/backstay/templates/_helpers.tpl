{{/* One release per cluster: names are fixed, not made of the release's name, because admission policies, the CLI and agents know them. */}}

{{- define "backstay.operator" -}}backstay-operator{{- end }}

{{- define "backstay.nodeagent" -}}backstay-nodeagent{{- end }}

{{- define "backstay.uninstall" -}}backstay-uninstall{{- end }}

{{/* Labels of every object. Call with the root context. */}}
{{- define "backstay.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/part-of: backstay
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of one program's objects: (dict "root" . "name" "backstay-operator"). */}}
{{- define "backstay.componentLabels" -}}
{{ include "backstay.labels" .root }}
{{ include "backstay.selector" . }}
{{- end }}

{{/* What selects one program's pods; never changes between versions, because selectors are immutable. */}}
{{- define "backstay.selector" -}}
app.kubernetes.io/name: {{ .name }}
{{- end }}

{{/* The user name of a ServiceAccount, for admission policies: (dict "root" . "name" "backstay-nodeagent"). */}}
{{- define "backstay.userName" -}}
system:serviceaccount:{{ .root.Release.Namespace }}:{{ .name }}
{{- end }}

{{/* An image: (dict "root" . "of" .Values.operator.image). */}}
{{- define "backstay.image" -}}
{{- $name := printf "%s%s" .root.Values.image.registry .of.repository -}}
{{- if .of.digest -}}
{{ $name }}@{{ .of.digest }}
{{- else -}}
{{ $name }}:{{ .of.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* Of pods that need no privilege. */}}
{{- define "backstay.unprivileged" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "backstay.unprivilegedContainer" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Whether the cluster knows Prometheus' objects. */}}
{{- define "backstay.knowsPrometheus" -}}
{{- if .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}true{{ end -}}
{{- end }}

{{/* The manifests of one folder below files/, which hold no expressions but the namespace and the audiences of tokens, so that they can be read, tested and applied without
helm. Takes root and folder. */}}
{{- define "backstay.manifests" -}}
{{- range $path, $_ := .root.Files.Glob (printf "files/%s/*.yaml" .folder) }}
---
{{ tpl ($.root.Files.Get $path) $.root }}
{{- end }}
{{- end }}

{{/* How Prometheus scrapes an endpoint that asks for a token: with one of the Secret's, or its own. */}}
{{- define "backstay.scrapeSecurely" -}}
{{- $secure := .Values.monitoring.secure -}}
scheme: https
{{- if $secure.tokenSecret.name }}
authorization:
  credentials: {name: {{ $secure.tokenSecret.name | quote }}, key: {{ $secure.tokenSecret.key | quote }}}
{{- end }}
tlsConfig:
  {{- with $secure.serverName }}
  serverName: {{ . | quote }}
  {{- end }}
  ca:
    secret: {name: {{ $secure.certificateSecret | quote }}, key: {{ $secure.authorityKey | quote }}}
{{- end }}
