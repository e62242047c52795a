{{- /* What is installed: "plugin", the agent, which labels nodes too; without it "gfd", if labels are asked for;
       or "", nothing. */ -}}
{{- define "tranche.program" -}}
{{- if .Values.devicePlugin.enabled -}}plugin
{{- else if ne (include "tranche.labelsOutlet" .) "none" -}}gfd
{{- end -}}
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

{{- /* The image. A file of NVIDIA's values names NVIDIA's image, which has no `tranche agent`: ours is used. */ -}}
{{- define "tranche.image" -}}
{{- $plugin := .Values.devicePlugin -}}
{{- $ours := "docker.io/tranche/tranche" -}}
{{- if and $plugin.repository $plugin.image (ne $plugin.repository "nvcr.io/nvidia") -}}
{{- $sign := ternary "@" ":" (hasPrefix "sha256:" ($plugin.version | default "")) -}}
{{- printf "%s/%s%s%s" $plugin.repository $plugin.image $sign ($plugin.version | default .Chart.AppVersion) -}}
{{- else if hasPrefix "nvcr.io/nvidia/" .Values.image.repository -}}
{{- printf "%s:%s" $ours .Chart.AppVersion -}}
{{- else -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- printf "%s%s%s" .Values.image.repository (ternary "@" ":" (hasPrefix "sha256:" $tag)) $tag -}}
{{- end -}}
{{- end }}

{{- /* Where profiles come from, as JSON: name, default, fallbacks, data (of a ConfigMap to make).
       The operator's form (devicePlugin.config) falls back as the operator does. */ -}}
{{- define "tranche.config" -}}
{{- $config := .Values.config -}}
{{- $operator := .Values.devicePlugin.config | default dict -}}
{{- $result := dict "name" "" "default" "" "fallbacks" (list) "data" (dict) -}}
{{- if and $config.name $config.map -}}
{{- fail "config.name (an existing ConfigMap) and config.map (one to be made) exclude each other" -}}
{{- end -}}
{{- if and (or $config.name $config.map) $operator.name -}}
{{- fail "config.* and devicePlugin.config.* say the same thing; give one of them" -}}
{{- end -}}
{{- if $operator.name -}}
{{- $result = dict "name" $operator.name "default" ($operator.default | default "") "fallbacks" (list "empty")
      "data" (ternary ($operator.data | default dict) dict (default false $operator.create)) -}}
{{- else if or $config.name $config.map -}}
{{- $made := printf "%s-configs" (include "tranche.name" .) -}}
{{- $result = dict "name" ($config.name | default $made) "default" ($config.default | default "")
      "fallbacks" ($config.fallbackStrategies | default list) "data" ($config.map | default dict) -}}
{{- end -}}
{{- if and $operator.create (not $operator.name) -}}
{{- fail "devicePlugin.config.create needs devicePlugin.config.name" -}}
{{- end -}}
{{- if and $result.data $result.default (not (hasKey $result.data $result.default)) -}}
{{- fail (printf "the default profile '%s' is not one of those given: %s" $result.default (keys $result.data | sortAlpha | join ", ")) -}}
{{- end -}}
{{- toJson $result -}}
{{- end }}

{{- define "tranche.labelsOutlet" -}}
{{- .Values.labels | default (ternary "node-feature" "none" (default false .Values.gfd.enabled)) -}}
{{- end }}

{{- /* "true" where the API server is asked for anything. */ -}}
{{- define "tranche.usesApi" -}}
{{- $config := include "tranche.config" . | fromJson -}}
{{- $plugin := eq (include "tranche.program" .) "plugin" -}}
{{- if or $config.name (and $plugin (or .Values.clusterPolicy.enabled .Values.events))
      (has (include "tranche.labelsOutlet" .) (list "node-feature" "node")) -}}true{{- end -}}
{{- end }}

{{- /* "true" where some node may use MIG, or a volume-mounts strategy: the toolkit then asks for CAP_SYS_ADMIN. */ -}}
{{- define "tranche.needsSysAdmin" -}}
{{- $config := include "tranche.config" . | fromJson -}}
{{- $unknown := or (and $config.name (not $config.data)) .Values.clusterPolicy.enabled -}}
{{- $mig := list .Values.migStrategy -}}
{{- $lists := list .Values.deviceListStrategy -}}
{{- range $name, $text := $config.data -}}
{{- $flags := (fromYaml $text).flags | default dict -}}
{{- $mig = append $mig $flags.migStrategy -}}
{{- $lists = append $lists (($flags.plugin | default dict).deviceListStrategy) -}}
{{- end -}}
{{- if .Values.migStrategy -}}{{- $mig = list .Values.migStrategy -}}{{- end -}}
{{- if .Values.deviceListStrategy -}}{{- $lists = list .Values.deviceListStrategy -}}{{- end -}}
{{- $needed := or (and $unknown (not (and .Values.migStrategy .Values.deviceListStrategy))) (contains "volume-mounts" (toJson $lists)) -}}
{{- range $mig -}}{{- if and . (ne . "none") -}}{{- $needed = true -}}{{- end -}}{{- end -}}
{{- if $needed -}}true{{- end -}}
{{- end }}

