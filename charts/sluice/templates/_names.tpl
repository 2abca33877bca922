{{/*
What objects are called and how they are labelled. The rules are those of ingress-nginx's chart, so that a release that
changes over keeps its objects.
*/}}

{{/* A release called after ingress-nginx has been one: its names and its selectors, which cannot change, stay. */}}
{{- define "sluice.name" -}}
{{- $chart := ternary "ingress-nginx" .Chart.Name (contains "ingress-nginx" .Release.Name) -}}
{{- .Values.nameOverride | default $chart | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "sluice.fullname" -}}
{{- include "sluice.fullnameOf" (list . (include "sluice.name" .)) -}}
{{- end }}

{{/* of (list $ NAME): what the release calls its objects if NAME is the chart's */}}
{{- define "sluice.fullnameOf" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $release := $root.Release.Name -}}
{{- $fullname := ternary $release (printf "%s-%s" $release $name) (contains $name $release) -}}
{{- $root.Values.fullnameOverride | default $fullname | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* of (list $ SUFFIX) */}}
{{- define "sluice.partName" -}}
{{- printf "%s-%s" (include "sluice.fullname" (index . 0)) (index . 1) | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "sluice.controller.name" -}}
{{- include "sluice.partName" (list . .Values.controller.name) -}}
{{- end }}

{{- define "sluice.defaultBackend.name" -}}
{{- include "sluice.partName" (list . .Values.defaultBackend.name) -}}
{{- end }}

{{- define "sluice.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "sluice.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary "default" (include "sluice.fullname" .) (empty .Values.serviceAccount.create)) -}}
{{- end }}

{{- define "sluice.defaultBackend.serviceAccount" -}}
{{- $account := .Values.defaultBackend.serviceAccount -}}
{{- $account.name | default (ternary "default" (printf "%s-backend" (include "sluice.fullname" .)) (empty $account.create)) -}}
{{- end }}

{{/* of (dict "root" $ "component" COMPONENT): never changes in the life of a release */}}
{{- define "sluice.selector" -}}
app.kubernetes.io/name: {{ include "sluice.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* of (dict "root" $ "component" COMPONENT "labels" MAP), the labels being the user's */}}
{{- define "sluice.labels" -}}
{{- $chart := .root.Chart -}}
{{- $about := dict
  "helm.sh/chart" (printf "%s-%s" $chart.Name $chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" $chart.AppVersion
  "app.kubernetes.io/part-of" (include "sluice.name" .root)
  "app.kubernetes.io/managed-by" .root.Release.Service
-}}
{{- merge (include "sluice.selector" . | fromYaml) (.labels | default dict) (.root.Values.commonLabels | default dict) $about | include "sluice.texts" -}}
{{- end }}

{{/*
Metadata of an object. Of (dict "root" $ "name" NAME "component" COMPONENT), and if there are any "labels", "annotations",
"namespace" if not the release's, "clusterWide" true.
*/}}
{{- define "sluice.metadata" -}}
name: {{ .name }}
{{- if not .clusterWide }}
namespace: {{ .namespace | default (include "sluice.namespace" .root) }}
{{- end }}
labels:
  {{- include "sluice.labels" . | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- include "sluice.texts" . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
Users' values call these by the names of ingress-nginx's chart, in affinities above all: its values.yaml shows how.
*/}}
{{- define "ingress-nginx.name" }}{{ include "sluice.name" . }}{{ end }}
{{- define "ingress-nginx.fullname" }}{{ include "sluice.fullname" . }}{{ end }}
{{- define "ingress-nginx.namespace" }}{{ include "sluice.namespace" . }}{{ end }}
{{- define "ingress-nginx.controller.fullname" }}{{ include "sluice.controller.name" . }}{{ end }}
