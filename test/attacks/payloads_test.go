package attacks

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/test/golden"
)

// payloads end an argument, a directive, a block, a comment, a string of Lua or of JSON, in each of the ways in which one
// can end.
var payloads = []string{
	`x; sluice_pwned on;`, `x;} sluice_pwned on; location /y {`, `"; sluice_pwned on; "`, `'; sluice_pwned on; '`, `x" {} sluice_pwned on; #`,
	"x\nsluice_pwned on;", "x\r\nsluice_pwned on;", "x\rsluice_pwned on;", "x\x00; sluice_pwned on;", "# \n}}} sluice_pwned on;", "x\u2028sluice_pwned on;",
	`x\"; sluice_pwned on;`, `\`, `x\`, `${`, `$`, `{{ .sluice_pwned }}`, `{{/*`, `]] .. sluice_pwned() .. [[`, `"},"sluice_pwned":{"a":"`,
	`on; sluice_pwned on;`, `true; sluice_pwned on;`, `1; sluice_pwned on;`, `10.0.0.0/8; sluice_pwned on;`, `a.example.com; sluice_pwned on;`,
	`https://a.example.com/; sluice_pwned on;`, `https://a.example.com/";sluice_pwned on;#`, `/a"; sluice_pwned on; #`, `~a"; sluice_pwned on; #`, `CN=a" { } sluice_pwned on; #`,
	`return 200; } sluice_pwned on; location /y {`, `add_header A "b"; sluice_pwned on;`, `more_set_headers "A: b";} sluice_pwned on;`,
	"4k; sluice_pwned on;", "shop/x; sluice_pwned on;", "../../../etc/passwd", "shop/../../../etc/shadow",
}

// byDesign are the keys of the ConfigMap that are text of the configuration: only the administrator writes there.
var byDesign = []string{"main-snippet", "http-snippet", "server-snippet", "location-snippet", "stream-snippet"}

// TestNoValueWritesADirective gives every annotation there is each payload, and the ConfigMap in all its keys, supported
// or not, with everything allowed but raw snippets: no directive comes of it, nor Lua.
func TestNoValueWritesADirective(t *testing.T) {
	keys, configKeys := allKeys()
	if len(keys) < 130 || len(configKeys) < 180 {
		t.Fatalf("only %d annotations and %d keys are tried", len(keys), len(configKeys))
	}
	for _, routing := range modes {
		for _, key := range keys {
			writesNothing(t, routing, key, ingresses(t, key), policy(t, nil))
		}
		for _, payload := range payloads {
			config := map[string]string{}
			for _, key := range configKeys {
				config[key] = payload
			}
			writesNothing(t, routing, payload, neighbour, policy(t, config))
		}
	}
}

func allKeys() (keys, configKeys []string) {
	for _, e := range annotations.Reference() {
		keys = append(append(keys, e.Key), e.Aliases...)
		configKeys = append(configKeys, e.ConfigKey)
	}
	for _, list := range annotations.Missing() {
		keys = append(keys, list...)
	}
	for _, list := range annotations.MissingKeys() {
		configKeys = append(configKeys, list...)
	}
	configKeys = slices.AppendSeq(configKeys, maps.Keys(annotations.Moot()))
	none := func(key string) bool { return key == "" }
	return slices.DeleteFunc(keys, none), slices.DeleteFunc(configKeys, func(key string) bool { return key == "" || slices.Contains(byDesign, key) })
}

// ingresses have the annotation with one payload each, on hosts of their own, and what gives others of its family effect.
func ingresses(t *testing.T, key string) []byte {
	var list []string
	for n, payload := range payloads {
		all := map[string]string{"rewrite-target": "/$1", "canary-weight": "1", "affinity": "cookie", "auth-tls-secret": "shop/ca", "proxy-ssl-secret": "shop/ca"}
		if strings.HasPrefix(key, "canary") {
			all["canary"] = "true"
		}
		all[key] = payload
		own := map[string]string{}
		for name, value := range all {
			own["nginx.ingress.kubernetes.io/"+name] = value
		}
		text, err := json.Marshal(own)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: v%d, namespace: shop, annotations: %s}\n"+
			"spec: {tls: [{hosts: [v%d.example.com]}], rules: [{host: v%d.example.com, http: {paths: ["+
			"{path: '/x/(.*)', pathType: ImplementationSpecific, backend: {service: {name: echo-b, port: {number: 80}}}}]}}]}\n", n, text, n, n))
	}
	list = append(list, "apiVersion: v1\nkind: Secret\nmetadata: {name: ca, namespace: shop}\nstringData: {ca.crt: {{authority good}}, "+
		"tls.crt: {{certificate good/x}}, tls.key: {{key good/x}}}\n")
	return []byte(strings.Join(list, "---\n"))
}

// policy is a ConfigMap that allows parsed snippets and all risks, and has these values otherwise.
func policy(t *testing.T, values map[string]string) []byte {
	data := map[string]string{}
	maps.Copy(data, values)
	data["allow-snippet-annotations"], data["annotations-risk-level"] = "parsed", "Critical"
	text, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Appendf(nil, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: controller, namespace: ingress-nginx}\ndata: %s\n", text)
}

func writesNothing(t *testing.T, routing controller.Routing, key string, objects, config []byte) {
	t.Helper()
	c := golden.New(t, key, &txtar.Archive{Files: []txtar.File{{Name: "ingress.yaml", Data: objects}, {Name: "configmap.yaml", Data: config}}})
	if len(c.Notes) > 0 {
		t.Fatalf("%s: %v", key, c.Notes)
	}
	c.Options.Routing = routing
	for _, f := range c.Plan(t).Files.List {
		if !plainName.MatchString(f.Name) {
			t.Errorf("%s: a file is called %q", key, f.Name)
		}
		if !strings.HasSuffix(f.Name, ".conf") {
			continue
		}
		tree, err := nginx.Parse(string(f.Content))
		if err != nil {
			t.Errorf("%s: %s: %v", key, f.Name, err)
		}
		everyDirective(tree, func(d nginx.Parsed) {
			if strings.Contains(d.Name()+d.Lua, "sluice_pwned") {
				t.Errorf("%s: %s:%d: %q %s", key, f.Name, d.Line, d.Words, d.Lua)
			}
		})
	}
}

// everyDirective calls f with all of a tree, and leaves out entries of maps, which are values only.
func everyDirective(tree []nginx.Parsed, f func(nginx.Parsed)) {
	for _, d := range tree {
		f(d)
		if d.Name() != "map" && d.Name() != "geo" {
			everyDirective(d.Block, f)
		}
	}
}
