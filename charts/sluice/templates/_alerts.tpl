{{/* The alerts of files/alerts.yaml that are wanted, as a list. */}}
{{- define "sluice.alerts" -}}
{{- $rules := .Values.controller.metrics.prometheusRule.defaultRules -}}
{{- $wanted := list -}}
{{- if $rules.enabled -}}
{{- range .Files.Get "files/alerts.yaml" | fromYamlArray -}}
{{- if not (has .alert ($rules.disabled | default list)) -}}
{{- $wanted = append $wanted (set . "labels" (merge dict ($rules.labels | default dict) .labels)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $wanted -}}
{{- end }}
