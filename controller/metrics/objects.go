package metrics

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
)

// objects tells metrics of certificates, and of Ingresses without a backend. They are read off the last plan when somebody
// reads them: so they go with their objects.
type objects struct {
	expiry, info, orphans *prometheus.Desc

	follows atomic.Bool // another replica leads, or may
	plan    atomic.Pointer[controller.Plan]
}

const (
	// mostCertificates bounds the series of each metric of certificates: those that expire first have some.
	mostCertificates = 10000
	// mostOrphans bounds the Ingresses that have series of orphans. If there are more, only orphans have any.
	mostOrphans = 5000
	// longestLabel bounds the bytes of what others have written into a certificate.
	longestLabel = 200
)

// orphan are the two kinds of orphans, as ingress-nginx calls them.
const (
	noService = iota
	noEndpoint
	kindsOfOrphans
)

var kindNames = [kindsOfOrphans]string{noService: "no-service", noEndpoint: "no-endpoint"}

func newObjects(i Identity) *objects {
	class := prometheus.Labels{"class": i.Class}
	certificate := []string{"namespace", "host", "secret_name", "identifier"}
	return &objects{
		expiry: prometheus.NewDesc(compat+"_ssl_expire_time_seconds", "When the certificate of a host expires, unix time.", certificate, class),
		info: prometheus.NewDesc(compat+"_ssl_certificate_info", "What the certificate of a host says, as labels.",
			append(slices.Clip(certificate), "issuer_organization", "issuer_common_name", "serial_number", "public_key_algorithm"), class),
		orphans: prometheus.NewDesc(compat+"_orphan_ingress", "Whether an Ingress refers to a Service that does not exist, or has no endpoint.",
			[]string{"namespace", "ingress", "type"}, i.labels()),
	}
}

func (o *objects) planned(p controller.Plan) { o.plan.Store(&p) }

// Describe implements prometheus.Collector.
func (o *objects) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- o.expiry
	descriptions <- o.info
	descriptions <- o.orphans
}

// Collect implements prometheus.Collector.
func (o *objects) Collect(metrics chan<- prometheus.Metric) {
	p := o.plan.Load()
	if p == nil {
		return
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for _, use := range firstToExpire(p) {
		leaf, serial := use.Leaf, ""
		if leaf.SerialNumber != nil {
			serial = leaf.SerialNumber.String()
		}
		identifier := label(leaf.Issuer.SerialNumber + "-" + serial)
		if !o.follows.Load() { // as in ingress-nginx, so that one alert is one
			gauge(o.expiry, float64(leaf.NotAfter.Unix()), use.Secret.Namespace, use.Host, use.Secret.Name, identifier)
		}
		organization := ""
		if len(leaf.Issuer.Organization) > 0 {
			organization = leaf.Issuer.Organization[0]
		}
		gauge(o.info, 1, use.Secret.Namespace, use.Host, use.Secret.Name, identifier,
			label(organization), label(leaf.Issuer.CommonName), label(serial), leaf.PublicKeyAlgorithm.String())
	}
	found := orphansOf(p.Problems)
	told := 0
	for _, ingress := range p.Claimed {
		name := cluster.NameOf(ingress)
		is, isOne := found[name]
		if !isOne && len(p.Claimed) > mostOrphans {
			continue
		}
		if told++; told > mostOrphans {
			break
		}
		for kind, yes := range is {
			value := 0.0
			if yes {
				value = 1
			}
			gauge(o.orphans, value, name.Namespace, name.Name, kindNames[kind])
		}
	}
}

// orphansOf are the Ingresses that refer to a Service that does not exist, or that nobody answers for.
func orphansOf(problems translate.Problems) map[cluster.Name][kindsOfOrphans]bool {
	found := map[cluster.Name][kindsOfOrphans]bool{}
	for _, p := range problems {
		if p.Object.Kind != "Ingress" {
			continue
		}
		name := cluster.Name{Namespace: p.Object.Namespace, Name: p.Object.Name}
		is := found[name]
		switch p.Reason {
		case translate.MissingService:
			is[noService] = true
		case translate.NoEndpoints, translate.MissingPort, translate.BadExternalName, translate.ExternalNameDisabled:
			is[noEndpoint] = true
		default:
			continue
		}
		found[name] = is
	}
	return found
}

// firstToExpire are the certificates that have series.
func firstToExpire(p *controller.Plan) []translate.CertificateUse {
	list := make([]translate.CertificateUse, 0, p.Certificates.Len())
	for _, use := range p.Certificates.All() {
		list = append(list, use)
	}
	if len(list) <= mostCertificates {
		return list
	}
	slices.SortFunc(list, func(a, b translate.CertificateUse) int {
		return cmp.Or(a.Leaf.NotAfter.Compare(b.Leaf.NotAfter), cmp.Compare(a.Host, b.Host))
	})
	return list[:mostCertificates]
}

// label makes what others have written fit for a label.
func label(text string) string {
	if len(text) > longestLabel {
		text = text[:longestLabel]
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
