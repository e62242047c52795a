{{- /* What is installed: "plugin", the agent, which labels nodes too; without it "gfd", if labels are asked for;
       or "", nothing. */ -}}
{{- define "tranche.program" -}}
{{- $enabled := (.Values.devicePlugin).enabled -}}
{{- if or (kindIs "invalid" $enabled) (eq (include "tranche.on" $enabled) "true") -}}plugin
{{- else if ne (include "tranche.labelsOutlet" .) "none" -}}gfd
{{- end -}}
{{- end }}

{{- /* "true" for true, also where it is text. */ -}}
{{- define "tranche.on" -}}
{{- if eq (toString .) "true" -}}true{{- end -}}
{{- end }}

{{- /* Names. One install makes TRANCHE-plugin or TRANCHE-gfd, where TRANCHE is fullnameOverride. */ -}}
{{- define "tranche.base" -}}
{{- .Values.fullnameOverride | default .Values.nameOverride | default "tranche" | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "tranche.name" -}}
{{- printf "%s-%s" (include "tranche.base" .) (include "tranche.program" .) -}}
{{- end }}

{{- define "tranche.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end }}

{{- define "tranche.selectorLabels" -}}
{{- if .Values.selectorLabelsOverride -}}
{{ toYaml .Values.selectorLabelsOverride }}
{{- else -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default "tranche" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ include "tranche.program" . }}
{{- end }}
{{- end }}

{{- define "tranche.labels" -}}
{{ include "tranche.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* Text, also where YAML reads a number (tag: 0.17, tag: 20250101). */ -}}
{{- define "tranche.text" -}}
{{- if kindIs "float64" . -}}{{- ternary (int64 . | toString) (toString .) (eq (floor .) .) -}}
{{- else if not (kindIs "invalid" .) -}}{{- toString . -}}
{{- end -}}
{{- end }}

{{- define "tranche.labelsOutlet" -}}
{{- .Values.labels | default (ternary "node-feature" "none" (eq (include "tranche.on" (.Values.gfd).enabled) "true")) -}}
{{- end }}

{{- /* The operator's chart says some things in other words; this chart's own words beat them. */ -}}
{{- define "tranche.migStrategy" -}}
{{- .Values.migStrategy | default (.Values.mig).strategy | default "" -}}
{{- end }}

{{- define "tranche.deviceListStrategy" -}}
{{- $cdi := dict "true" "cdi-annotations,cdi-cri" "false" "envvar" -}}
{{- .Values.deviceListStrategy | default (get $cdi (toString (.Values.cdi).enabled)) -}}
{{- end }}

{{- /* The first of two, or "true" where the second, a part of the operator, is enabled. */ -}}
{{- define "tranche.flag" -}}
{{- $given := index . 0 -}}
{{- if kindIs "invalid" $given -}}{{- include "tranche.on" (index . 1).enabled -}}{{- else -}}{{- toString $given -}}{{- end -}}
{{- end }}

{{- /* "true" where an agent follows a ClusterPolicy. */ -}}
{{- define "tranche.followsPolicy" -}}
{{- if eq (include "tranche.program" .) "plugin" -}}{{- include "tranche.on" (.Values.clusterPolicy).enabled -}}{{- end -}}
{{- end }}

{{- define "tranche.hostNetwork" -}}
{{- $part := ternary .Values.devicePlugin .Values.gfd (eq (include "tranche.program" .) "plugin") | default dict -}}
{{- if or (include "tranche.on" $part.enableHostNetwork) (include "tranche.on" $part.hostNetwork) -}}true{{- end -}}
{{- end }}

{{- /* "true" where the API server is asked for anything. */ -}}
{{- define "tranche.usesApi" -}}
{{- $config := include "tranche.config" . | fromJson -}}
{{- $plugin := eq (include "tranche.program" .) "plugin" -}}
{{- if or $config.name (and $plugin (or (include "tranche.followsPolicy" .) (include "tranche.on" .Values.events)))
      (has (include "tranche.labelsOutlet" .) (list "node-feature" "node")) -}}true{{- end -}}
{{- end }}

{{- /* "true" where some node may use MIG, or a volume-mounts strategy: the toolkit then asks for CAP_SYS_ADMIN. */ -}}
{{- define "tranche.needsSysAdmin" -}}
{{- $config := include "tranche.config" . | fromJson -}}
{{- $unknown := or (and $config.name (not $config.data)) (include "tranche.followsPolicy" .) -}}
{{- $givenMig := include "tranche.migStrategy" . -}}
{{- $givenList := include "tranche.deviceListStrategy" . -}}
{{- $mig := list $givenMig -}}
{{- $lists := list $givenList -}}
{{- range $name, $text := $config.data -}}
{{- $flags := include "tranche.profileFlags" $text | fromJson -}}
{{- if not $givenMig -}}{{- $mig = append $mig $flags.migstrategy -}}{{- end -}}
{{- if not $givenList -}}{{- $lists = append $lists $flags.devicelist -}}{{- end -}}
{{- end -}}
{{- $needed := or (and $unknown (not (and $givenMig $givenList))) (contains "volume-mounts" (toJson $lists)) -}}
{{- range $mig -}}{{- if and . (ne . "none") -}}{{- $needed = true -}}{{- end -}}{{- end -}}
{{- $part := ternary .Values.devicePlugin .Values.gfd (eq (include "tranche.program" .) "plugin") | default dict -}}
{{- $said := toJson (list $part.args $part.env) -}}
{{- if regexMatch "volume-mounts|mig-strategy(=|\",\")(single|mixed)|MIG_STRATEGY\",\"value\":\"(single|mixed)" $said -}}
{{- $needed = true -}}
{{- end -}}
{{- if $needed -}}true{{- end -}}
{{- end }}

{{- /* "true" where the agent may need the host's own driver files: for CDI specs, or because it sees devices
       otherwise than through the NVIDIA runtime. To whoever has the agent's pod, that mount is the host. */ -}}
{{- define "tranche.needsDriverRoot" -}}
{{- $given := include "tranche.deviceListStrategy" . -}}
{{- if or (not $given) (contains "cdi" $given) .Values.securityContext (include "tranche.on" .Values.compatWithCPUManager)
      .Values.nvidiaDriverRoot .Values.nvidiaDevRoot (.Values.devicePlugin).env (.Values.devicePlugin).args -}}
true
{{- end -}}
{{- end }}

{{- define "tranche.securityContext" -}}
{{- $given := .Values.securityContext -}}
{{- if ne (include "tranche.program" .) "plugin" -}}{{- $given = (.Values.gfd).securityContext | default $given -}}{{- end -}}
{{- if $given -}}
{{ toYaml $given }}
{{- else if include "tranche.on" .Values.compatWithCPUManager -}}
privileged: true
readOnlyRootFilesystem: true
{{- else -}}
readOnlyRootFilesystem: true
seccompProfile: {type: RuntimeDefault}
{{- if include "tranche.needsSysAdmin" . }}
capabilities: {drop: [ALL], add: [SYS_ADMIN]}
{{- else }}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
{{- end }}
{{- end -}}
{{- end }}

{{- /* Where profiles come from, of whichever program follows them. */ -}}
{{- define "tranche.profileArguments" -}}
{{- $config := include "tranche.config" . | fromJson -}}
{{- if $config.name }}
- --profiles-configmap={{ include "tranche.namespace" . }}/{{ $config.name }}
{{- with $config.default }}
- --default-profile={{ . }}
{{- end }}
- --fallback-strategies={{ join "," $config.fallbacks }}
{{- end }}
{{- end }}

{{- define "tranche.arguments" -}}
{{- $config := include "tranche.config" . | fromJson -}}
{{- if or $config.name (include "tranche.followsPolicy" .) }}
- --watch-node
{{- end }}
{{- include "tranche.profileArguments" . }}
{{- if include "tranche.followsPolicy" . }}
- --cluster-policy={{ .Values.clusterPolicy.name }}
- --policy-namespace={{ include "tranche.namespace" . }}
{{- end }}
{{- if include "tranche.on" .Values.events }}
- --events
{{- end }}
- --labels={{ include "tranche.labelsOutlet" . }}
- --listen={{ .Values.metricsPort }}
- --log-level={{ .Values.logLevel }}
- --log-format={{ .Values.logFormat }}
{{- range (.Values.devicePlugin).args | default list }}
- {{ quote . }}
{{- end }}
{{- end }}
