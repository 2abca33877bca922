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
  # With two containers, the controller alone mounts the token.
  automountServiceAccountToken: {{ and .Values.serviceAccount.automountServiceAccountToken (not $controller.dataPlane.separate) }}
  terminationGracePeriodSeconds: {{ $controller.terminationGracePeriodSeconds }}
  {{- $fields := pick $controller "dnsPolicy" "dnsConfig" "hostname" "hostNetwork" "shareProcessNamespace" "runtimeClassName" "priorityClassName" "nodeSelector" "tolerations" }}
  {{- $templated := merge (dict "initContainers" $controller.extraInitContainers) (pick $controller "hostAliases" "affinity" "topologySpreadConstraints") }}
  {{- $others := dict "imagePullSecrets" .Values.imagePullSecrets "securityContext" (include "sluice.controller.podSecurity" . | fromYaml) }}
  {{- merge $fields (include "sluice.templatedFields" (list . $templated) | fromYaml) $others | include "sluice.fields" | nindent 2 }}
  containers:
    - {{- include "sluice.controller.container" . | nindent 6 }}
    {{- if $controller.dataPlane.separate }}
    - {{- include "sluice.dataplane.container" . | nindent 6 }}
    {{- end }}
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
    {{- if $controller.dataPlane.separate }}
    - name: sluice-controller
      emptyDir: {medium: Memory, sizeLimit: 1Mi}
    - name: sluice-dataplane
      emptyDir: {medium: Memory, sizeLimit: 1Mi}
    {{- if .Values.serviceAccount.automountServiceAccountToken }}
    - name: sluice-token
      projected:
        sources:
          - serviceAccountToken: {path: token, expirationSeconds: 3607}
          - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
          - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
    {{- end }}
    {{- end }}
    {{- if include "sluice.fetchesDatabases" . }}
    - name: sluice-geoip
      emptyDir: {sizeLimit: 2Gi}
    {{- end }}
    {{- with $controller.customTemplate.configMapName }}
    - name: sluice-templates
      configMap: {name: {{ . }}}
    {{- end }}
    {{- if eq (include "sluice.webhook" .) "mounted" }}
    {{- $keys := dict "cert" "cert" "key" "key" }}
    {{- if ($controller.admissionWebhooks.certManager).enabled }}{{ $keys = dict "tls.crt" "cert" "tls.key" "key" }}{{ end }}
    - name: webhook-cert
      secret:
        secretName: {{ include "sluice.webhook.name" . }}
        items:
          {{- range $key, $path := $keys }}
          - {key: {{ $key }}, path: {{ $path }}}
          {{- end }}
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

{{/* Runs NGINX too, unless that has a container of its own. */}}
{{- define "sluice.controller.container" -}}
{{- $controller := .Values.controller -}}
{{- $alone := $controller.dataPlane.separate -}}
name: {{ $controller.containerName }}
image: {{ include "sluice.image" (dict "root" . "image" $controller.image "registry" "ghcr.io") }}
{{- $fields := pick $controller "startupProbe" "livenessProbe" "readinessProbe" "lifecycle" }}
{{- $fields = merge $fields (ternary (pick $controller.controlPlane "resources") (include "sluice.resources" . | fromYaml) $alone) }}
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
{{- $ports := include "sluice.controllerPorts" . | fromYamlArray }}
{{- if not $alone }}{{ $ports = concat (include "sluice.servedPorts" . | fromYamlArray) $ports }}{{ end }}
{{- with $ports }}
ports:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- if $alone }}
  {{- $image := merge (pick $controller.controlPlane "runAsUser") $controller.image }}
  {{- include "sluice.containerSecurity" (dict "image" $image "override" $controller.controlPlane.containerSecurityContext) | nindent 2 }}
  {{- else }}
  {{- include "sluice.servingSecurity" . | nindent 2 }}
  {{- end }}
volumeMounts:
  {{- include "sluice.controller.mounts" . | nindent 2 }}
{{- end }}

