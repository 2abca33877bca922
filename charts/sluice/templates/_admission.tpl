{{/*
Where the certificate of the admission webhook comes from: "own" (the controller makes it), "mounted" (somebody else keeps the
Secret), or nothing, if there is no webhook. Without rights in the whole cluster the controller cannot have its own trusted.
*/}}
{{- define "sluice.webhook" -}}
{{- $webhooks := .Values.controller.admissionWebhooks -}}
{{- if $webhooks.enabled -}}
{{- if or ($webhooks.certManager).enabled (not ($webhooks.patch).enabled) }}mounted{{ else if not .Values.rbac.scope }}own{{ end -}}
{{- end -}}
{{- end }}

{{- define "sluice.webhook.name" -}}
{{- include "sluice.partName" (list . (.Values.controller.admissionWebhooks.name | default "")) -}}
{{- end }}

{{/* The Secret that the controller fills. That of ingress-nginx's jobs has the name above, and no owner. */}}
{{- define "sluice.webhook.secret" -}}
{{- printf "%s-ca" (include "sluice.webhook.name" . | trunc 60 | trimSuffix "-") -}}
{{- end }}

{{- define "sluice.webhook.service" -}}
{{- printf "%s-admission" (include "sluice.controller.name" . | trunc 53 | trimSuffix "-") -}}
{{- end }}

{{/* Flags of the webhook, as JSON. */}}
{{- define "sluice.webhook.flags" -}}
{{- $webhooks := .Values.controller.admissionWebhooks -}}
{{- $flags := dict -}}
{{- with include "sluice.webhook" . -}}
{{- $_ := set $flags "validating-webhook" (printf ":%d" (int $webhooks.port)) -}}
{{- if eq . "own" -}}
{{- $_ := set $flags "validating-webhook-secret" (include "sluice.webhook.secret" $) -}}
{{- $_ := set $flags "validating-webhook-configuration" (include "sluice.webhook.name" $) -}}
{{- else -}}
{{- $_ := set $flags "validating-webhook-certificate" $webhooks.certificate -}}
{{- $_ := set $flags "validating-webhook-key" $webhooks.key -}}
{{- end -}}
{{- end -}}
{{- toJson $flags -}}
{{- end }}
