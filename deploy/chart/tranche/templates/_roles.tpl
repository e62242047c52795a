{{- /* Roles and their bindings to one account: cluster, own and events are lists of rules for the whole cluster, for the
       account's namespace, and for `default`, where Events on nodes lie. A list that is empty makes none. */ -}}
{{- define "tranche.roles" -}}
{{- $given := . -}}
{{- range list
      (dict "kind" "ClusterRole" "name" .account "namespace" "" "rules" .cluster)
      (dict "kind" "Role" "name" .account "namespace" .namespace "rules" .own)
      (dict "kind" "Role" "name" (printf "%s-events" .account) "namespace" "default" "rules" .events) }}
{{- if .rules }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- $given.labels | nindent 4 }}
rules:
  {{- range .rules }}
  - {{ toJson . }}
  {{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- $given.labels | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: {{ .kind }}, name: {{ .name }}}
subjects:
  - {kind: ServiceAccount, name: {{ $given.account }}, namespace: {{ $given.namespace }}}
{{- end }}
{{- end }}
{{- end }}
