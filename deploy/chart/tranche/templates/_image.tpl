{{- /* The image. A file of NVIDIA's values names NVIDIA's image, under its own registry or a mirror of it, which has
       no `tranche agent`: ours is taken instead. */ -}}
{{- define "tranche.ourImage" -}}docker.io/tranche/tranche{{- end }}

{{- define "tranche.isNvidias" -}}
{{- $name := regexReplaceAll "[:@].*$" (base .) "" -}}
{{- if or (hasPrefix "nvcr.io/nvidia/" .) (has $name (list "k8s-device-plugin" "gpu-feature-discovery")) -}}true{{- end -}}
{{- end }}

{{- /* Which value names the image: "gfd", "devicePlugin", "image", or "" for none. NVIDIA's tags begin with a v, and
       ours do not: such a tag beside our own repository was meant for theirs. */ -}}
{{- define "tranche.imageFrom" -}}
{{- $found := "" -}}
{{- range ternary (list "devicePlugin") (list "gfd" "devicePlugin") (eq (include "tranche.program" .) "plugin") -}}
{{- $part := get $.Values . | default dict -}}
{{- if and (not $found) $part.repository $part.image -}}
{{- if not (include "tranche.isNvidias" (printf "%s/%s" $part.repository $part.image)) -}}{{- $found = . -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $image := .Values.image | default dict -}}
{{- $tag := include "tranche.text" $image.tag -}}
{{- if not (or $found (not $image.repository) (include "tranche.isNvidias" $image.repository)
      (and (eq $image.repository (include "tranche.ourImage" .)) (regexMatch "^v[0-9]" $tag))) -}}
{{- $found = "image" -}}
{{- end -}}
{{- $found -}}
{{- end }}

{{- /* "true" where the values name NVIDIA's image in vain. */ -}}
{{- define "tranche.namesNvidias" -}}
{{- $names := list -}}
{{- range list (.Values.devicePlugin | default dict) (.Values.gfd | default dict) -}}
{{- $names = append $names (printf "%s/%s" (.repository | default "") (.image | default "")) -}}
{{- end -}}
{{- $found := not (include "tranche.imageFrom" .) -}}
{{- range $names -}}{{- if include "tranche.isNvidias" . -}}{{- $found = true -}}{{- end -}}{{- end -}}
{{- if $found -}}true{{- end -}}
{{- end }}

{{- define "tranche.image" -}}
{{- $from := include "tranche.imageFrom" . -}}
{{- $repository := include "tranche.ourImage" . -}}
{{- $tag := "" -}}
{{- if eq $from "image" -}}
{{- $repository = .Values.image.repository -}}
{{- $tag = include "tranche.text" .Values.image.tag -}}
{{- else if $from -}}
{{- $part := get .Values $from -}}
{{- $repository = printf "%s/%s" $part.repository $part.image -}}
{{- $tag = include "tranche.text" $part.version -}}
{{- end -}}
{{- $tag = $tag | default .Chart.AppVersion -}}
{{- printf "%s%s%s" $repository (ternary "@" ":" (hasPrefix "sha256:" $tag)) $tag -}}
{{- end }}

{{- define "tranche.imagePullPolicy" -}}
{{- $gfd := ternary "" (.Values.gfd).imagePullPolicy (eq (include "tranche.program" .) "plugin") -}}
{{- $gfd | default (.Values.devicePlugin).imagePullPolicy | default (.Values.image).pullPolicy | default "IfNotPresent" -}}
{{- end }}
