package cluster

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

// FuzzDecode holds that whatever a file contains, reading it ends, says the same twice, and lets through
// only objects whose names can become part of identifiers.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "---", "...", "{", "null", "- a\n- b", "a: &a [*a]", "a: &a {<<: *a}", "{}{}", "? a\n: b", "\ufeff--- x\r\n...\r\n", "%YAML 1.1\n---\n!!set {a}",
		cm("a") + "---\n" + cm("a"), jsonCM("a") + jsonCM("b") + "[", ingress + fmt.Sprintf(rule, "web", "{number: 80}"),
		"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: a}, data: {a: '!'}, stringData: {b: 5}}\n",
		"apiVersion: networking.k8s.io/v1\nkind: IngressList\nitems: [{metadata: {name: a}, spec: {rules: [{http: {paths: [{backend: {service: {}}}]}}]}}]\n",
		"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a, annotations: {a: true}}\nendpoints: [{addresses: [10.0.0.1]}]\n",
		"apiVersion: v1\nkind: Service\nmetadata: {name: a, name: b}\nspec: {ports: [{port: 80, targetPort: true}], ports: {}}\n",
		"apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata:\n  name: {{ .Values.name }}\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		objs, notes := Decode("f.yaml", data)
		again, notesAgain := Decode("f.yaml", data)
		if !reflect.DeepEqual(objs, again) || !reflect.DeepEqual(notes, notesAgain) {
			t.Fatal("the same file reads differently")
		}
		last := strings.Count(string(data), "\n") + 1
		for _, n := range notes {
			if n.Line < 1 || n.Line > last || n.Message != printable(n.Message) || n.Object != printable(n.Object) || n.Field != printable(n.Field) {
				t.Errorf("note %+v", n)
			}
			if n.Message == "makes the parser fail" {
				t.Errorf("panic on %q", data)
			}
		}
		for _, p := range objs.all() {
			if NameOf(p.object) != p.key.name || len(validation.IsDNS1123Subdomain(p.object.GetName())) > 0 {
				t.Errorf("object %v", p.key)
			}
		}
		kept := Keep(objs, Objects{[]file{{name: "f.yaml", failed: true}}})
		if !reflect.DeepEqual(FromObjects(kept), FromObjects(objs)) {
			t.Error("not all is kept of a file that cannot be read")
		}
	})
}