{{/* NGINX, without access to the cluster. */}}
{{- define "sluice.dataplane.container" -}}
{{- $controller := .Values.controller -}}
name: {{ $controller.dataPlane.containerName }}
image: {{ include "sluice.image" (dict "root" . "image" $controller.image "registry" "ghcr.io") }}
{{- $fields := merge (include "sluice.resources" . | fromYaml) (pick $controller.dataPlane "readinessProbe") }}
{{- include "sluice.fields" (set $fields "imagePullPolicy" $controller.image.pullPolicy) | nindent 0 }}
args:
  {{- include "sluice.dataplane.arguments" . | nindent 2 }}
{{- with $controller.extraEnvs }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  {{- include "sluice.servedPorts" . | nindent 2 }}
securityContext:
  {{- include "sluice.servingSecurity" . | nindent 2 }}
volumeMounts:
  {{- include "sluice.dataplane.mounts" . | nindent 2 }}
{{- end }}

{{/* What the container that serves is given: users measure it. */}}
{{- define "sluice.resources" -}}
{{- $fields := pick .Values.controller "resources" -}}
{{- if semverCompare ">=1.33.0-0" .Capabilities.KubeVersion.Version }}{{ $_ := set $fields "resizePolicy" .Values.controller.resizePolicy }}{{ end -}}
{{- toYaml $fields -}}
{{- end }}

{{- define "sluice.servingSecurity" -}}
{{- $controller := .Values.controller -}}
{{- include "sluice.containerSecurity" (dict "image" $controller.image "override" $controller.containerSecurityContext "capabilities" (list "NET_BIND_SERVICE")) -}}
{{- end }}

{{- define "sluice.servedPorts" -}}
{{- $controller := .Values.controller -}}
{{- $ports := list -}}
{{- range $name, $number := $controller.containerPort -}}
{{- $port := dict "name" $name "containerPort" (int $number) "protocol" "TCP" -}}
{{- if $controller.hostPort.enabled }}{{ $_ := set $port "hostPort" (get ($controller.hostPort.ports | default dict) $name | default $number | int) }}{{ end -}}
{{- $ports = append $ports $port -}}
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

{{- define "sluice.controllerPorts" -}}
{{- $metrics := .Values.controller.metrics -}}
{{- $ports := list -}}
{{- if $metrics.enabled }}{{ $ports = append $ports (dict "name" $metrics.portName "containerPort" (int $metrics.port) "protocol" "TCP") }}{{ end -}}
{{- if include "sluice.webhook" . -}}
{{- $ports = append $ports (dict "name" "webhook" "containerPort" (int .Values.controller.admissionWebhooks.port) "protocol" "TCP") -}}
{{- end -}}
{{- toYaml $ports -}}
{{- end }}

{{/*
Uploads and answers that NGINX keeps for a while would fill the memory of sluice-state, so they go to the node's disk.
*/}}
{{- define "sluice.servingMounts" -}}
- {name: sluice-state, mountPath: /run/sluice}
- {name: sluice-body, mountPath: /run/sluice/body}
- {name: sluice-proxy, mountPath: /run/sluice/proxy}
- {name: sluice-tmp, mountPath: /tmp}
{{- end }}

{{- define "sluice.controller.mounts" -}}
{{- $controller := .Values.controller -}}
{{- $mounts := list -}}
{{- if $controller.dataPlane.separate -}}
{{- $mounts = append $mounts (dict "name" "sluice-controller" "mountPath" "/run/sluice") -}}
{{- $mounts = append $mounts (dict "name" "sluice-dataplane" "mountPath" "/run/sluice-dataplane" "readOnly" true) -}}
{{- if .Values.serviceAccount.automountServiceAccountToken -}}
{{- $mounts = append $mounts (dict "name" "sluice-token" "mountPath" "/var/run/secrets/kubernetes.io/serviceaccount" "readOnly" true) -}}
{{- end -}}
{{- else -}}
{{- $mounts = include "sluice.servingMounts" . | fromYamlArray -}}
{{- end -}}
{{- if include "sluice.fetchesDatabases" . -}}
{{- $mounts = append $mounts (dict "name" "sluice-geoip" "mountPath" "/etc/ingress-controller/geoip") -}}
{{- end -}}
{{- if $controller.customTemplate.configMapName -}}
{{- $mounts = append $mounts (dict "name" "sluice-templates" "mountPath" "/etc/nginx/template" "readOnly" true) -}}
{{- end -}}
{{- if eq (include "sluice.webhook" .) "mounted" -}}
{{- $mounts = append $mounts (dict "name" "webhook-cert" "mountPath" "/usr/local/certificates" "readOnly" true) -}}
{{- end -}}
{{- include "sluice.mounts" (list $mounts ($controller.extraVolumeMounts | default list)) -}}
{{- end }}

{{/* What users mount below /var/run/secrets is for talking to the API server, or others, and none of NGINX's business. */}}
{{- define "sluice.dataplane.mounts" -}}
{{- $mounts := append (include "sluice.servingMounts" . | fromYamlArray) (dict "name" "sluice-dataplane" "mountPath" "/run/sluice-dataplane") -}}
{{- if include "sluice.fetchesDatabases" . -}}
{{- $mounts = append $mounts (dict "name" "sluice-geoip" "mountPath" "/etc/ingress-controller/geoip" "readOnly" true) -}}
{{- end -}}
{{- $extra := list -}}
{{- range .Values.controller.extraVolumeMounts -}}
{{- if not (regexMatch "^(/var)?/run/secrets(/|$)" .mountPath) }}{{ $extra = append $extra . }}{{ end -}}
{{- end -}}
{{- include "sluice.mounts" (list $mounts $extra) -}}
{{- end }}

{{/* of (list OURS USERS): a path that users mount something at is theirs, as it cannot be mounted twice */}}
{{- define "sluice.mounts" -}}
{{- $taken := list -}}
{{- range index . 1 }}{{ $taken = append $taken (trimSuffix "/" .mountPath) }}{{ end -}}
{{- $free := list -}}
{{- range index . 0 }}{{ if not (has .mountPath $taken) }}{{ $free = append $free . }}{{ end }}{{ end -}}
{{- concat $free (index . 1) | toYaml -}}
{{- end }}
