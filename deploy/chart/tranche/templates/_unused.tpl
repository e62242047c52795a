{{- /* What a values file holds and this chart does not honour (keys.yaml), as JSON: "unused", the paths of such
       keys, each as high up as possible; and "known", the paths of the keys that are honoured beside them. */ -}}
{{- define "tranche.unused" -}}
{{- $program := include "tranche.program" . -}}
{{- $plugin := eq $program "plugin" -}}
{{- $labels := ne (include "tranche.labelsOutlet" .) "none" -}}
{{- $from := include "tranche.imageFrom" . -}}
{{- $tagOf := list "image" -}}
{{- $repositoryIsOurs := eq (include "tranche.ourImage" .) ((.Values.image).repository | default "") -}}
{{- $counts := dict "always" true "plugin" $plugin "gfd" (eq $program "gfd") "labels" $labels
      "image" (or (eq $from "image") $repositoryIsOurs) "tag" (eq $from "image")
      "pluginImage" (eq $from "devicePlugin") "gfdImage" (eq $from "gfd")
      "policy" $plugin "node" (eq (include "tranche.nodeOn" .) "true")
      "data" (eq (include "tranche.on" ((.Values.devicePlugin).config).create) "true") -}}
{{- $found := dict "unused" (list) "known" (list) -}}
{{- $keys := .Files.Get "keys.yaml" | fromYaml -}}
{{- include "tranche.walkValues" (dict "values" .Values "keys" $keys "path" "" "counts" $counts "found" $found) -}}
{{- /* In the plugin's pod there is one program: only what is meant for labels alone is taken from gfd.env. */ -}}
{{- if and $plugin $labels -}}
{{- range (.Values.gfd).env -}}
{{- if not (hasPrefix "GFD_" .name) -}}
{{- $_ := set $found "unused" (append $found.unused (printf "gfd.env.%s" .name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "unused" (sortAlpha $found.unused) "known" (uniq $found.known) | toJson -}}
{{- end }}

{{- define "tranche.walkValues" -}}
{{- $at := . -}}
{{- $here := list -}}
{{- range $key, $value := .values -}}
{{- $path := ternary $key (printf "%s.%s" $at.path $key) (eq $at.path "") -}}
{{- $when := get $at.keys $key -}}
{{- if and (kindIs "map" $when) (kindIs "map" $value) -}}
{{- include "tranche.walkValues" (dict "values" $value "keys" $when "path" $path "counts" $at.counts "found" $at.found) -}}
{{- else if hasKey $at.keys $key -}}
{{- /* What is known and off, or empty, is as good as not given. */ -}}
{{- if and $value (kindIs "string" $when) (not (get $at.counts $when)) -}}{{- $here = append $here $path -}}{{- end -}}
{{- else if or $value (kindIs "bool" $value) -}}
{{- $here = append $here $path -}}
{{- end -}}
{{- end -}}
{{- if $here -}}
{{- $_ := set .found "unused" (concat .found.unused $here) -}}
{{- range keys .keys | sortAlpha -}}
{{- $path := ternary . (printf "%s.%s" $at.path .) (eq $at.path "") -}}
{{- $_ := set $at.found "known" (append $at.found.known $path) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* What is handed to the agent; "$(" in an environment would be Kubernetes' own. */ -}}
{{- define "tranche.unusedForAgent" -}}
{{- $found := include "tranche.unused" . | fromJson -}}
{{- if $found.unused -}}{{- toJson $found | replace "$" "$$" -}}{{- end -}}
{{- end }}