{{- /* "true" where the agent may need the host's own driver files: for CDI specs, or because it sees devices
       otherwise than through the NVIDIA runtime. To whoever has the agent's pod, that mount is the host. */ -}}
{{- define "tranche.needsDriverRoot" -}}
{{- $given := .Values.deviceListStrategy | toJson -}}
{{- if or (not .Values.deviceListStrategy) (contains "cdi" $given) .Values.securityContext
      .Values.compatWithCPUManager .Values.nvidiaDriverRoot .Values.nvidiaDevRoot .Values.devicePlugin.env -}}
true
{{- end -}}
{{- end }}

{{- define "tranche.securityContext" -}}
{{- if .Values.securityContext -}}
{{ toYaml .Values.securityContext }}
{{- else if .Values.compatWithCPUManager -}}
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

{{- define "tranche.arguments" -}}
{{- $config := include "tranche.config" . | fromJson -}}
{{- if or $config.name .Values.clusterPolicy.enabled }}
- --watch-node
{{- end }}
{{- if $config.name }}
- --profiles-configmap={{ include "tranche.namespace" . }}/{{ $config.name }}
{{- with $config.default }}
- --default-profile={{ . }}
{{- end }}
- --fallback-strategies={{ join "," $config.fallbacks }}
{{- end }}
{{- if .Values.clusterPolicy.enabled }}
- --cluster-policy={{ .Values.clusterPolicy.name }}
- --policy-namespace={{ include "tranche.namespace" . }}
{{- end }}
{{- if .Values.events }}
- --events
{{- end }}
- --labels={{ include "tranche.labelsOutlet" . }}
- --listen={{ .Values.metricsPort }}
- --log-level={{ .Values.logLevel }}
- --log-format={{ .Values.logFormat }}
{{- end }}

{{- /* The environment that upstream's chart sets, where a value is given; devicePlugin.env takes the place of
       what it names, and comes last. */ -}}
{{- define "tranche.environment" -}}
{{- $set := list
  (list "MIG_STRATEGY" .Values.migStrategy)
  (list "PASS_DEVICE_SPECS" .Values.compatWithCPUManager)
  (list "FAIL_ON_INIT_ERROR" (default false .Values.failOnInitError))
  (list "DEVICE_LIST_STRATEGY" .Values.deviceListStrategy)
  (list "DEVICE_ID_STRATEGY" .Values.deviceIDStrategy)
  (list "NVIDIA_DRIVER_ROOT" .Values.nvidiaDriverRoot)
  (list "NVIDIA_DEV_ROOT" .Values.nvidiaDevRoot)
  (list "NVIDIA_CDI_HOOK_PATH" .Values.cdi.nvidiaHookPath)
  (list "CDI_FEATURE_FLAGS" .Values.cdi.featureFlags)
  (list "GDRCOPY_ENABLED" .Values.gdrcopyEnabled)
  (list "GDS_ENABLED" .Values.gdsEnabled)
  (list "MOFED_ENABLED" .Values.mofedEnabled)
  (list "DEVICE_DISCOVERY_STRATEGY" .Values.deviceDiscoveryStrategy)
  (list "GFD_SLEEP_INTERVAL" .Values.gfd.sleepInterval)
  (list "GFD_NO_TIMESTAMP" .Values.gfd.noTimestamp)
  (list "NVIDIA_MIG_MONITOR_DEVICES" (ternary "all" nil (eq (include "tranche.needsSysAdmin" .) "true")))
  (list "NVIDIA_VISIBLE_DEVICES" "all")
  (list "NVIDIA_DRIVER_CAPABILITIES" "compute,utility") -}}
{{- $replaced := list -}}
{{- range .Values.devicePlugin.env -}}{{- $replaced = append $replaced .name -}}{{- end -}}
{{- range list (list "NODE_NAME" "spec.nodeName") (list "NAMESPACE" "metadata.namespace") (list "POD_NAME" "metadata.name") }}
{{- if not (has (index . 0) $replaced) }}
- name: {{ index . 0 }}
  valueFrom: {fieldRef: {fieldPath: {{ index . 1 }}}}
{{- end }}
{{- end }}
{{- range $set }}
{{- if not (or (kindIs "invalid" (index . 1)) (has (index . 0) $replaced)) }}
- name: {{ index . 0 }}
  value: {{ index . 1 | toString | quote }}
{{- end }}
{{- end }}
{{- with .Values.devicePlugin.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* What pods of either program have in common. */ -}}
{{- define "tranche.pod" -}}
serviceAccountName: {{ include "tranche.name" . }}
automountServiceAccountToken: {{ include "tranche.usesApi" . | eq "true" }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with concat (.Values.imagePullSecrets | default list) (.Values.devicePlugin.imagePullSecrets | default list) }}
imagePullSecrets:
  {{- range . }}
  - {{ ternary (dict "name" .) . (kindIs "string" .) | toJson }}
  {{- end }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
