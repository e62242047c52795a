{{- /* Where profiles come from, as JSON: name, default, fallbacks, data (of a ConfigMap to make). What cannot work is
       refused here. The operator's form (devicePlugin.config) falls back as the operator does. */ -}}
{{- define "tranche.config" -}}
{{- $config := .Values.config | default dict -}}
{{- $operator := (.Values.devicePlugin).config | default dict -}}
{{- include "tranche.onlyKeys" (list "config" $config (list "name" "map" "default" "fallbackStrategies")) -}}
{{- include "tranche.onlyKeys" (list "devicePlugin.config" $operator (list "create" "name" "default" "data")) -}}
{{- include "tranche.checkDefault" (list "config" "map" $config.default) -}}
{{- include "tranche.checkDefault" (list "devicePlugin.config" "data" $operator.default) -}}
{{- $create := eq (include "tranche.on" $operator.create) "true" -}}
{{- if and $config.name $config.map -}}
{{- fail "config.name (an existing ConfigMap) and config.map (one to be made) exclude each other: give one of them" -}}
{{- end -}}
{{- if and (or $config.name $config.map) $operator.name -}}
{{- fail "config.name or config.map and devicePlugin.config.name say the same thing: give one of them" -}}
{{- end -}}
{{- if and $config.default (not (or $config.name $config.map)) -}}
{{- fail (printf "config.default is '%s', and there is no ConfigMap of profiles: set config.name (an existing one) or config.map (profiles to make one of)" $config.default) -}}
{{- end -}}
{{- if and $operator.default (not $operator.name) -}}
{{- fail (printf "devicePlugin.config.default is '%s', and there is no ConfigMap of profiles: set devicePlugin.config.name" $operator.default) -}}
{{- end -}}
{{- if and $create (not $operator.name) -}}
{{- fail "devicePlugin.config.create needs devicePlugin.config.name" -}}
{{- end -}}
{{- if and $create (not $operator.data) -}}
{{- fail (printf "devicePlugin.config.create is true, and there is nothing to make ConfigMap %s of: set devicePlugin.config.data (NAME: text of a config), or create to false where the ConfigMap exists" $operator.name) -}}
{{- end -}}
{{- $result := dict "name" "" "default" "" "fallbacks" (list) "data" (dict) -}}
{{- if $operator.name -}}
{{- $result = dict "name" $operator.name "default" ($operator.default | default "") "fallbacks" (list "empty")
      "data" (ternary $operator.data dict $create) -}}
{{- else if or $config.name $config.map -}}
{{- /* tranche-node alone follows profiles too. */ -}}
{{- $owner := ternary "tranche.name" "tranche.nodeName" (ne (include "tranche.program" .) "") -}}
{{- $made := printf "%s-configs" (include $owner .) -}}
{{- $fallbacks := $config.fallbackStrategies | default list -}}
{{- if kindIs "string" $fallbacks -}}{{- $fallbacks = splitList "," $fallbacks -}}{{- end -}}
{{- $result = dict "name" ($config.name | default $made) "default" ($config.default | default "")
      "fallbacks" $fallbacks "data" ($config.map | default dict) -}}
{{- end -}}
{{- $where := ternary "devicePlugin.config.data" "config.map" (not (empty $operator.name)) -}}
{{- if and $result.data $result.default (not (hasKey $result.data $result.default)) -}}
{{- fail (printf "the default profile '%s' is not one of those in %s: %s" $result.default $where (keys $result.data | sortAlpha | join ", ")) -}}
{{- end -}}
{{- if and $config.map (not $result.default) -}}
{{- if not (or (has "empty" $result.fallbacks) (and (has "named" $result.fallbacks) (hasKey $config.map "default"))
      (and (has "single" $result.fallbacks) (eq (len $config.map) 1))) -}}
{{- fail (printf "no profile of config.map (%s) is that of nodes without a label, so nothing would be served there: set config.default to one of them, or add 'empty' to config.fallbackStrategies for GPUs that are not shared" (keys $config.map | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- $mig := include "tranche.migStrategy" . -}}
{{- range $name, $text := $result.data -}}
{{- include "tranche.checkProfile" (dict "path" (printf "%s.%s" $where $name) "name" $name "text" $text "mig" $mig) -}}
{{- end -}}
{{- toJson $result -}}
{{- end }}

{{- /* The few keys here decide what is served: one that is not known is a mistake. */ -}}
{{- define "tranche.onlyKeys" -}}
{{- $path := index . 0 -}}
{{- $allowed := index . 2 -}}
{{- range $key, $value := index . 1 -}}
{{- if and (not (has $key $allowed)) (not (kindIs "invalid" $value)) -}}
{{- fail (printf "%s.%s is unknown: %s may hold %s" $path $key $path (join ", " $allowed)) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "tranche.checkDefault" -}}
{{- $path := index . 0 -}}
{{- $default := index . 2 | default "" -}}
{{- if and $default (not (regexMatch "^[-._a-zA-Z0-9]+$" $default)) -}}
{{- if or (contains ":" $default) (contains "\n" $default) -}}
{{- fail (printf "%s.default holds a whole config, and is the name of one: put the config at %s.%s.NAME, and set %s.default to NAME" $path $path (index . 1) $path) -}}
{{- end -}}
{{- fail (printf "%s.default is the name of a profile, of letters, digits, '-', '_' and '.', and not '%s'" $path $default) -}}
{{- end -}}
{{- end }}

{{- /* Refuses a profile of which a template can see that the agent will refuse it. The agent says the rest. Keys count
       without regard to case, as the agent reads them. */ -}}
{{- define "tranche.checkProfile" -}}
{{- $path := .path -}}
{{- if not (regexMatch "^[-._a-zA-Z0-9]+$" .name) -}}
{{- fail (printf "%s: the name of a profile is of letters, digits, '-', '_' and '.'" $path) -}}
{{- end -}}
{{- $profile := .text | fromYaml | default dict -}}
{{- if $profile.Error -}}
{{- fail (printf "%s is no YAML mapping (%s): give the text of a config, such as 'version: v1'" $path $profile.Error) -}}
{{- end -}}
{{- $top := include "tranche.lowerKeys" $profile | fromJson -}}
{{- if and $top.version (ne (toString $top.version) "v1") -}}
{{- fail (printf "%s: version is '%s': set version: v1" $path (toString $top.version)) -}}
{{- end -}}
{{- $strategy := (include "tranche.profileFlags" .text | fromJson).migstrategy -}}
{{- if and $strategy (not .mig) (not (has $strategy (list "none" "single" "mixed"))) -}}
{{- fail (printf "%s: flags.migStrategy is '%s': set none, single or mixed" $path (toString $strategy)) -}}
{{- end -}}
{{- $sharing := include "tranche.lowerKeys" $top.sharing | fromJson -}}
{{- if not (kindIs "invalid" $sharing.mps) -}}
{{- fail (printf "%s: sharing.mps is not supported: share by time, with sharing.timeSlicing" $path) -}}
{{- end -}}
{{- if kindIs "map" $sharing.timeslicing -}}
{{- include "tranche.checkResources" (list $path (include "tranche.lowerKeys" $sharing.timeslicing | fromJson).resources) -}}
{{- end -}}
{{- end }}

{{- /* Two flags of a profile, as JSON: migstrategy and devicelist. */ -}}
{{- define "tranche.profileFlags" -}}
{{- $top := include "tranche.lowerKeys" (fromYaml . | default dict) | fromJson -}}
{{- $flags := include "tranche.lowerKeys" $top.flags | fromJson -}}
{{- $plugin := include "tranche.lowerKeys" $flags.plugin | fromJson -}}
{{- dict "migstrategy" $flags.migstrategy "devicelist" $plugin.deviceliststrategy | toJson -}}
{{- end }}

{{- define "tranche.checkResources" -}}
{{- $path := printf "%s: sharing.timeSlicing.resources" (index . 0) -}}
{{- $resources := index . 1 -}}
{{- if not (and $resources (kindIs "slice" $resources)) -}}
{{- fail (printf "%s is no list of resources: set - name: nvidia.com/gpu and replicas: NUMBER there" $path) -}}
{{- end -}}
{{- range $number, $resource := $resources -}}
{{- $entry := printf "%s[%d]" $path $number -}}
{{- if not (kindIs "map" $resource) -}}
{{- fail (printf "%s is no mapping: set name and replicas there" $entry) -}}
{{- end -}}
{{- $one := include "tranche.lowerKeys" $resource | fromJson -}}
{{- if not (and $one.name (kindIs "string" $one.name)) -}}
{{- fail (printf "%s has no name: set name: nvidia.com/gpu" $entry) -}}
{{- end -}}
{{- if not (regexMatch "^(nvidia[.]com/)?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$" $one.name) -}}
{{- fail (printf "%s: '%s' is no resource of nvidia.com: set a name such as nvidia.com/gpu" $entry $one.name) -}}
{{- end -}}
{{- if not (has (kindOf $one.replicas) (list "float64" "int" "int64")) -}}
{{- fail (printf "%s (%s): replicas must be a number%s: set replicas: 2 or more, or 1 for GPUs that are not shared" $entry $one.name (ternary " without quotes" "" (kindIs "string" $one.replicas))) -}}
{{- end -}}
{{- if or (lt (float64 $one.replicas) 1.0) (ne (floor $one.replicas) (float64 $one.replicas)) -}}
{{- fail (printf "%s (%s): replicas is %v: set 2 or more, or 1 for GPUs that are not shared" $entry $one.name $one.replicas) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* A mapping with its keys in small letters, as JSON; of anything else, an empty one. */ -}}
{{- define "tranche.lowerKeys" -}}
{{- $lowered := dict -}}
{{- range $key, $value := ternary . dict (kindIs "map" .) -}}{{- $_ := set $lowered (lower $key) $value -}}{{- end -}}
{{- toJson $lowered -}}
{{- end }}
