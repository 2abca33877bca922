package metrics

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/persistent"
)

func use(host, secret string, expires int64) translate.CertificateUse {
	return translate.CertificateUse{Host: host, Secret: cluster.Name{Namespace: "shop", Name: secret}, NotAfter: time.Unix(expires, 0)}
}

// series are those of a metric, by the values of all labels.
func series(t *testing.T, m *Metrics, name string) map[string]float64 {
	t.Helper()
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, one := range family.GetMetric() {
			var labels []string
			for _, label := range one.GetLabel() {
				if name := label.GetName(); name != "class" && !strings.HasPrefix(name, "controller_") { // of the replica
					labels = append(labels, label.GetValue())
				}
			}
			all[strings.Join(labels, " ")] = one.GetGauge().GetValue() + one.GetCounter().GetValue()
		}
	}
	return all
}

// Whatever was told before, the metrics tell of the certificates of the last plan, and of no other.
func TestCertificatesExpire(t *testing.T) {
	m := New(Identity{})
	for _, now := range [][]translate.CertificateUse{
		{use("a", "one", 1), use("c", "one", 1)},
		{use("a", "one", 1), use("b", "two", 2), use("c", "one", 1)},
		{use("a", "two", 2), use("b", "two", 3), use("d", "one", 1)},
		{use("0", "x", 9), use("d", "one", 1), use("e", "x", 9)},
		nil,
		{use("z", "x", 1)},
	} {
		uses := map[string]translate.CertificateUse{}
		want := map[string]float64{}
		for _, c := range now {
			uses[c.Host] = c
			want[c.Host+" "+c.Secret.Namespace+" "+c.Secret.Name] = float64(c.NotAfter.Unix())
		}
		m.Planned(controller.Plan{Certificates: persistent.Of(uses)}, 0)
		if got := series(t, m, "nginx_ingress_controller_ssl_expire_time_seconds"); !maps.Equal(got, want) {
			t.Errorf("the metric is %v, want %v", got, want)
		}
	}
}

func TestCausesAreBounded(t *testing.T) {
	m := New(Identity{})
	for n := range mostBlamed + 10 {
		m.Reloading([]controller.Cause{{Object: "Ingress shop/" + strings.Repeat("x", n), Field: "spec"}})
	}
	got := series(t, m, "sluice_reload_causes_total")
	if len(got) != mostBlamed+1 || got[" others"] != 10 {
		t.Errorf("there are %d series, and %v others", len(got), got[" others"])
	}
}
