{{/* How values become text. */}}

{{/* A number that YAML read as 1e+06 is 1000000 again; null is empty. */}}
{{- define "sluice.text" -}}
{{- if kindIs "invalid" . -}}
{{- else if kindIs "float64" . -}}
{{- ternary (int64 . | toString) (toString .) (eq . (floor .)) -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end }}

{{/* A map whose values have to be text. */}}
{{- define "sluice.texts" -}}
{{- $texts := dict -}}
{{- range $name, $value := . -}}
{{- $_ := set $texts $name (include "sluice.text" $value) -}}
{{- end -}}
{{- toYaml $texts -}}
{{- end }}

{{/* of (list $ MAP): the same, where values may contain templates */}}
{{- define "sluice.templatedTexts" -}}
{{- $root := index . 0 -}}
{{- $texts := dict -}}
{{- range $name, $value := index . 1 -}}
{{- $_ := set $texts $name (tpl (include "sluice.text" $value) $root) -}}
{{- end -}}
{{- toYaml $texts -}}
{{- end }}

{{/* The fields of a map that are set. The keys have to be names of the API, so that a value is passed on as it is. */}}
{{- define "sluice.fields" -}}
{{- $fields := dict -}}
{{- range $name, $value := . -}}
{{- if $value }}{{ $_ := set $fields $name $value }}{{ end -}}
{{- end -}}
{{- if $fields }}{{ toYaml $fields }}{{ end -}}
{{- end }}

{{/* of (list $ FIELDS): the same, where values may contain templates */}}
{{- define "sluice.templatedFields" -}}
{{- tpl (include "sluice.fields" (index . 1)) (index . 0) -}}
{{- end }}

{{/* of (dict "root" $ "image" IMAGE "registry" the one without any in values) */}}
{{- define "sluice.image" -}}
{{- $registry := .image.registry | default ((.root.Values.global).image).registry | default .registry -}}
{{- .image.repository | default (printf "%s/%s" $registry .image.image) -}}
:{{ include "sluice.text" .image.tag | default .root.Chart.AppVersion }}
{{- with .image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* of (dict "image" IMAGE "override" MAP "capabilities" LIST) */}}
{{- define "sluice.containerSecurity" -}}
{{- if .override -}}
{{- toYaml .override -}}
{{- else -}}
{{- $capabilities := dict "drop" (list "ALL") -}}
{{- with .capabilities }}{{ $_ := set $capabilities "add" . }}{{ end -}}
{{- $switches := pick .image "runAsNonRoot" "runAsUser" "runAsGroup" "allowPrivilegeEscalation" "readOnlyRootFilesystem" "seccompProfile" -}}
{{- $security := dict "capabilities" $capabilities -}}
{{- range $name, $value := $switches -}}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $security $name $value }}{{ end -}}
{{- end -}}
{{- toYaml $security -}}
{{- end -}}
{{- end }}

{{/* How a port of the maps tcp and udp is called. Of (list $ PORT PROTOCOL) */}}
{{- define "sluice.streamPort" -}}
{{- with (index . 0).Values.portNamePrefix }}{{ . }}-{{ end }}{{ index . 1 }}-{{ index . 2 }}
{{- end }}
