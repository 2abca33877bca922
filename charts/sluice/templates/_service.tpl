{{/*
Spec of the controller's Services. Of (dict "root" $ "service" VALUES "type" TYPE "ports" MAP "targetPorts" MAP): the
internal one takes the latter three from the external one where it has none.
*/}}
{{- define "sluice.controller.serviceSpec" -}}
{{- $service := .service -}}
{{- $root := .root -}}
type: {{ .type }}
{{- with include "sluice.fields" (pick $service "clusterIP" "clusterIPs" "externalIPs" "loadBalancerIP" "loadBalancerSourceRanges" "loadBalancerClass" "externalTrafficPolicy" "sessionAffinity" "healthCheckNodePort" "trafficDistribution" "ipFamilyPolicy" "ipFamilies") }}
{{ . }}
{{- end }}
{{- if not (kindIs "invalid" $service.allocateLoadBalancerNodePorts) }}
allocateLoadBalancerNodePorts: {{ $service.allocateLoadBalancerNodePorts }}
{{- end }}
{{- $ports := list }}
{{- range $name, $enabled := dict "http" $root.Values.controller.service.enableHttp "https" $root.Values.controller.service.enableHttps }}
{{- if $enabled }}
{{- $port := dict "name" $name "protocol" "TCP" "port" (get $.ports $name) "targetPort" (get $.targetPorts $name) }}
{{- if $service.appProtocol }}{{ $_ := set $port "appProtocol" $name }}{{ end }}
{{- $ports = append $ports (set $port "nodePort" (get $service.nodePorts $name)) }}
{{- end }}
{{- end }}
{{- range $protocol := list "tcp" "udp" }}
{{- range $number, $_ := index $root.Values $protocol }}
{{- $name := include "sluice.streamPort" (list $root $number $protocol) }}
{{- $port := dict "name" $name "protocol" (upper $protocol) "port" (int $number) "targetPort" $name }}
{{- $ports = append $ports (set $port "nodePort" (get (get $service.nodePorts $protocol | default dict) $number)) }}
{{- end }}
{{- end }}
{{- range $port := $ports }}
{{- if and (has $.type (list "NodePort" "LoadBalancer")) $port.nodePort }}
{{- $_ := set $port "nodePort" (int $port.nodePort) }}
{{- else }}
{{- $_ := unset $port "nodePort" }}
{{- end }}
{{- end }}
ports:
  {{- toYaml $ports | nindent 2 }}
selector:
  {{- include "sluice.selector" (dict "root" $root "component" "controller") | nindent 2 }}
{{- end }}
