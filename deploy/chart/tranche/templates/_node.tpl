{{- /* tranche-node, the second program of a node, which shows who uses its GPUs. It has names, an account and pods of
       its own, and depends on nothing that this chart installs beside it. */ -}}
{{- define "tranche.nodeOn" -}}
{{- include "tranche.on" (.Values.node).enabled -}}
{{- end }}

{{- /* "true" where it holds up memory walls and brings their library to pods. Without the plugin of this chart too. */ -}}
{{- define "tranche.wallsOn" -}}
{{- if include "tranche.nodeOn" . -}}{{- include "tranche.on" (.Values.node).walls -}}{{- end -}}
{{- end }}

{{- define "tranche.nodeName" -}}
{{- printf "%s-node" (include "tranche.base" .) -}}
{{- end }}

{{- /* selectorLabelsOverride is the plugin's: two DaemonSets must not select the same pods. */ -}}
{{- define "tranche.nodeSelectorLabels" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default "tranche" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: node
{{- end }}

{{- define "tranche.nodeLabels" -}}
{{ include "tranche.nodeSelectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "tranche.nodePodLabels" -}}
{{- $ours := include "tranche.nodeSelectorLabels" . | fromYaml -}}
{{- $_ := set $ours "app" "tranche-node" -}}
{{- merge $ours (.Values.podLabels | default dict) ((.Values.daemonsets).labels | default dict) | toYaml -}}
{{- end }}

{{- define "tranche.nodeSecurityContext" -}}
{{- with (.Values.node).securityContext | default .Values.securityContext -}}
{{ toYaml . }}
{{- else -}}
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
{{- with (.Values.node).seLinuxOptions }}
seLinuxOptions:
  {{- toYaml . | nindent 2 }}
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- if include "tranche.wallsOn" . }}
# To find a pod's counters again after a restart of its own, in the memory of the pod's programs.
capabilities: {drop: [ALL], add: [CHECKPOINT_RESTORE, SYS_PTRACE{{ range (.Values.node).capabilities }}, {{ . }}{{ end }}]}
{{- else }}
# What it reads in /proc of other users' processes everybody may read.
capabilities: {drop: [ALL]}
{{- end }}
{{- end -}}
{{- end }}

{{- /* "true" where it may see GPUs otherwise than through the NVIDIA runtime. */ -}}
{{- define "tranche.nodeNeedsDriverRoot" -}}
{{- if or (.Values.node).securityContext .Values.securityContext .Values.nvidiaDriverRoot -}}true{{- end -}}
{{- end }}

{{- define "tranche.nodeArguments" -}}
{{- if (include "tranche.config" . | fromJson).name }}
- --watch-node
{{- end }}
{{- include "tranche.profileArguments" . }}
{{- if include "tranche.on" .Values.events }}
- --events
{{- end }}
- --listen={{ .Values.node.port }}
- --dcgm-names={{ .Values.node.dcgmNames }}
- --interval={{ .Values.node.interval }}
{{- /* There again after a reboot, as what pods refer to has to be. */}}
- --walls-directory={{ ternary "/var/lib/tranche/walls" "" (eq (include "tranche.wallsOn" .) "true") }}
- --log-level={{ .Values.logLevel }}
- --log-format={{ .Values.logFormat }}
{{- range .Values.node.args | default list }}
- {{ quote . }}
{{- end }}
{{- end }}

{{- define "tranche.nodeEnvironment" -}}
- name: NODE_NAME
  valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
- {name: NVIDIA_VISIBLE_DEVICES, value: all}
- {name: NVIDIA_DRIVER_CAPABILITIES, value: utility}
{{- with .Values.node.env }}
{{ toYaml . }}
{{- end }}
{{- end }}
