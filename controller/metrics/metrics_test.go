package metrics

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"maps"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/persistent"
)

func use(host, secret string, expires int64) translate.CertificateUse {
	leaf := &x509.Certificate{
		NotAfter: time.Unix(expires, 0), SerialNumber: big.NewInt(expires), PublicKeyAlgorithm: x509.ECDSA,
		Issuer: pkix.Name{CommonName: "CA of " + secret, Organization: []string{"O\xff", "Other"}, SerialNumber: "7"},
	}
	return translate.CertificateUse{Host: host, Secret: cluster.Name{Namespace: "shop", Name: secret}, Leaf: leaf}
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
		want, info := map[string]float64{}, map[string]float64{}
		for _, c := range now {
			uses[c.Host] = c
			serial := c.Leaf.SerialNumber.String()
			want[c.Host+" 7-"+serial+" shop "+c.Secret.Name] = float64(c.Leaf.NotAfter.Unix())
			info[c.Host+" 7-"+serial+" CA of "+c.Secret.Name+" O\uFFFD shop ECDSA "+c.Secret.Name+" "+serial] = 1
		}
		m.Planned(controller.Plan{Certificates: persistent.Of(uses)}, 0)
		if got := series(t, m, "nginx_ingress_controller_ssl_expire_time_seconds"); !maps.Equal(got, want) {
			t.Errorf("the metric is %v, want %v", got, want)
		}
		if got := series(t, m, "nginx_ingress_controller_ssl_certificate_info"); !maps.Equal(got, info) {
			t.Errorf("the information is %v, want %v", got, info)
		}
	}
}

// As in ingress-nginx, when certificates expire is told by the leader alone, and what they say by every replica. Without an
// election everybody tells.
func TestTheLeaderTellsWhenCertificatesExpire(t *testing.T) {
	m := New(Identity{})
	m.Planned(controller.Plan{Certificates: persistent.Of(map[string]translate.CertificateUse{"a": use("a", "one", 1)})}, 0)
	for _, step := range []struct {
		elect func()
		want  int
	}{
		{func() {}, 1},
		{func() { m.Leads("lease", false) }, 0},
		{func() { m.Leads("lease", true) }, 1},
		{func() { m.Leads("lease", false) }, 0},
	} {
		step.elect()
		if got := len(series(t, m, "nginx_ingress_controller_ssl_expire_time_seconds")); got != step.want {
			t.Errorf("%d series tell when, want %d", got, step.want)
		}
		if got := len(series(t, m, "nginx_ingress_controller_ssl_certificate_info")); got != 1 {
			t.Errorf("%d series say what", got)
		}
	}
}

func TestOfCertificatesThoseThatExpireFirstHaveSeries(t *testing.T) {
	uses := map[string]translate.CertificateUse{}
	for n := range mostCertificates + 10 {
		host := strconv.Itoa(n)
		uses[host] = use(host, "one", int64(n))
	}
	m := New(Identity{})
	m.Planned(controller.Plan{Certificates: persistent.Of(uses)}, 0)
	got := series(t, m, "nginx_ingress_controller_ssl_expire_time_seconds")
	last := strconv.Itoa(mostCertificates - 1)
	if _, has := got[last+" 7-"+last+" shop one"]; len(got) != mostCertificates || !has {
		t.Errorf("there are %d series, the last to have one: %t", len(got), has)
	}
}

func problem(name string, reason translate.Reason) translate.Problem {
	return translate.Problem{Object: translate.Object{Kind: "Ingress", Namespace: "shop", Name: name}, Reason: reason}
}

func ingressNamed(name string) *networkingv1.Ingress {
	return &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
}

func TestOrphans(t *testing.T) {
	m := New(Identity{})
	const name = "nginx_ingress_controller_orphan_ingress"
	p := controller.Plan{
		Claimed:  []*networkingv1.Ingress{ingressNamed("both"), ingressNamed("fine"), ingressNamed("port")},
		Problems: translate.Problems{problem("both", translate.MissingService), problem("both", translate.NoEndpoints), problem("fine", translate.UnusedCanary), problem("port", translate.MissingPort), problem("foreign", translate.MissingService)},
	}
	m.Planned(p, 0)
	want := map[string]float64{
		"both shop no-service": 1, "both shop no-endpoint": 1, "fine shop no-service": 0, "fine shop no-endpoint": 0,
		"port shop no-service": 0, "port shop no-endpoint": 1,
	}
	if got := series(t, m, name); !maps.Equal(got, want) {
		t.Errorf("orphans are %v, want %v", got, want)
	}
	p.Claimed = p.Claimed[1:]
	m.Planned(p, 0)
	if got := series(t, m, name); len(got) != 4 {
		t.Errorf("one that is gone has series: %v", got)
	}
	for n := range mostOrphans {
		p.Claimed = append(p.Claimed, ingressNamed(strconv.Itoa(n)))
	}
	m.Planned(p, 0)
	if got := series(t, m, name); len(got) != 2 || got["port shop no-endpoint"] != 1 {
		t.Errorf("with many Ingresses there are %d series, not those of the orphan", len(got))
	}
}

// What is told of the configuration follows what NGINX runs.
func TestConfiguration(t *testing.T) {
	m := New(Identity{})
	now, live := time.Unix(1000, 0), ""
	m.configuration.now = func() time.Time { return now }
	m.AskEngine(func() Engine { return Engine{Generation: live, Old: 2} })
	const a, b = "00000000000010000000000000000000", "0000000000002fffffffffffffffffff"
	plan := func(generation string) { m.Planned(controller.Plan{Files: nginx.Files{Generation: generation}}, 0) }
	for _, step := range []struct {
		name                string
		do                  func()
		hash, good, pending float64
	}{
		{"nothing", func() {}, 0, 0, 0},
		{"planned", func() { plan(a); now = now.Add(5 * time.Second) }, 0, 0, 5},
		{"live", func() { live = a; m.Reloaded("start", 0, nil) }, 1, 1, 0},
		{"another planned", func() { plan(b); now = now.Add(3 * time.Second) }, 1, 1, 3},
		{"refused", func() { m.Failed("test"); now = now.Add(time.Second) }, 0, 0, 4},
		{"whose fault it was is known", func() { plan(a) }, 1, 1, 0},
		{"a reload fails", func() { plan(b); m.Failed("reload") }, 0, 0, 0},
		{"it works", func() { live = b; m.Reloaded("hosts", 0, nil) }, 2, 1, 0},
		{"a push fails", func() { m.Failed("push") }, 2, 1, 0},
		{"the data plane is away", func() { live = ""; now = now.Add(time.Second) }, 0, 1, 1},
	} {
		step.do()
		one := func(name string) float64 { return series(t, m, name)[""] }
		got := []float64{one("nginx_ingress_controller_config_hash"), one("nginx_ingress_controller_config_last_reload_successful"), one("sluice_config_pending_seconds"), one("sluice_old_worker_generations")}
		if diff := cmp.Diff([]float64{step.hash, step.good, step.pending, 2}, got); diff != "" {
			t.Errorf("%s: hash, success, pending, old (-want +got):\n%s", step.name, diff)
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
