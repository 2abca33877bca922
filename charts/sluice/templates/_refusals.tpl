{{/* What cannot be installed. Everything that is wrong is said at once. */}}
{{- define "sluice.refuse" -}}
{{- $reasons := list -}}
{{- range $define := list "sluice.refusals.image" "sluice.refusals.values" "sluice.refusals.names" -}}
{{- $reasons = concat $reasons (include $define $ | fromYamlArray) -}}
{{- end -}}
{{- if $reasons -}}
{{- printf "\n- %s" (join "\n- " $reasons) | fail -}}
{{- end -}}
{{- end }}

{{/* An image of ingress-nginx would start with arguments that look right, so that nobody would notice. */}}
{{- define "sluice.refusals.image" -}}
{{- $image := .Values.controller.image -}}
{{- $path := $image.repository | default $image.image -}}
{{- if regexMatch "(^|/)ingress-nginx/controller(-chroot)?$|(ingress-nginx|nginx-ingress)[^/]*$" $path }}
- controller.image.{{ ternary "repository" "image" (not (empty $image.repository)) }} is {{ $path }}, an image of ingress-nginx. Remove it, with its tag and digest, and Sluice's own image is used.
{{- end }}
{{- range $value, $registry := dict "controller.image.registry" $image.registry "global.image.registry" ((.Values.global).image).registry }}
{{- if and (has $registry (list "registry.k8s.io" "k8s.gcr.io")) (not $image.repository) }}
- {{ $value }} is {{ $registry }}, which has no image of Sluice. Remove it.
{{- end }}
{{- end }}
{{- $tag := include "sluice.text" $image.tag -}}
{{- if and (hasSuffix "sluice-ingress/sluice" $path) (regexMatch "^v[0-9]" $tag) }}
- controller.image.tag is {{ $tag }}, a version of ingress-nginx; those of Sluice do not start with a v. Remove it, with its digest.
{{- end }}
{{- if $image.chroot }}
- controller.image.chroot is set, and there is no such image of Sluice. Remove it. The container's root file system is read-only instead.
{{- end }}
{{- end }}

{{- define "sluice.refusals.values" -}}
{{- $controller := .Values.controller -}}
{{- if and .Values.rbac.scope (not $controller.scope.enabled) }}
- rbac.scope allows the controller one namespace, but it is to watch all of them. Set controller.scope.enabled as well.
{{- end }}
{{- if and $controller.autoscaling.enabled $controller.keda.enabled }}
- controller.autoscaling.enabled and controller.keda.enabled exclude each other.
{{- end }}
{{- if $controller.customTemplate.configMapKey }}
- controller.customTemplate.configMapKey names a template of ingress-nginx, which has other fields. Write templates for Sluice, one key of the ConfigMap each, and set controller.customTemplate.configMapName only.
{{- end }}
{{- end }}

{{/*
Other names would mean another Service, and so another address of the load balancer. Only the cluster knows whether this
release belongs to ingress-nginx's chart; where it cannot be asked, as in `helm template`, this finds nothing.
*/}}
{{- define "sluice.refusals.names" -}}
{{- $now := include "sluice.fullname" . -}}
{{- $before := include "sluice.fullnameOf" (list . "ingress-nginx") -}}
{{- if and .Release.IsUpgrade (ne $now $before) -}}
{{- $workload := lookup "apps/v1" .Values.controller.kind (include "sluice.namespace" .) (printf "%s-%s" $before .Values.controller.name) | default dict -}}
{{- $annotations := dig "metadata" "annotations" dict $workload -}}
{{- $chart := dig "metadata" "labels" "helm.sh/chart" "" $workload -}}
{{- if and (eq (get $annotations "meta.helm.sh/release-name") .Release.Name) (hasPrefix "ingress-nginx-" $chart) }}
- release {{ .Release.Name }} belongs to the chart {{ $chart }}. Set nameOverride to ingress-nginx, so that its objects keep their names and its load balancer the address. To have new ones, uninstall it and install Sluice.
{{- end -}}
{{- end -}}
{{- end }}
