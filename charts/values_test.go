package charts_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// node is the part of JSON Schema that values.schema.json uses.
type node struct {
	Ref                  string           `json:"$ref"`
	Description          string           `json:"description"`
	Examples             []any            `json:"examples"`
	Properties           map[string]*node `json:"properties"`
	AdditionalProperties any              `json:"additionalProperties"`
	order                []string         // of the properties, as in the file
}

// UnmarshalJSON keeps the order of properties, which is that of the table in README.md.
func (s *node) UnmarshalJSON(text []byte) error {
	type plain node
	if err := json.Unmarshal(text, (*plain)(s)); err != nil {
		return err
	}
	var parts struct{ Properties json.RawMessage }
	if err := json.Unmarshal(text, &parts); err != nil || len(parts.Properties) == 0 {
		return err
	}
	decoder := json.NewDecoder(strings.NewReader(string(parts.Properties)))
	if _, err := decoder.Token(); err != nil {
		return err
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return err
		}
		s.order = append(s.order, key.(string))
		if err := decoder.Decode(&json.RawMessage{}); err != nil {
			return err
		}
	}
	return nil
}

// value is one value of the chart.
type value struct {
	path []string
	node
}

func (v value) name() string { return strings.Join(v.path, ".") }

func (v value) definition() string { return strings.TrimPrefix(v.Ref, "#/definitions/") }

