{{/* One release per cluster: names are fixed, not made of the release's name, because admission policies, the CLI and agents know them. */}}

{{- define "backstay.operator" -}}backstay-operator{{- end }}

{{- define "backstay.nodeagent" -}}backstay-nodeagent{{- end }}

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
