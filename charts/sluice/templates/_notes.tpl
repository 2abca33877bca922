{{/* What the user should know about these values, as a list. Values without effect come from files/no-effect.yaml. */}}
{{- define "sluice.notes" -}}
{{- $notes := list -}}
{{- range $value, $about := .Files.Get "files/no-effect.yaml" | fromYaml -}}
{{- $given := $.Values -}}
{{- $switch := $about.when | default $value -}}
{{- range $key := splitList "." $switch -}}
{{- if kindIs "map" $given }}{{ $given = get $given $key }}{{ else }}{{ $given = "" }}{{ end -}}
{{- end -}}
{{- if $given }}{{ $notes = append $notes (printf "%s has no effect: %s" $switch $about.why) }}{{ end -}}
{{- end -}}
{{- $internal := .Values.controller.service.internal -}}
{{- if and $internal.enabled (not $internal.annotations) -}}
{{- $notes = append $notes "There is no internal Service, as controller.service.internal.annotations is empty: it would be a second external one." -}}
{{- end -}}
{{- if .Values.rbac.scope -}}
{{- if and $.Values.controller.admissionWebhooks.enabled (not (include "sluice.webhook" .)) -}}
{{- $notes = append $notes "There is no admission webhook: with rbac.scope, the controller cannot have its certificate trusted. Set controller.admissionWebhooks.certManager.enabled, or bring a certificate and set controller.admissionWebhooks.patch.enabled to false." -}}
{{- end -}}
{{- $notes = append $notes "With rbac.scope, IngressClasses cannot be read, so ingressClassName of an Ingress is not looked at. It is served for its annotation kubernetes.io/ingress.class or, without that, if controller.watchIngressWithoutClass is set." -}}
{{- if (include "sluice.situation" . | fromJson).readsNodes -}}
{{- $notes = append $notes "With rbac.scope, nodes cannot be read, so their addresses and zones are unknown. Name addresses in extraArgs.publish-status-address." -}}
{{- end -}}
{{- end -}}
{{- toYaml $notes -}}
{{- end }}