// values are those that the schema lists, in its order.
func values(t testing.TB) []value {
	t.Helper()
	text, err := os.ReadFile(chartDir + "/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var root node
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	var list []value
	var walk func(path []string, s *node)
	walk = func(path []string, s *node) {
		if s.Properties == nil {
			list = append(list, value{slices.Clone(path), *s})
		}
		for _, key := range s.order {
			walk(append(path, key), s.Properties[key])
		}
	}
	walk(nil, &root)
	return list
}

// noEffect are the values that change nothing, with the reason.
func noEffect(t testing.TB) map[string]string {
	t.Helper()
	reasons := map[string]string{}
	for name, about := range readYAML(t, chartDir+"/files/no-effect.yaml") {
		reasons[name] = about.(map[string]any)["why"].(string)
	}
	return reasons
}

// hasNoEffect tells whether a value, or what it is part of, is among them.
func hasNoEffect(reasons map[string]string, name string) bool {
	for listed := range reasons {
		if name == listed || strings.HasPrefix(name, listed+".") {
			return true
		}
	}
	return false
}

// defaultOf is the value in values.yaml, and whether there is one.
func defaultOf(t testing.TB, path []string) (any, bool) {
	t.Helper()
	found, is, err := unstructured.NestedFieldNoCopy(ourChart(t).Values, path...)
	if err != nil {
		t.Fatal(err)
	}
	return found, is
}

// with is a copy of values in which one is another.
func with(base map[string]any, path []string, other any) map[string]any {
	changed := runtime.DeepCopyJSON(base)
	if changed == nil {
		changed = map[string]any{}
	}
	at := changed
	for _, key := range path[:len(path)-1] {
		next, is := at[key].(map[string]any)
		if !is {
			next = map[string]any{}
			at[key] = next
		}
		at = next
	}
	at[path[len(path)-1]] = other
	return changed
}

// others are values of the right type that are not the default.
func (v value) others(t testing.TB) []any {
	t.Helper()
	if len(v.Examples) > 0 {
		return v.Examples
	}
	now, _ := defaultOf(t, v.path)
	switch v.definition() {
	case "bool":
		return []any{true, false}
	case "number", "percent":
		n, _ := now.(float64)
		return []any{n + 3}
	case "text", "textOrNothing", "scalar":
		return []any{"other"}
	case "texts":
		return []any{map[string]any{"example": "other"}}
	}
	t.Fatalf("%s: the schema has no example of a %s", v.name(), v.definition())
	return nil
}

// everything has each switch on that does not exclude another, so that what it switches is there.
var everything = map[string]any{
	"controller": map[string]any{
		"networkPolicy": map[string]any{"enabled": true},
		"hostPort":      map[string]any{"enabled": true},
		"replicaCount":  2.0,
		"service": map[string]any{
			"type":     "LoadBalancer",
			"internal": map[string]any{"enabled": true, "annotations": map[string]any{"internal": "true"}},
		},
		"metrics": map[string]any{
			"enabled":        true,
			"service":        map[string]any{"type": "NodePort"},
			"serviceMonitor": map[string]any{"enabled": true},
			"prometheusRule": map[string]any{"enabled": true, "defaultRules": map[string]any{"enabled": true}},
			"dashboards":     map[string]any{"enabled": true},
		},
	},
	"defaultBackend": map[string]any{"enabled": true, "replicaCount": 2.0, "networkPolicy": map[string]any{"enabled": true}},
	"tcp":            map[string]any{"5432": "database/postgres:5432"},
	"udp":            map[string]any{"53": "kube-system/kube-dns:53"},
}

// TestEachValueHasAnEffect changes one value after the other and wants the rendering to change, in one of the examples at
// least, or to be refused. Values that do nothing are in files/no-effect.yaml, and nothing else is.
func TestEachValueHasAnEffect(t *testing.T) {
	t.Parallel()
	contexts := append([]example{{"everything", installation{values: everything}}}, examples(t)...)
	before := make([]string, len(contexts))
	for i, c := range contexts {
		before[i] = render(t, c.installation).text(t)
	}
	reasons := noEffect(t)
	for _, v := range values(t) {
		if hasNoEffect(reasons, v.name()) || v.name() == "enabled" { // the condition of a parent chart
			continue
		}
		if v.Description == "" {
			t.Errorf("%s has no description and is not among the values without effect", v.name())
		}
		effect := false
		for i, c := range contexts {
			for _, other := range v.others(t) {
				c.values = with(contexts[i].values, v.path, other)
				r, err := c.render()
				if err != nil && !strings.Contains(err.Error(), "refusals.yaml") {
					t.Errorf("%s: %v in %s: %v", v.name(), other, c.name, err)
				}
				effect = effect || err != nil || r.text(t) != before[i]
			}
			if effect {
				break
			}
		}
		if !effect {
			t.Errorf("%s has no effect in any example", v.name())
		}
	}
}

// TestValuesWithoutEffectHaveNone is the other side, and wants the notes to name what is set.
func TestValuesWithoutEffectHaveNone(t *testing.T) {
	plain := render(t, installation{values: map[string]any{}})
	for name, about := range readYAML(t, chartDir+"/files/no-effect.yaml") {
		set := about.(map[string]any)["when"]
		if set == nil {
			set = name
		}
		r := render(t, installation{values: with(nil, strings.Split(set.(string), "."), true)})
		if got := golden(t, rendering{objects: r.objects}, rendering{objects: plain.objects}); got != "" {
			t.Errorf("%s has an effect:\n%s", set, got)
		}
		if want := fmt.Sprintf("%s has no effect: ", set); !strings.Contains(r.notes, want) {
			t.Errorf("the notes do not say %q:\n%s", want, r.notes)
		}
	}
}

// TestNullIsNothing sets each value to null, as an empty line of a file does: Helm takes its default away. What cannot do
// without is said by name.
func TestNullIsNothing(t *testing.T) {
	t.Parallel()
	for _, v := range values(t) {
		if _, is := defaultOf(t, v.path); !is {
			continue
		}
		r, err := installation{values: with(everything, v.path, nil)}.render()
		if err != nil {
			if !strings.Contains(err.Error(), "missing property '"+v.path[len(v.path)-1]+"'") {
				t.Errorf("%s: %v", v.name(), err)
			}
			continue
		}
		for line := range strings.Lines(r.text(t)) {
			if strings.Contains(line, "<nil>") || strings.Contains(line, "<no value>") {
				t.Errorf("%s: null is printed: %s", v.name(), line)
			}
		}
		checkTypes(t, r)
	}
}

// TestTheSchemaHasAllDefaults finds values that are in values.yaml only.
func TestTheSchemaHasAllDefaults(t *testing.T) {
	known := map[string]bool{}
	for _, v := range values(t) {
		known[v.name()] = true
	}
	var walk func(path []string, at any)
	walk = func(path []string, at any) {
		if known[strings.Join(path, ".")] {
			return
		}
		children, is := at.(map[string]any)
		if !is {
			t.Errorf("%s is not in values.schema.json", strings.Join(path, "."))
		}
		for key, child := range children {
			walk(append(slices.Clone(path), key), child)
		}
	}
	walk(nil, ourChart(t).Values)
}

// TestTemplatesUseValuesThatExist finds names in templates that no value has: they are nothing, without an error.
func TestTemplatesUseValuesThatExist(t *testing.T) {
	known := map[string]bool{}
	for _, v := range values(t) {
		for i := range v.path {
			known[strings.Join(v.path[:i+1], ".")] = true
		}
	}
	// Templates call two parts of the values by names of their own.
	begins := map[string]string{".Values": "", "$controller": "controller.", "$backend": "defaultBackend."}
	used := regexp.MustCompile(`(\.Values|\$controller|\$backend)\.(\w+(?:\.\w+)*)`)
	for _, template := range ourChart(t).Templates {
		for _, found := range used.FindAllStringSubmatch(string(template.Data), -1) {
			if name := begins[found[1]] + found[2]; !known[name] {
				t.Errorf("%s uses %s, which is not in values.schema.json", template.Name, name)
			}
		}
	}
}

// TestNamesOfIngressNginxExist wants each value of ingress-nginx's chart to be known, for what it means or as one
// without effect.
func TestNamesOfIngressNginxExist(t *testing.T) {
	text, err := os.ReadFile("testdata/ingress-nginx-4.15.1-values.txt")
	if err != nil {
		t.Fatal(err)
	}
	known, reasons := values(t), noEffect(t)
	for _, name := range strings.Fields(string(text)) {
		if !slices.ContainsFunc(known, func(v value) bool { return v.holds(name) }) && !hasNoEffect(reasons, name) {
			t.Errorf("%s is a value of ingress-nginx's chart", name)
		}
	}
}

// holds tells whether a name is that of the value, or of something in it that is passed on as it is.
func (v value) holds(name string) bool {
	open := slices.Contains([]string{"object", "ports", "texts"}, v.definition())
	return name == v.name() || open && strings.HasPrefix(name, v.name()+".")
}

func TestTypingErrorsAreFound(t *testing.T) {
	for _, test := range []struct {
		path  string
		value any
		want  string
	}{
		{"controler", map[string]any{}, "'controler' not allowed"},
		{"controller.replicas", 3.0, "'replicas' not allowed"},
		{"controller.service.internal.anotations", map[string]any{}, "'anotations' not allowed"},
		{"controller.metrics.serviceMonitor.interval", "10s", "'interval' not allowed"},
		{"defaultBackend.image.name", "x", "'name' not allowed"},
		{"controller.kind", "StatefulSet", "'Deployment', 'DaemonSet'"},
		{"controller.hostNetwork", "no", "want null or boolean"},
		{"controller.replicaCount", "many", "does not match pattern"},
		{"controller.config", map[string]any{"server-tokens": map[string]any{}}, "/controller/config"},
		{"controller.tolerations", map[string]any{"key": "x"}, "/controller/tolerations"},
	} {
		_, err := installation{values: with(nil, strings.Split(test.path, "."), test.value)}.render()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v gives %v, not %q", test.path, test.value, err, test.want)
		}
	}
}

// TestOtherTypesThatPeopleUse has values that ingress-nginx's chart takes in more than one type.
func TestOtherTypesThatPeopleUse(t *testing.T) {
	for _, test := range []struct {
		path  string
		value any
	}{
		{"controller.replicaCount", "3"},
		{"controller.service.nodePorts.http", "30080"},
		{"controller.minAvailable", "50%"},
		{"controller.topologySpreadConstraints", map[string]any{}},
		{"controller.hostname", map[string]any{}},
		{"controller.hostname", "edge"},
		{"controller.containerPort.http", "8080"},
		{"controller.service.targetPorts.http", 8080.0},
		{"defaultBackend.image.tag", 1.5},
		{"global.storageClass", "of another chart"},
		{"enabled", true},
	} {
		r, err := installation{values: with(everything, strings.Split(test.path, "."), test.value)}.render()
		if err != nil {
			t.Errorf("%s: %v: %v", test.path, test.value, err)
			continue
		}
		checkTypes(t, r)
	}
}
