{{/* What the controller and the default backend have in common. Each is given (dict "root" $ "values" VALUES …). */}}

{{/* … "kind" and "name" of the workload */}}
{{- define "sluice.autoscalerSpec" -}}
{{- $scaling := .values.autoscaling -}}
scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .name }}}
minReplicas: {{ $scaling.minReplicas }}
maxReplicas: {{ $scaling.maxReplicas }}
metrics:
  {{- range $resource, $percent := dict "cpu" $scaling.targetCPUUtilizationPercentage "memory" $scaling.targetMemoryUtilizationPercentage }}
  {{- if $percent }}
  - {type: Resource, resource: {name: {{ $resource }}, target: {type: Utilization, averageUtilization: {{ $percent }}}}}
  {{- end }}
  {{- end }}
  {{- with .values.autoscalingTemplate }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $scaling.behavior }}
behavior:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* … "component"; maxUnavailable wins */}}
{{- define "sluice.disruptionBudgetSpec" -}}
{{- if kindIs "invalid" .values.maxUnavailable -}}
minAvailable: {{ .values.minAvailable }}
{{- else -}}
maxUnavailable: {{ .values.maxUnavailable }}
{{- end }}
{{- with .values.unhealthyPodEvictionPolicy }}
unhealthyPodEvictionPolicy: {{ . }}
{{- end }}
selector:
  matchLabels:
    {{- include "sluice.selector" . | nindent 4 }}
{{- end }}

{{/* … "component" "ports", a list of (dict "port" "protocol") */}}
{{- define "sluice.networkPolicySpec" -}}
podSelector:
  matchLabels:
    {{- include "sluice.selector" . | nindent 4 }}
policyTypes: [Ingress, Egress]
ingress:
  - ports:
      {{- toYaml .ports | nindent 6 }}
egress:
  - {}
{{- end }}
