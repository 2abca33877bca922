package cluster

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// text shows a Note as tests compare it, without the file.
func text(n Note) string {
	return fmt.Sprintf("%d: %s: %s | %s | %s", n.Line, n.Severity, n.Object, n.Field, n.Message)
}

func texts(notes []Note) []string {
	var all []string
	for _, n := range notes {
		all = append(all, text(n))
	}
	return all
}

// read shows what was read: "Ingress shop/web:3", with its line.
func read(objs Objects) []string {
	var all []string
	for _, p := range objs.all() {
		all = append(all, fmt.Sprintf("%s:%d", p.key, p.line))
	}
	return all
}

const (
	configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"
	ingress   = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web, namespace: shop}\n"
	rule      = "spec: {rules: [{host: a.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %s, port: %s}}}]}}]}\n"
)

func cm(name string) string { return fmt.Sprintf(configMap, name) }

func jsonCM(name string) string {
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q}}`, name)
}

type decodeTest struct {
	name  string
	data  string
	read  []string
	notes []string
}

func (test decodeTest) run(t *testing.T) {
	objs, notes := Decode("f.yaml", []byte(test.data))
	if got := read(objs); !reflect.DeepEqual(got, test.read) {
		t.Errorf("read %q\nwant %q", got, test.read)
	}
	if got := texts(notes); !reflect.DeepEqual(got, test.notes) {
		t.Errorf("notes:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(test.notes, "\n"))
	}
	for _, n := range notes {
		if n.File != "f.yaml" {
			t.Errorf("%v is about file %q", n, n.File)
		}
	}
}

func TestDocuments(t *testing.T) {
	for _, test := range []decodeTest{
		{"nothing", "", nil, nil},
		{"only comments", "# nothing\n---\n# here\n\n---\n", nil, nil},
		{"null", "null\n---\n~\n", nil, nil},
		{"one", cm("a"), []string{"ConfigMap default/a:1"}, nil},
		{"two", cm("a") + "---\n" + cm("b"), []string{"ConfigMap default/a:1", "ConfigMap default/b:5"}, nil},
		{"comments first", "# Source: chart\n\n---\n# Source: chart\n" + cm("a"), []string{"ConfigMap default/a:5"}, nil},
		{"separator with comment", "--- # first\n" + cm("a") + "---\t\n" + cm("b"), []string{"ConfigMap default/a:2", "ConfigMap default/b:6"}, nil},
		{"content beside the separator", "--- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n" + cm("b"),
			[]string{"ConfigMap default/a:1", "ConfigMap default/b:3"}, nil},
		{"end of document", cm("a") + "...\n" + cm("b"), []string{"ConfigMap default/a:1", "ConfigMap default/b:5"}, nil},
		{"version directive", "%YAML 1.1\n---\n" + cm("a"), []string{"ConfigMap default/a:3"}, nil},
		{"line ends of Windows", strings.ReplaceAll(cm("a")+"---\n"+cm("b"), "\n", "\r\n"), []string{"ConfigMap default/a:1", "ConfigMap default/b:5"}, nil},
		{"byte order mark", "\ufeff" + cm("a"), []string{"ConfigMap default/a:1"}, nil},
		{"no last line end", cm("a") + "---", []string{"ConfigMap default/a:1"}, nil},
		{"dashes in a value", cm("a") + "data:\n  x: |\n    ---\n    y\n  z: \"---\"\n---x: 1\n", []string{"ConfigMap default/a:1"},
			[]string{"1: warning: ConfigMap default/a | ---x | unknown field, not used"}},
		{"dashes in a block", cm("a") + "data:\n  x: |\n    ---\n    y\n", []string{"ConfigMap default/a:1"}, nil},
		{"broken one between good ones", cm("a") + "---\na: [\n---\n" + cm("b"),
			[]string{"ConfigMap default/a:1", "ConfigMap default/b:7"},
			[]string{"5: error:  |  | not valid YAML: line 5: did not find expected node content"}},
		{"line in the file", cm("a") + "---\n\nx: y\n z: a\n", []string{"ConfigMap default/a:1"},
			[]string{"6: error:  |  | not valid YAML: line 7: mapping values are not allowed in this context"}},
		{"template", "kind: Ingress\n{{ if .Values.x }}\nx: y\n{{ end }}\n", nil,
			[]string{"1: error:  |  | not valid YAML: line 3: could not find expected ':'; it looks like a template, which has to be rendered first"}},
		{"template as a value", "kind: Ingress\nname: {{ .Values.secret }}\n", nil,
			[]string{"1: error:  |  | not valid YAML: a key is not text; it looks like a template, which has to be rendered first"}},
		{"no value in messages", "null: sesame\n---\nx: !!int \"sesame\"\n", nil,
			[]string{"1: error:  |  | not valid YAML: a key is not text", "3: error:  |  | not valid YAML: a value is not what its tag says"}},
		{"something after the end", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n{apiVersion: v1}\n", nil,
			[]string{"1: error:  |  | something follows the end of the document; it needs a line of --- before it"}},
		{"text", "hello\n---\n- a\n---\n5\n", nil, []string{
			"1: error:  |  | is not a Kubernetes object", "3: error:  |  | is not a Kubernetes object", "5: error:  |  | is not a Kubernetes object"}},
		{"control characters", "a\x00b: c\n", nil, []string{"1: error:  |  | not valid YAML: control characters are not allowed"}},
	} {
		t.Run(test.name, test.run)
	}
}

func TestJSON(t *testing.T) {
	for _, test := range []decodeTest{
		{"one", jsonCM("a"), []string{"ConfigMap default/a:1"}, nil},
		{"several", jsonCM("a") + jsonCM("b") + "\n\n" + jsonCM("c") + "\n",
			[]string{"ConfigMap default/a:1", "ConfigMap default/b:1", "ConfigMap default/c:3"}, nil},
		{"tabs", "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"ConfigMap\",\n\t\"metadata\": {\"name\": \"a\"}\n}\n" + jsonCM("b"),
			[]string{"ConfigMap default/a:1", "ConfigMap default/b:6"}, nil},
		{"comment after it", jsonCM("a") + " # all\n", []string{"ConfigMap default/a:1"}, nil},
		{"second broken", jsonCM("a") + "\n{\"kind\":\n", []string{"ConfigMap default/a:1"},
			[]string{"2: error:  |  | not valid YAML: line 2: did not find expected node content"}},
		{"key twice", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","name":"a"}}`, []string{"ConfigMap default/a:1"},
			[]string{"1: warning: ConfigMap default/a | metadata.name | stands twice; the last one counts"}},
		{"comma too many", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},}`, []string{"ConfigMap default/a:1"}, nil},
	} {
		t.Run(test.name, test.run)
	}
}

func TestKinds(t *testing.T) {
	item := "- {apiVersion: v1, kind: Service, metadata: {name: a}}\n"
	for _, test := range []decodeTest{
		{"all", `
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: nginx, namespace: ignored}, spec: {controller: k8s.io/ingress-nginx}}
--- {apiVersion: v1, kind: Service, metadata: {name: a, namespace: shop}}
--- {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a}, addressType: IPv4, endpoints: [{addresses: [10.0.0.1]}], ports: [{port: 80}]}
--- {apiVersion: v1, kind: Secret, metadata: {name: a}}
--- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
`, []string{"IngressClass nginx:2", "Service shop/a:3", "EndpointSlice default/a:4", "Secret default/a:5", "Namespace shop:6"}, nil},
		{"unknown", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: shop}\n", nil,
			[]string{"1: info: Deployment shop/a | kind | Deployment of apps/v1 is not read"}},
		{"same name, other group", "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\n", nil,
			[]string{"1: info: Service a | kind | Service of serving.knative.dev/v1 is not read"}},
		{"Ingress before v1", "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: a}\n---\napiVersion: networking.k8s.io/v1beta1\nkind: Ingress\nmetadata: {name: b}\n", nil,
			[]string{"1: error: Ingress a | apiVersion | extensions/v1beta1 cannot be read; write it as networking.k8s.io/v1",
				"5: error: Ingress b | apiVersion | networking.k8s.io/v1beta1 cannot be read; write it as networking.k8s.io/v1"}},
		{"wrong version", "apiVersion: v2\nkind: Service\nmetadata: {name: a}\n", nil,
			[]string{"1: error: Service a | apiVersion | v2 cannot be read; write it as v1"}},
		{"neither", "replicas: 3\n", nil, []string{"1: warning:  |  | is not a Kubernetes object: it has neither apiVersion nor kind"}},
		{"no kind", "apiVersion: v1\n", nil, []string{"1: error:  | kind | is missing"}},
		{"no version", "kind: Ingress\nmetadata: {name: a}\n", nil, []string{"1: error: Ingress a | apiVersion | is missing"}},
		{"kind is a number", "apiVersion: v1\nkind: 5\n", nil, []string{"1: error:  | kind | must be text, not a number; put it in quotes"}},

		{"List", "apiVersion: v1\nkind: List\nitems:\n" + item + "- {apiVersion: apps/v1, kind: Deployment, metadata: {name: b}}\n- null\n" + "- {kind: Service}\n",
			[]string{"Service default/a:1"},
			[]string{"1: info: Deployment b | kind | Deployment of apps/v1 is not read", "1: error: Service | apiVersion | is missing"}},
		{"ServiceList", "apiVersion: v1\nkind: ServiceList\nmetadata: {resourceVersion: \"5\"}\nitems:\n- metadata: {name: a}\n" + item + "- 5\n",
			[]string{"Service default/a:1", "Service default/a:1"},
			[]string{"1: error:  |  | is not a Kubernetes object", "1: warning: Service default/a |  | defined in f.yaml, line 1, as well; the one here counts"}},
		{"old IngressList", "apiVersion: extensions/v1beta1\nkind: IngressList\nitems: [{metadata: {name: a}}, {metadata: {name: b}}]\n", nil,
			[]string{"1: error: Ingress | apiVersion | extensions/v1beta1 cannot be read; write it as networking.k8s.io/v1"}},
		{"unknown list", "apiVersion: apps/v1\nkind: DeploymentList\nitems: []\n", nil, []string{"1: info: DeploymentList | kind | DeploymentList of apps/v1 is not read"}},
		{"empty list", "apiVersion: v1\nkind: List\nitems: null\n---\napiVersion: v1\nkind: List\n", nil, nil},
		{"list of nothing", "apiVersion: v1\nkind: List\nitems: 5\n", nil, []string{"1: error: List | items | must be a list"}},
		{"list in a list", "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: List, items: [" + jsonCM("a") + "]}]}", []string{"ConfigMap default/a:1"}, nil},
		{"lists without end", strings.Repeat("{apiVersion: v1, kind: List, items: [", 9) + strings.Repeat("]}", 9), nil,
			[]string{"1: error: List | items | lists stand in lists too deeply"}},
	} {
		t.Run(test.name, test.run)
	}
}

func TestFields(t *testing.T) {
	good := fmt.Sprintf(rule, "web", "{number: 80}")
	web := []string{"Ingress shop/web:1"}
	wrong := func(field, message string) []string {
		return []string{"1: error: Ingress shop/web | " + field + " | " + message}
	}
	for _, test := range []decodeTest{
		{"good", ingress + good, web, nil},
		{"unknown", ingress + strings.Replace(good, "pathType", "pathtype", 1), web,
			[]string{"1: warning: Ingress shop/web | spec.rules[0].http.paths[0].pathtype | unknown field, not used"}},
		{"case matters", ingress + "Spec: {}\n", web, []string{"1: warning: Ingress shop/web | Spec | unknown field, not used"}},
		{"twice", ingress + "spec: {}\n" + good, web,
			[]string{"1: warning: Ingress shop/web | spec | stands twice, the second time in line 5; the last one counts"}},
		{"number twice", ingress + "metadata.x: {5: 1, 5: 2}\n", web, []string{
			"1: warning: Ingress shop/web | 5 | stands twice, the second time in line 4; the last one counts",
			"1: warning: Ingress shop/web | metadata.x | unknown field, not used"}},
		{"annotation is no text", strings.Replace(ingress, "name:", "annotations: {a: \"b\", example.com/ssl-redirect: true}, name:", 1), nil,
			wrong("metadata.annotations.example.com/ssl-redirect", "must be text, not a bool; put it in quotes")},
		{"annotation is a list", strings.Replace(ingress, "name:", "annotations: {a: [b]}, name:", 1), nil,
			wrong("metadata.annotations.a", "must be text, not a list")},
		{"annotations are text", strings.Replace(ingress, "name:", "annotations: a, name:", 1), nil,
			wrong("metadata.annotations", "must be a mapping, not text")},
		{"number is text", ingress + fmt.Sprintf(rule, "web", "{number: http}"), nil,
			wrong("spec.rules[0].http.paths[0].backend.service.port.number", "must be a number, not text")},
		{"number is large", ingress + fmt.Sprintf(rule, "web", "{number: 99999999999}"), nil,
			wrong("spec.rules[0].http.paths[0].backend.service.port.number", "must be a whole number, and not so large")},
		{"rules are a mapping", ingress + "spec: {rules: {host: a}}\n", nil, wrong("spec.rules", "must be a list, not a mapping")},
		{"spec is a list", ingress + "spec: [a]\n", nil, wrong("spec", "must be a mapping, not a list")},
		{"type that decodes itself", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80, targetPort: true}]}\n", nil,
			[]string{"1: error: Service default/a | spec.ports.targetPort | must be a number, not a bool"}},
		{"creation time", strings.Replace(ingress, "name:", "creationTimestamp: never, name:", 1), nil,
			wrong("", `cannot be decoded: parsing time "never" as "2006-01-02T15:04:05Z07:00": cannot parse "never" as "2006"`)},
		{"yes is a boolean", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {ssl-redirect: yes}\n", nil,
			[]string{"1: error: ConfigMap default/a | data.ssl-redirect | must be text, not a bool; put it in quotes"}},

		{"no name", "apiVersion: v1\nkind: Service\nmetadata: {generateName: a-}\n", nil, []string{"1: error: Service | metadata.name | is missing"}},
		{"no metadata", "apiVersion: v1\nkind: Service\n", nil, []string{"1: error: Service | metadata.name | is missing"}},
		{"name of a Service", "apiVersion: v1\nkind: Service\nmetadata: {name: a.b}\n", nil,
			[]string{`1: error: Service default/a.b | metadata.name | "a.b" is not a name: at most 63 lower-case letters, digits and "-"`}},
		{"name with dots", strings.Replace(ingress, "web", "a.b", 1), []string{"Ingress shop/a.b:1"}, nil},
		{"name that is none", strings.Replace(ingress, "web", `"a;\n}"`, 1), nil,
			[]string{`1: error: Ingress shop/a;?} | metadata.name | "a;\n}" is not a name: lower-case letters, digits, "-" and "."`}},
		{"namespace that is none", strings.Replace(ingress, "shop", "a/b", 1), nil,
			[]string{`1: error: Ingress a/b/web | metadata.namespace | "a/b" is not a name: at most 63 lower-case letters, digits and "-"`}},
		{"backend", ingress + fmt.Sprintf(rule, "Web_1", "{number: 80}"), nil,
			wrong("spec.rules[0].http.paths[0].backend.service.name", `"Web_1" is not a name: at most 63 lower-case letters, digits and "-"`)},
		{"backend without a name", ingress + "spec: {defaultBackend: {service: {port: {number: 80}}}}\n", nil,
			wrong("spec.defaultBackend.service.name", `"" is not a name: at most 63 lower-case letters, digits and "-"`)},
		{"backend is a resource", ingress + "spec: {defaultBackend: {resource: {kind: Bucket, name: a}}, rules: [{host: a.example}]}\n", web, nil},
		{"named port", ingress + fmt.Sprintf(rule, "web", "{name: http}"), web, nil},
		{"port name that is none", ingress + fmt.Sprintf(rule, "web", "{name: 'a b'}"), nil,
			wrong("spec.rules[0].http.paths[0].backend.service.port.name", `"a b" is not the name of a port`)},
		{"port 0", ingress + fmt.Sprintf(rule, "web", "{number: 0}"), nil,
			wrong("spec.rules[0].http.paths[0].backend.service.port", "needs a name, or a number from 1 to 65535")},
	} {
		t.Run(test.name, test.run)
	}
}

func TestEndpointSlices(t *testing.T) {
	const head = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a}\n"
	wrong := func(field, message string) []string {
		return []string{"1: error: EndpointSlice default/a | " + field + " | " + message}
	}
	for _, test := range []decodeTest{
		{"IPv6", head + "addressType: IPv6\nendpoints: [{addresses: ['fd00::1']}]\n", []string{"EndpointSlice default/a:1"}, nil},
		{"names", head + "addressType: FQDN\nendpoints: [{addresses: [a.example]}]\n", []string{"EndpointSlice default/a:1"}, nil},
		{"no address", head + "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1, '10.0.0.2; x']}]\n", nil,
			wrong("endpoints[0].addresses[1]", `"10.0.0.2; x" is not an IP address`)},
		{"zone", head + "endpoints: [{addresses: ['fe80::1%eth0']}]\n", nil, wrong("endpoints[0].addresses[0]", `"fe80::1%eth0" is not an IP address`)},
		{"port", head + "ports: [{}, {port: -1}]\n", nil, wrong("ports[1].port", "must be from 1 to 65535")},
	} {
		t.Run(test.name, test.run)
	}
}

func TestSecrets(t *testing.T) {
	objs, notes := Decode("f.yaml", []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: b25l, b: b25l}\nstringData: {b: two, c: three}\n"))
	if len(notes) > 0 {
		t.Fatal(notes)
	}
	secret := FromObjects(objs).Secret("default", "a")
	want := map[string][]byte{"a": []byte("one"), "b": []byte("two"), "c": []byte("three")}
	if !reflect.DeepEqual(secret.Data, want) || secret.StringData != nil {
		t.Errorf("data %q, stringData %q", secret.Data, secret.StringData)
	}
	const head = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n"
	for _, test := range []decodeTest{
		{"not base64", head + "data: {a: c2VzYW1l, b: sesame!}\n", nil,
			[]string{"1: error: Secret default/a | data.b | must be base64; plain text of a Secret belongs in stringData"}},
		{"number", head + "stringData: {pin: 4711}\n", nil,
			[]string{"1: error: Secret default/a | stringData.pin | must be text, not a number; put it in quotes"}},
		{"number in data", head + "data: {pin: 4711}\n", nil,
			[]string{"1: error: Secret default/a | data.pin | must be text in base64, not a number"}},
	} {
		t.Run(test.name, test.run)
	}
}

func TestLimits(t *testing.T) {
	expect := func(t *testing.T, data, message string) {
		t.Helper()
		objs, notes := Decode("f.yaml", []byte(data))
		if len(read(objs)) > 0 || len(notes) == 0 || notes[len(notes)-1].Message != message {
			t.Errorf("read %v, notes %v", read(objs), notes)
		}
	}
	t.Run("file", func(t *testing.T) {
		expect(t, strings.Repeat("#", maxFile+1), "larger than 8 MiB")
	})
	t.Run("aliases of long text", func(t *testing.T) {
		expect(t, "a: &a "+strings.Repeat("x", 100_000)+"\nb: ["+strings.Repeat("*a, ", 1000)+"]\n", "its aliases make it too large")
	})
	t.Run("aliases of aliases", func(t *testing.T) {
		bomb := "a0: &a0 x\n"
		for i := 1; i < 30; i++ {
			bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10))
		}
		expect(t, bomb, "not valid YAML: document contains excessive aliasing")
	})
	t.Run("depth", func(t *testing.T) {
		expect(t, "a: "+strings.Repeat("[", 20_000), "not valid YAML: exceeded max depth of 10000")
		expect(t, strings.Repeat(`{"a":`, 20_000)+"1"+strings.Repeat("}", 20_000), "not valid YAML: exceeded max depth of 10000")
	})
	t.Run("notes", func(t *testing.T) {
		expect(t, strings.Repeat("---\nx: 1\n", maxNotes+5), "5 more notes are left out")
	})
	t.Run("message", func(t *testing.T) {
		_, notes := Decode("f.yaml", []byte("apiVersion: v1\nkind: Service\nmetadata: {name: "+strings.Repeat("ö", 5000)+"}\n"))
		if len(notes) != 1 || len(notes[0].Message) > maxPhrase+3 || len(notes[0].Object) > maxPhrase+3 {
			t.Error(notes)
		}
	})
}

func TestAliases(t *testing.T) {
	decodeTest{
		data: "apiVersion: v1\nkind: ConfigMap\nmetadata: &m {name: a, labels: &l {x: z}, annotations: *l}\n",
		read: []string{"ConfigMap default/a:1"},
	}.run(t)
}

// Objects that name no namespace are of the reader's, in Notes too; those of the whole cluster are of none.
func TestAReaderHasANamespace(t *testing.T) {
	objects, notes := Reader{Namespace: "shop"}.Decode("stdin", []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n---\n"+
		"apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: other}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec: 1\n"))
	s := FromObjects(objects)
	if s.Secret("shop", "a") == nil || s.Secret("other", "a") == nil || s.Secret("default", "a") != nil {
		t.Errorf("objects are %v", objects.Places())
	}
	if len(notes) != 1 || notes[0].Object != "Service shop/b" {
		t.Errorf("notes are %v", notes)
	}
}
