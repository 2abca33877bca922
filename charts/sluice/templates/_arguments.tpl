{{/* What the controller is told, and what follows from that. */}}

{{/* All flags and their text, as JSON. Those of extraArgs win, so that each is given once; null takes one away. */}}
{{- define "sluice.flags" -}}
{{- $controller := .Values.controller -}}
{{- $here := "$(POD_NAMESPACE)" -}}
{{- $flags := dict
  "configmap" (printf "%s/%s" ($controller.configMapNamespace | default $here) (include "sluice.controller.name" .))
  "controller-class" $controller.ingressClassResource.controllerValue
  "election-id" ($controller.electionID | default (printf "%s-leader" (include "sluice.fullname" .)))
-}}
{{- $_ := set $flags "ingress-class" $controller.ingressClass -}}
{{- $_ := set $flags "publish-service" (include "sluice.publishedService" .) -}}
{{- $_ := set $flags "election-ttl" $controller.electionTTL -}}
{{- $_ := set $flags "healthz-host" $controller.healthCheckHost -}}
{{- $_ := set $flags "maxmind-license-key" $controller.maxmindLicenseKey -}}
{{- if ne $controller.healthCheckPath "/healthz" }}{{ $_ := set $flags "health-check-path" $controller.healthCheckPath }}{{ end -}}
{{- if .Values.defaultBackend.enabled }}{{ $_ := set $flags "default-backend-service" (printf "%s/%s" $here (include "sluice.defaultBackend.name" .)) }}{{ end -}}
{{- range $protocol := list "tcp" "udp" -}}
{{- $namespace := (index $controller $protocol).configMapNamespace | default $here -}}
{{- if index $.Values $protocol }}{{ $_ := set $flags (print $protocol "-services-configmap") (printf "%s/%s-%s" $namespace (include "sluice.fullname" $) $protocol) }}{{ end -}}
{{- end -}}
{{- if $controller.scope.enabled -}}
{{- $_ := set $flags "watch-namespace" ($controller.scope.namespace | default $here) -}}
{{- else -}}
{{- $_ := set $flags "watch-namespace-selector" $controller.scope.namespaceSelector -}}
{{- end -}}
{{- $switches := dict
  "disable-leader-election" $controller.disableLeaderElection
  "enable-metrics" $controller.metrics.enabled
  "enable-topology-aware-routing" $controller.enableTopologyAwareRouting
  "ingress-class-by-name" $controller.ingressClassByName
  "report-node-internal-ip-address" (and $controller.reportNodeInternalIp $controller.hostNetwork)
  "watch-ingress-without-class" $controller.watchIngressWithoutClass
-}}
{{- range $flag, $on := $switches }}{{ if $on }}{{ $_ := set $flags $flag "true" }}{{ end }}{{ end -}}
{{- if not $controller.enableAnnotationValidations }}{{ $_ := set $flags "enable-annotation-validation" "false" }}{{ end -}}
{{- if $controller.dataPlane.separate }}{{ $_ := set $flags "dataplane-socket" "/run/sluice-dataplane/dataplane.sock" }}{{ end -}}
{{- $flags = merge $flags (include "sluice.webhook.flags" . | fromJson) -}}
{{- range $flag, $text := $flags }}{{ if not $text }}{{ $_ := unset $flags $flag }}{{ end }}{{ end -}}
{{- range $flag, $value := $controller.extraArgs -}}
{{- if kindIs "invalid" $value }}{{ $_ := unset $flags $flag }}{{ else }}{{ $_ := set $flags $flag (include "sluice.text" $value) }}{{ end -}}
{{- end -}}
{{- toJson $flags -}}
{{- end }}

{{- define "sluice.publishedService" -}}
{{- $controller := .Values.controller -}}
{{- $own := printf "$(POD_NAMESPACE)/%s" (include "sluice.controller.name" .) -}}
{{- if and $controller.publishService.enabled $controller.service.enabled -}}
{{- if $controller.service.external.enabled -}}
{{- $controller.publishService.pathOverride | default $own -}}
{{- else if include "sluice.internalService" . -}}
{{- $controller.publishService.pathOverride | default (print $own "-internal") -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Whether there is an internal Service; without annotations it would be a second external one. */}}
{{- define "sluice.internalService" -}}
{{- $service := .Values.controller.service -}}
{{- if and $service.enabled $service.internal.enabled $service.internal.annotations }}yes{{ end -}}
{{- end }}

{{/* A flag without text is written without "=", as ingress-nginx's chart does. */}}
{{- define "sluice.arguments" -}}
- controller
{{- range $flag, $text := include "sluice.flags" . | fromJson }}
- {{ ternary (printf "--%s=%s" $flag $text) (print "--" $flag) (ne $text "") | quote }}
{{- end }}
{{- end }}

{{/* Those of the controller's flags that the data plane has too. */}}
{{- define "sluice.dataplane.arguments" -}}
- dataplane
{{- range $flag, $text := pick (include "sluice.flags" . | fromJson) "dataplane-socket" "max-old-worker-generations" "nginx-binary" "state-dir" "v" "verbose" "worker-shutdown-timeout" }}
- {{ ternary (printf "--%s=%s" $flag $text) (print "--" $flag) (ne $text "") | quote }}
{{- end }}
{{- end }}

{{/* Whether databases of MaxMind are fetched, "yes" or nothing. NGINX reads them, so both containers have their volume. */}}
{{- define "sluice.fetchesDatabases" -}}
{{- $flags := include "sluice.flags" . | fromJson -}}
{{- if or (get $flags "maxmind-license-key") (get $flags "maxmind-mirror") }}yes{{ end -}}
{{- end }}

{{/* of (list FLAGS NAME DEFAULT): "yes", or nothing. Bools are read as Go's pflag does. */}}
{{- define "sluice.isOn" -}}
{{- $flags := index . 0 -}}
{{- $name := index . 1 -}}
{{- if ternary (has (get $flags $name | lower) (list "" "1" "t" "true")) (index . 2) (hasKey $flags $name) }}yes{{ end -}}
{{- end }}
