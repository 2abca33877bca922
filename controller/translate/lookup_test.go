package translate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/test/golden"
)

// A ConfigMap that an annotation refers to counts as it is, though the Ingress stays the same.
func TestConfigMapsOfAnnotationsAreSeenToChange(t *testing.T) {
	c := golden.Load(t, "../../annotations/testdata/custom-headers.txtar")
	c.Options.Translate.Memory = translate.NewMemory()
	fixed, _ := cluster.Decode("fixed.yaml", []byte(ingress("nginx.ingress.kubernetes.io/custom-headers: changing", "echo")))
	c.Objects = c.Objects.Merge(fixed)
	m := manifests{c: c}
	headers := func(data string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: changing, namespace: shop}\ndata: " + data + "\n"
	}
	for n, step := range []struct {
		yaml   string
		want   string // the header
		denied bool
	}{
		{"", "", true},
		{headers("{X-One: a}"), "X-One: a", false},
		{headers("{X-One: b}"), "X-One: b", false},
		{headers("{X-Other: b}"), "", true},
		{headers("{}"), "", false},
		{"", "", true},
	} {
		servers := m.next(t, step.yaml).Config.Servers
		l := servers[slices.IndexFunc(servers, func(s *nginx.Server) bool { return s.Name == "web.example.com" })].Locations[0]
		got := ""
		for _, d := range l.Body {
			if d.Name == "more_set_headers" {
				got = d.Args[0].Value()
			}
		}
		if got != step.want || l.Denied != step.denied {
			t.Errorf("step %d: the header is %q, denied %v, want %q, %v", n, got, l.Denied, step.want, step.denied)
		}
	}
}

// The same holds for those that the controller's own ConfigMap refers to.
func TestConfigMapsOfTheControllerAreSeenToChange(t *testing.T) {
	c := golden.Load(t, "../../annotations/testdata/configmap-headers-bad.txtar")
	c.Options.Translate.Memory = translate.NewMemory()
	m := manifests{c: c}
	for n, data := range []string{"", "{X-One: a}", "{X-One: b}", "{}", ""} {
		yaml, want := "", ""
		if data != "" {
			yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: none, namespace: ingress-nginx}\ndata: " + data + "\n"
		}
		if one, is := strings.CutPrefix(data, "{X-One: "); is {
			want = "X-One: " + strings.TrimSuffix(one, "}")
		}
		got := ""
		for _, d := range m.next(t, yaml).Config.HTTP.Answers {
			if d.Name == "more_set_headers" {
				got += d.Args[0].Value()
			}
		}
		if got != want {
			t.Errorf("step %d: the header is %q, want %q", n, got, want)
		}
	}
}
