{{/* The controller's pod, whatever kind of workload makes it. */}}
{{- define "sluice.controller.pod" -}}
{{- $controller := .Values.controller -}}
metadata:
  labels:
    {{- include "sluice.labels" (dict "root" . "component" "controller" "labels" (merge (dict) ($controller.podLabels | default dict) ($controller.labels | default dict))) | nindent 4 }}
  {{- with $controller.podAnnotations }}
  annotations:
    {{- include "sluice.texts" . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "sluice.serviceAccount" . }}
  automountServiceAccountToken: {{ .Values.serviceAccount.automountServiceAccountToken }}
  terminationGracePeriodSeconds: {{ $controller.terminationGracePeriodSeconds }}
  {{- $fields := pick $controller "dnsPolicy" "dnsConfig" "hostname" "hostNetwork" "shareProcessNamespace" "runtimeClassName" "priorityClassName" "nodeSelector" "tolerations" }}
  {{- $templated := merge (dict "initContainers" $controller.extraInitContainers) (pick $controller "hostAliases" "affinity" "topologySpreadConstraints") }}
  {{- $others := dict "imagePullSecrets" .Values.imagePullSecrets "securityContext" (include "sluice.controller.podSecurity" . | fromYaml) }}
  {{- merge $fields (include "sluice.templatedFields" (list . $templated) | fromYaml) $others | include "sluice.fields" | nindent 2 }}
  containers:
    - {{- include "sluice.controller.container" . | nindent 6 }}
    {{- with $controller.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    # Keys of certificates are in here, which no disk should see.
    - name: sluice-state
      emptyDir: {medium: Memory, sizeLimit: {{ $controller.stateVolume.sizeLimit }}}
    - name: sluice-body
      emptyDir: {}
    - name: sluice-proxy
      emptyDir: {}
    - name: sluice-tmp
      emptyDir: {}
    {{- with $controller.customTemplate.configMapName }}
    - name: sluice-templates
      configMap: {name: {{ . }}}
    {{- end }}
    {{- with $controller.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "sluice.controller.podSecurity" -}}
{{- $security := deepCopy (.Values.controller.podSecurityContext | default dict) -}}
{{- $sysctls := list -}}
{{- range $name, $value := .Values.controller.sysctls -}}
{{- $sysctls = append $sysctls (dict "name" $name "value" (include "sluice.text" $value)) -}}
{{- end -}}
{{- if $sysctls }}{{ $_ := set $security "sysctls" $sysctls }}{{ end -}}
{{- toYaml $security -}}
{{- end }}

{{- define "sluice.controller.container" -}}
{{- $controller := .Values.controller -}}
name: {{ $controller.containerName }}
image: {{ include "sluice.image" (dict "root" . "image" $controller.image "registry" "ghcr.io") }}
{{- $fields := pick $controller "startupProbe" "livenessProbe" "readinessProbe" "lifecycle" "resources" }}
{{- if semverCompare ">=1.33.0-0" .Capabilities.KubeVersion.Version }}{{ $_ := set $fields "resizePolicy" $controller.resizePolicy }}{{ end }}
{{- include "sluice.fields" (set $fields "imagePullPolicy" $controller.image.pullPolicy) | nindent 0 }}
args:
  {{- include "sluice.arguments" . | nindent 2 }}
env:
  - name: POD_NAME
    valueFrom: {fieldRef: {fieldPath: metadata.name}}
  - name: POD_NAMESPACE
    valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
  {{- with $controller.extraEnvs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  {{- include "sluice.controller.ports" . | nindent 2 }}
securityContext:
  {{- include "sluice.containerSecurity" (dict "image" $controller.image "override" $controller.containerSecurityContext "capabilities" (list "NET_BIND_SERVICE")) | nindent 2 }}
volumeMounts:
  {{- include "sluice.controller.mounts" . | nindent 2 }}
{{- end }}

{{- define "sluice.controller.ports" -}}
{{- $controller := .Values.controller -}}
{{- $ports := list -}}
{{- range $name, $number := $controller.containerPort -}}
{{- $port := dict "name" $name "containerPort" (int $number) "protocol" "TCP" -}}
{{- if $controller.hostPort.enabled }}{{ $_ := set $port "hostPort" (get ($controller.hostPort.ports | default dict) $name | default $number | int) }}{{ end -}}
{{- $ports = append $ports $port -}}
{{- end -}}
{{- if $controller.metrics.enabled -}}
{{- $ports = append $ports (dict "name" $controller.metrics.portName "containerPort" (int $controller.metrics.port) "protocol" "TCP") -}}
{{- end -}}
{{- range $protocol := list "tcp" "udp" -}}
{{- range $number, $_ := index $.Values $protocol -}}
{{- $port := dict "name" (include "sluice.streamPort" (list $ $number $protocol)) "containerPort" (int $number) "protocol" (upper $protocol) -}}
{{- if $controller.hostPort.enabled }}{{ $_ := set $port "hostPort" (int $number) }}{{ end -}}
{{- $ports = append $ports $port -}}
{{- end -}}
{{- end -}}
{{- toYaml $ports -}}
{{- end }}

{{/*
Uploads and answers that NGINX keeps for a while would fill the memory of sluice-state, so they go to the node's disk. A
path that users mount something at is theirs: it cannot be mounted twice.
*/}}
{{- define "sluice.controller.mounts" -}}
{{- $controller := .Values.controller -}}
{{- $mounts := list
  (dict "name" "sluice-state" "mountPath" "/run/sluice")
  (dict "name" "sluice-body" "mountPath" "/run/sluice/body")
  (dict "name" "sluice-proxy" "mountPath" "/run/sluice/proxy")
  (dict "name" "sluice-tmp" "mountPath" "/tmp")
-}}
{{- if $controller.customTemplate.configMapName -}}
{{- $mounts = append $mounts (dict "name" "sluice-templates" "mountPath" "/etc/nginx/template" "readOnly" true) -}}
{{- end -}}
{{- $extra := $controller.extraVolumeMounts | default list -}}
{{- $taken := list -}}
{{- range $extra }}{{ $taken = append $taken (trimSuffix "/" .mountPath) }}{{ end -}}
{{- $free := list -}}
{{- range $mounts }}{{ if not (has .mountPath $taken) }}{{ $free = append $free . }}{{ end }}{{ end -}}
{{- concat $free $extra | toYaml -}}
{{- end }}
