package cluster

import (
	"fmt"
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// load reads files and minds no notes.
func load(contents map[string]string) Objects {
	objs, _ := Load(files(contents))
	return objs
}

// withValue is a ConfigMap in which tests see which of several was taken.
func withValue(name, value string) string {
	return cm(name) + fmt.Sprintf("data: {v: %q}\n", value)
}

func values(objs Objects) map[string]string {
	found := map[string]string{}
	for _, o := range objs.Lists().ConfigMaps {
		found[o.Name] = o.Data["v"]
	}
	return found
}

func TestLaterDefinitionCounts(t *testing.T) {
	objs := load(map[string]string{
		"b.yaml": withValue("x", "b"),
		"a.yaml": withValue("x", "a") + "---\n" + withValue("w", "first") + "---\n" + withValue("w", "second"),
	})
	equal(t, "values", values(objs), map[string]string{"x": "b", "w": "second"})
	equal(t, "notes", texts(objs.Duplicates()), []string{
		"11: warning: ConfigMap default/w |  | defined in a.yaml, line 6, as well; the one here counts",
		"1: warning: ConfigMap default/x |  | defined in a.yaml, line 1, as well; the one here counts",
	})
	equal(t, "places", objs.Places(), map[string]Place{"ConfigMap default/x": {"b.yaml", 1}, "ConfigMap default/w": {"a.yaml", 11}})
}

func TestMerge(t *testing.T) {
	older := load(map[string]string{"a.yaml": withValue("x", "old"), "b.yaml": withValue("w", "old")})
	newer := load(map[string]string{"b.yaml": withValue("z", "new"), "c.yaml": withValue("x", "new")})
	merged := older.Merge(newer)
	equal(t, "values", values(merged), map[string]string{"x": "new", "z": "new"})
	if len(merged.Duplicates()) != 1 {
		t.Error(merged.Duplicates())
	}
	equal(t, "other way", values(newer.Merge(older)), map[string]string{"x": "new", "w": "old"})
	equal(t, "older is unchanged", values(older), map[string]string{"x": "old", "w": "old"})
	equal(t, "with nothing", values(Objects{}.Merge(older)), values(older))
}

func TestFromObjects(t *testing.T) {
	objs := load(map[string]string{"a.yaml": ingress + fmt.Sprintf(rule, "web", "{number: 80}") + `
--- {apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: nginx}, spec: {controller: k8s.io/ingress-nginx}}
--- {apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}}
--- {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}, addressType: IPv4}
--- {apiVersion: v1, kind: Secret, metadata: {name: tls, namespace: shop}}
--- {apiVersion: v1, kind: ConfigMap, metadata: {name: headers, namespace: shop}}
--- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
`})
	s := FromObjects(objs)
	if len(s.Ingresses) != 1 || s.Classes.At("nginx") == nil || s.Service("shop", "web") == nil || len(s.Slices("shop", "web")) != 1 ||
		s.Secret("shop", "tls") == nil || s.ConfigMap("shop", "headers") == nil || s.Namespace("shop") == nil {
		t.Errorf("%+v", s)
	}
	if (Snapshot{}).Service("shop", "web") != (*corev1.Service)(nil) {
		t.Error("lookup in nothing")
	}
}

func TestFilesInAnyOrder(t *testing.T) {
	a := load(map[string]string{"a.yaml": withValue("x", "a") + "---\n" + ingress, "b.yaml": withValue("x", "b"), "c.yaml": withValue("z", "c")})
	b := load(map[string]string{"c.yaml": withValue("z", "c")}).
		Merge(load(map[string]string{"b.yaml": withValue("x", "b")})).
		Merge(load(map[string]string{"a.yaml": withValue("x", "a") + "---\n" + ingress}))
	if !reflect.DeepEqual(FromObjects(a), FromObjects(b)) {
		t.Error("other order of reading, other Snapshot")
	}
}

func TestKeep(t *testing.T) {
	const broken = "a: ["
	const rejected = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: w}\ndata: {v: 5}\n"
	join := func(docs ...string) string {
		all := ""
		for _, doc := range docs {
			all += "---\n" + doc + "\n"
		}
		return all
	}
	x, w := withValue("x", "1"), withValue("w", "1")
	before := map[string]string{"a.yaml": join(x, w), "b.yaml": withValue("z", "1")}

	for _, test := range []struct {
		name string
		now  map[string]string
		want map[string]string
	}{
		{"nothing is wrong", before, map[string]string{"x": "1", "w": "1", "z": "1"}},
		{"one document is broken", map[string]string{"a.yaml": join(x, broken)}, map[string]string{"x": "1", "w": "1"}},
		{"one document is refused", map[string]string{"a.yaml": join(x, rejected)}, map[string]string{"x": "1", "w": "1"}},
		{"all of the file is broken", map[string]string{"a.yaml": broken}, map[string]string{"x": "1", "w": "1"}},
		{"the other document has changed", map[string]string{"a.yaml": join(withValue("x", "2"), broken)}, map[string]string{"x": "2", "w": "1"}},
		{"a document is gone", map[string]string{"a.yaml": join(x)}, map[string]string{"x": "1"}},
		{"a file is gone", map[string]string{"b.yaml": before["b.yaml"]}, map[string]string{"z": "1"}},
		{"another file is broken", map[string]string{"a.yaml": join(x), "b.yaml": broken}, map[string]string{"x": "1", "z": "1"}},
		{"the object has moved", map[string]string{"a.yaml": join(x, broken), "c.yaml": withValue("w", "2")}, map[string]string{"x": "1", "w": "2"}},
		{"a warning is no failure", map[string]string{"a.yaml": join(x + "unknown: 1\n")}, map[string]string{"x": "1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := load(test.now)
			want := values(now)
			kept := Keep(load(before), now)
			equal(t, "values", values(kept), test.want)
			equal(t, "now is unchanged", values(now), want)
			// It stays so for as long as the file does.
			equal(t, "values later", values(Keep(kept, load(test.now))), test.want)
			equal(t, "values at the end", values(Keep(kept, load(map[string]string{"a.yaml": x}))), map[string]string{"x": "1"})
		})
	}
}

func TestKeepTakesTheDefinitionThatCounted(t *testing.T) {
	before := load(map[string]string{"a.yaml": withValue("x", "1") + "---\n" + withValue("x", "2")})
	equal(t, "values", values(Keep(before, load(map[string]string{"a.yaml": "a: ["}))), map[string]string{"x": "2"})
}

// A path that was named and is missing is a mount that has gone or a file being replaced, not a wish.
func TestKeepWhatWasNamed(t *testing.T) {
	fsys := files(map[string]string{"dir/a.yaml": cm("a"), "dir/b.yaml": cm("b"), "dirt.yaml": cm("c")})
	before, _ := Load(fsys)
	now, _ := Load(files(nil), "dir")
	equal(t, "kept", readFrom(Keep(before, now)), []string{"dir/a.yaml ConfigMap default/a", "dir/b.yaml ConfigMap default/b"})
}
