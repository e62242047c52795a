{{- /* The environment that upstream's chart sets, where a value is given; devicePlugin.env (of gpu-feature-discovery,
       gfd.env) takes the place of what it names, and comes last. */ -}}
{{- define "tranche.environment" -}}
{{- $gfd := ternary dict .Values.gfd (eq (include "tranche.labelsOutlet" .) "none") | default dict -}}
{{- $set := list
  (list "MIG_STRATEGY" (include "tranche.migStrategy" .))
  (list "PASS_DEVICE_SPECS" .Values.compatWithCPUManager)
  (list "FAIL_ON_INIT_ERROR" .Values.failOnInitError)
  (list "DEVICE_LIST_STRATEGY" (include "tranche.deviceListStrategy" .))
  (list "DEVICE_ID_STRATEGY" .Values.deviceIDStrategy)
  (list "NVIDIA_DRIVER_ROOT" .Values.nvidiaDriverRoot)
  (list "NVIDIA_DEV_ROOT" .Values.nvidiaDevRoot)
  (list "NVIDIA_CDI_HOOK_PATH" (.Values.cdi).nvidiaHookPath)
  (list "CDI_FEATURE_FLAGS" (.Values.cdi).featureFlags)
  (list "GDRCOPY_ENABLED" (include "tranche.flag" (list .Values.gdrcopyEnabled .Values.gdrcopy)))
  (list "GDS_ENABLED" (include "tranche.flag" (list .Values.gdsEnabled .Values.gds)))
  (list "MOFED_ENABLED" (include "tranche.flag" (list .Values.mofedEnabled .Values.gds)))
  (list "DEVICE_DISCOVERY_STRATEGY" .Values.deviceDiscoveryStrategy)
  (list "GFD_SLEEP_INTERVAL" (include "tranche.text" $gfd.sleepInterval))
  (list "GFD_NO_TIMESTAMP" $gfd.noTimestamp)
  (list "NVIDIA_MIG_MONITOR_DEVICES" (ternary "all" nil (eq (include "tranche.needsSysAdmin" .) "true")))
  (list "NVIDIA_VISIBLE_DEVICES" "all")
  (list "NVIDIA_DRIVER_CAPABILITIES" (.Values.nvidiaDriverCapabilities | default "compute,utility"))
  (list "TRANCHE_UNUSED_VALUES" (include "tranche.unusedForAgent" .)) -}}
{{- $given := include "tranche.givenEnvironment" . | fromJsonArray -}}
{{- $replaced := list -}}
{{- range $given -}}{{- $replaced = append $replaced .name -}}{{- end -}}
{{- range list (list "NODE_NAME" "spec.nodeName") (list "NAMESPACE" "metadata.namespace") (list "POD_NAME" "metadata.name") }}
{{- if not (has (index . 0) $replaced) }}
- name: {{ index . 0 }}
  valueFrom: {fieldRef: {fieldPath: {{ index . 1 }}}}
{{- end }}
{{- end }}
{{- range $set }}
{{- if not (or (kindIs "invalid" (index . 1)) (eq (toString (index . 1)) "") (has (index . 0) $replaced)) }}
- name: {{ index . 0 }}
  value: {{ index . 1 | toString | quote }}
{{- end }}
{{- end }}
{{- with $given }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The variables that a values file gives, as JSON. In the plugin's pod, which labels nodes too, those of gfd.env
       that are meant for labels alone are among them. */ -}}
{{- define "tranche.givenEnvironment" -}}
{{- $labels := ne (include "tranche.labelsOutlet" .) "none" -}}
{{- $gfd := ternary (.Values.gfd).env nil $labels | default list -}}
{{- if ne (include "tranche.program" .) "plugin" -}}
{{- toJson $gfd -}}
{{- else -}}
{{- $given := (.Values.devicePlugin).env | default list -}}
{{- $names := list -}}
{{- range $given -}}{{- $names = append $names .name -}}{{- end -}}
{{- range $gfd -}}
{{- if and (hasPrefix "GFD_" .name) (not (has .name $names)) -}}{{- $given = append $given . -}}{{- end -}}
{{- end -}}
{{- toJson $given -}}
{{- end -}}
{{- end }}

{{- /* What pods of either program have in common: labels, annotations, the spec. */ -}}
{{- define "tranche.podLabels" -}}
{{- $ours := include "tranche.selectorLabels" . | fromYaml -}}
{{- $_ := set $ours "app" (ternary "nvidia-device-plugin-daemonset" "gpu-feature-discovery" (eq (include "tranche.program" .) "plugin")) -}}
{{- merge $ours (.Values.podLabels | default dict) ((.Values.daemonsets).labels | default dict) | toYaml -}}
{{- end }}

{{- define "tranche.podAnnotations" -}}
{{- with merge (dict) (.Values.podAnnotations | default dict) ((.Values.daemonsets).annotations | default dict) -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end }}

{{- /* As JSON: type and rollingUpdate, from the operator's words where they are given. Its maxUnavailable may be a
       number in quotes, which Kubernetes does not take. */ -}}
{{- define "tranche.updateStrategy" -}}
{{- $operator := .Values.daemonsets | default dict -}}
{{- $own := .Values.updateStrategy | default dict -}}
{{- $rolling := dict -}}
{{- range $key, $value := $own.rollingUpdate | default $operator.rollingUpdate | default dict -}}
{{- $_ := set $rolling $key (ternary (int $value) $value (regexMatch "^[0-9]+$" (toString $value))) -}}
{{- end -}}
{{- dict "type" ($operator.updateStrategy | default $own.type | default "RollingUpdate") "rollingUpdate" $rolling | toJson -}}
{{- end }}

{{- define "tranche.pod" -}}
{{- include "tranche.podOf" (dict "root" . "account" (include "tranche.name" .)
      "token" (include "tranche.usesApi" . | eq "true") "hostNetwork" (include "tranche.hostNetwork" .)) -}}
{{- end }}

{{- /* root: the chart's; account: whose pods; token: whether they ask the API server; hostNetwork. */ -}}
{{- define "tranche.podOf" -}}
{{- $given := . -}}
{{- with .root -}}
serviceAccountName: {{ $given.account }}
automountServiceAccountToken: {{ $given.token }}
{{- with (.Values.daemonsets).priorityClassName | default .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- if $given.hostNetwork }}
hostNetwork: true
dnsPolicy: ClusterFirstWithHostNet
{{- end }}
{{- $secrets := list }}
{{- range list .Values.imagePullSecrets (.Values.devicePlugin).imagePullSecrets (.Values.gfd).imagePullSecrets }}
{{- range . | default list }}{{ $secrets = append $secrets (ternary (dict "name" .) . (kindIs "string" .)) }}{{ end }}
{{- end }}
{{- with uniq $secrets }}
imagePullSecrets:
  {{- range . }}
  - {{ toJson . }}
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
{{- with uniq (concat (.Values.tolerations | default list) ((.Values.daemonsets).tolerations | default list)) }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}
