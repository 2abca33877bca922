{{/* What the controller may do: what it does under these values, and nothing else. */}}

{{/*
One line for each grant, of what sluice.situation says. "in" is a key of sluice.places. The controller's own doc comments say
what each is for: controller/watch, status, events, leader and authority.
*/}}
{{- define "sluice.grants" -}}
- {in: watched,    api: networking.k8s.io,   resource: ingresses,        verbs: [list, watch]}
- {in: watched,    api: "",                  resource: configmaps,       verbs: [list, watch]}
- {in: watched,    api: "",                  resource: secrets,          verbs: [list, watch]}
- {in: configured, api: "",                  resource: configmaps,       verbs: [list, watch]}
- {in: certified,  api: "",                  resource: secrets,          verbs: [list, watch]}
- {in: served,     api: "",                  resource: services,         verbs: [list, watch]}
- {in: served,     api: discovery.k8s.io,    resource: endpointslices,   verbs: [list, watch]}
- {in: cluster,    api: networking.k8s.io,   resource: ingressclasses,   verbs: [list, watch]}
{{- if .selects }}
- {in: cluster,    api: "",                  resource: namespaces,       verbs: [list, watch]}
{{- end }}
- {in: told,       api: "",                  resource: events,           verbs: [create, patch]}
- {in: own,        api: "",                  resource: pods,             verbs: [get]}
{{- if .writesStatus }}
- {in: watched,    api: networking.k8s.io,   resource: ingresses,        verbs: [get]}
- {in: watched,    api: networking.k8s.io,   resource: ingresses/status, verbs: [update]}
{{- end }}
{{- if .seeksReplicas }}
- {in: own,        api: "",                  resource: pods,             verbs: [list]}
{{- end }}
{{- if .readsNodes }}
- {in: cluster,    api: "",                  resource: nodes,            verbs: [get]}
{{- end }}
{{- with .webhookSecret }}
- {in: own,        api: "",                  resource: secrets,          verbs: [get, update], name: {{ . | quote }}}
{{- end }}
{{- with .webhookConfiguration }}
- {in: cluster,    api: admissionregistration.k8s.io, resource: validatingwebhookconfigurations, verbs: [get, patch], name: {{ . | quote }}}
{{- end }}
{{- if .elects }}
- {in: own,        api: coordination.k8s.io, resource: leases,           verbs: [create]}
- {in: own,        api: coordination.k8s.io, resource: leases,           verbs: [get, update], name: {{ .lease | quote }}}
{{- end }}
{{- end }}

{{/* What grants depend on, as JSON. It follows from the flags alone, wherever they come from. */}}
{{- define "sluice.situation" -}}
{{- $flags := include "sluice.flags" . | fromJson -}}
{{- $elects := not (include "sluice.isOn" (list $flags "disable-leader-election" false)) -}}
{{- $writesStatus := and $elects (include "sluice.isOn" (list $flags "update-status" true)) -}}
{{- $publishesNodes := and $writesStatus (not (or (get $flags "publish-service") (get $flags "publish-status-address"))) -}}
{{- $clearsStatus := and $writesStatus (include "sluice.isOn" (list $flags "update-status-on-shutdown" true)) -}}
{{- dict
  "elects" $elects
  "lease" (get $flags "election-id")
  "writesStatus" $writesStatus
  "readsNodes" (or $publishesNodes (include "sluice.isOn" (list $flags "enable-topology-aware-routing" false)))
  "seeksReplicas" (or $publishesNodes $clearsStatus)
  "selects" (get $flags "watch-namespace-selector")
  "webhookSecret" (get $flags "validating-webhook-secret")
  "webhookConfiguration" (get $flags "validating-webhook-configuration")
| toJson -}}
{{- end }}

{{/* Which namespaces grants are for, as JSON; "" is the whole cluster. */}}
{{- define "sluice.places" -}}
{{- $flags := include "sluice.flags" . | fromJson -}}
{{- $own := include "sluice.namespace" . -}}
{{- $of := dict -}}
{{- range $flag, $text := $flags -}}
{{- $_ := set $of $flag (splitList "/" $text | first | replace "$(POD_NAMESPACE)" $own) -}}
{{- end -}}
{{- $watched := get $of "watch-namespace" -}}
{{- $configured := get $of "configmap" -}}
{{- $certified := get $of "default-ssl-certificate" -}}
{{- $told := list $watched (get $of "default-backend-service") $configured $certified $own -}}
{{- $served := list $watched (get $of "publish-service") (get $of "default-backend-service") -}}
{{- $places := dict "configured" (list $configured) "certified" (list $certified) "served" $served "told" $told -}}
{{- range $place, $namespaces := $places -}}
{{- $_ := set $places $place (ternary (without $namespaces "" | uniq) (list "") (ne $watched "")) -}}
{{- end -}}
{{- merge $places (dict "cluster" (list "") "own" (list $own) "watched" (list $watched)) | toJson -}}
{{- end }}

{{/*
The rules of all roles, as JSON: by namespace, and there by what they are about. Those of the ClusterRole are at "".
*/}}
{{- define "sluice.rules" -}}
{{- $places := include "sluice.places" . | fromJson -}}
{{- $rules := dict -}}
{{- range $grant := include "sluice.situation" . | fromJson | include "sluice.grants" | fromYamlArray -}}
{{- $about := printf "%s/%s/%s" $grant.api $grant.resource ($grant.name | default "") -}}
{{- range $namespace := index $places $grant.in -}}
{{- $role := get $rules $namespace | default dict -}}
{{- $rule := get $role $about | default (dict "apiGroups" (list $grant.api) "resources" (list $grant.resource) "verbs" list) -}}
{{- if $grant.name }}{{ $_ := set $rule "resourceNames" (list $grant.name) }}{{ end -}}
{{- $rule = set $rule "verbs" (concat $rule.verbs $grant.verbs | uniq | sortAlpha) -}}
{{- $_ := set $rules $namespace (set $role $about $rule) -}}
{{- end -}}
{{- end -}}
{{- if .Values.rbac.scope }}{{ $_ := unset $rules "" }}{{ end -}}
{{- toJson $rules -}}
{{- end }}
