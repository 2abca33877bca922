package admission_test

import (
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
)

// created is an Ingress that has nothing to do with any other.
const created = `
metadata: {namespace: shop, name: new, creationTimestamp: "2026-02-01T00:00:00Z", annotations: {ANNOTATIONS}}
spec:
  rules:
  - host: HOST
    http: {paths: [{path: "PATH", pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
`

const (
	annotation     = "metadata.annotations[nginx.ingress.kubernetes.io/"
	missingService = `Ingress shop/new: spec.rules[0].http.paths[0].backend.service.name: Service shop/web does not exist; the path answers 503`
)

var verdicts = []struct {
	name     string
	change   string
	options  func(*controller.Options)
	refusals []string
	warnings []string
	foreign  bool
}{
	{name: "a Service that comes later", change: with("", "new.example.com", "/"), warnings: []string{missingService}},
	{
		name:   "a ConfigMap that comes later",
		change: with(`nginx.ingress.kubernetes.io/custom-headers: headers`, "new.example.com", "/"),
		warnings: []string{
			"Ingress shop/new: " + annotation + "custom-headers]: ConfigMap shop/headers does not exist; the path answers 503", missingService,
		},
	},
	{
		name:     "misspelt",
		change:   with(`nginx.ingress.kubernetes.io/ssl-redirct: "true"`, "new.example.com", "/"),
		warnings: []string{"Ingress shop/new: " + annotation + "ssl-redirct]: no annotation has this name, so it has no effect; did you mean ssl-redirect?", missingService},
	},
	{
		name:     "a value that only means the default",
		change:   with(`nginx.ingress.kubernetes.io/proxy-body-size: lots`, "new.example.com", "/"),
		warnings: []string{"Ingress shop/new: " + annotation + `proxy-body-size]: "lots" is not a size`, missingService},
	},
	{
		name:     "a guard that denies everybody",
		change:   with(`nginx.ingress.kubernetes.io/allowlist-source-range: office`, "new.example.com", "/"),
		refusals: []string{"Ingress shop/new: " + annotation + `allowlist-source-range]: "office" has the item "office"`},
		warnings: []string{missingService},
	},
	{
		name:     "an alias that refuses the Ingress",
		change:   with(`nginx.ingress.kubernetes.io/server-alias: "a b"`, "new.example.com", "/"),
		refusals: []string{"Ingress shop/new: " + annotation + `server-alias]: "a b" has the item "a b", which is not a host name; the Ingress is not served`},
	},
	{
		name:   "the same guard, but of a class that is not ours",
		change: with(`kubernetes.io/ingress.class: other, nginx.ingress.kubernetes.io/allowlist-source-range: office`, "new.example.com", "/"), foreign: true,
	},
	{
		name: "in a namespace that is not watched", change: with(`nginx.ingress.kubernetes.io/server-alias: "a b"`, "new.example.com", "/"), foreign: true,
		options: func(o *controller.Options) { o.Translate.Selection.WatchNamespace = "blog" },
	},
	{
		name: "a path that is served as it stands", change: with("", "new.example.com", "/a,b"), warnings: []string{missingService},
	},
	{
		name: "a path that strict-validate-path-type does not allow", change: with("", "new.example.com", "/a,b"),
		options: func(o *controller.Options) {
			o.Translate.ConfigMap = cluster.Name{Namespace: "ingress", Name: "strict"}
		},
		refusals: []string{`Ingress shop/new: spec.rules[0].http.paths[0].path: "/a,b" has characters that strict-validate-path-type does not allow`},
		warnings: []string{missingService},
	},
	{
		name:     "a path that somebody has",
		change:   with("", "shop.example.com", "/"),
		refusals: []string{`Ingress shop/new: spec.rules[0].http.paths[0].path: path "/" of host shop.example.com is already served by Ingress shop/web`},
	},
	{
		name:     "a path that somebody younger has, who would lose it",
		change:   with("", "shop.example.com", "/user/(.*"),
		refusals: []string{`Ingress blog/young: spec.rules[0].http.paths[0].path: path "/user/(.*" of host shop.example.com is already served by Ingress shop/new`},
		warnings: []string{missingService},
	},
	{
		name:   "regular expressions that cost somebody a path",
		change: with(`nginx.ingress.kubernetes.io/use-regex: "true"`, "shop.example.com", "/a"),
		refusals: []string{
			`Ingress blog/young: spec.rules[0].http.paths[0].path: "/user/(.*" is matched as a regular expression`,
		},
		warnings: []string{missingService},
	},
	{
		name: "the same path twice in one Ingress",
		change: `
metadata: {namespace: shop, name: new}
spec:
  rules:
  - &rule
    host: new.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
  - *rule
`,
		warnings: []string{missingService, `Ingress shop/new: spec.rules[1].http.paths[0].path: path "/" of host new.example.com is already served by Ingress shop/new`},
	},
	{
		name:   "a canary before its main Ingress",
		change: with(`nginx.ingress.kubernetes.io/canary: "true", nginx.ingress.kubernetes.io/canary-weight: "5"`, "new.example.com", "/"),
		warnings: []string{
			`Ingress shop/new: spec.rules[0].http.paths[0].backend.service.name: Service shop/web does not exist; the canary takes no requests`,
			`Ingress shop/new: spec.rules[0].http.paths[0].path: no other Ingress has a rule for host new.example.com`,
		},
	},
	{name: "the main Ingress of a canary", change: with("", "canary.example.com", "/"), warnings: []string{missingService}},
	{
		name:     "a host that is none",
		change:   with("", "192.0.2.1", "/"),
		refusals: []string{`Ingress shop/new: spec.rules[0].host: "192.0.2.1" is neither a host name nor a wildcard`},
	},
	{
		name:     "a path with a line break",
		change:   with("", "new.example.com", `/a\nb`),
		refusals: []string{`Ingress shop/new: spec.rules[0].http.paths[0].path: `},
	},
	{
		name: "a default backend where none is allowed",
		change: `
metadata: {namespace: shop, name: new}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
`,
		options:  func(o *controller.Options) { o.Translate.Selection.DisableCatchAll = true },
		refusals: []string{"Ingress shop/new: spec.defaultBackend: the controller allows no default backends (--disable-catch-all)"},
	},
	{
		name: "a label for one that is bad already",
		change: `
metadata:
  namespace: shop
  name: bad
  labels: {a: b}
  annotations: {nginx.ingress.kubernetes.io/allowlist-source-range: office}
spec:
  rules:
  - host: more.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: bad, port: {number: 80}}}}]}
  - host: bad.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: bad, port: {number: 80}}}}]}
`,
		warnings: []string{
			"Ingress shop/bad: " + annotation + `allowlist-source-range]: "office" has the item "office"`,
			"Ingress shop/bad: spec.rules[0].http.paths[0].backend.service.name: Service shop/bad does not exist",
			"Ingress shop/bad: spec.rules[1].http.paths[0].backend.service.name: Service shop/bad does not exist",
		},
	},
	{
		name: "another mistake for one that is bad already",
		change: `
metadata:
  namespace: shop
  name: bad
  annotations: {nginx.ingress.kubernetes.io/allowlist-source-range: office, nginx.ingress.kubernetes.io/denylist-source-range: home}
spec: {rules: [{host: bad.example.com}]}
`,
		refusals: []string{"Ingress shop/bad: " + annotation + `denylist-source-range]: "home" has the item "home"`},
		warnings: []string{"Ingress shop/bad: " + annotation + `allowlist-source-range]: "office" has the item "office"`},
	},
}

func with(annotations, host, path string) string {
	return strings.NewReplacer("ANNOTATIONS", annotations, "HOST", host, "PATH", path).Replace(created)
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}
