package status

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

func ip(text string) address { return address{IP: text} }

func host(text string) address { return address{Hostname: text} }

func TestAddressesOfFlags(t *testing.T) {
	for _, c := range []struct {
		list []string
		want []address // nil for an error
	}{
		{[]string{"203.0.113.9", " lb.example.com", "203.0.113.10 ", "203.0.113.9", ""}, []address{ip("203.0.113.10"), ip("203.0.113.9"), host("lb.example.com")}},
		{[]string{"2001:DB8:0::1"}, []address{ip("2001:db8::1")}},
		{[]string{"::ffff:203.0.113.9"}, []address{ip("203.0.113.9")}},
		{[]string{"203.0.113.9", "-"}, nil},
		{[]string{"fe80::1%eth0"}, nil},
		{[]string{"203.0.113.010"}, nil}, // the API takes it for an address, and some programs for another one
		{[]string{"203.0.113"}, nil},
		{[]string{"LB.example.com"}, nil},
		{[]string{"*.example.com"}, nil},
		{[]string{"lb.example.com:443"}, nil},
	} {
		got, err := parseAll(c.list)
		if diff := cmp.Diff(c.want, got); diff != "" || (err != nil) != (c.want == nil) {
			t.Errorf("%q: error %v\n%s", c.list, err, diff)
		}
	}
}

func TestAddressesOfService(t *testing.T) {
	balanced := func(entries ...corev1.LoadBalancerIngress) corev1.ServiceStatus {
		return corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: entries}}
	}
	for name, c := range map[string]struct {
		service corev1.Service
		want    []address
	}{
		"external name":          {service: corev1.Service{Spec: corev1.ServiceSpec{Type: "ExternalName", ExternalName: "lb.example.com."}}, want: []address{host("lb.example.com")}},
		"external name is an IP": {service: corev1.Service{Spec: corev1.ServiceSpec{Type: "ExternalName", ExternalName: "203.0.113.9"}}, want: []address{ip("203.0.113.9")}},
		"cluster IP":             {service: corev1.Service{Spec: corev1.ServiceSpec{Type: "ClusterIP", ClusterIP: "10.96.0.9", ExternalIPs: []string{"203.0.113.9"}}}, want: []address{ip("10.96.0.9")}},
		"headless":               {service: corev1.Service{Spec: corev1.ServiceSpec{Type: "ClusterIP", ClusterIP: "None"}}},
		"node port":              {service: corev1.Service{Spec: corev1.ServiceSpec{Type: "NodePort", ClusterIP: "10.96.0.9"}}, want: []address{ip("10.96.0.9")}},
		"node port, external": {
			service: corev1.Service{Spec: corev1.ServiceSpec{Type: "NodePort", ClusterIP: "10.96.0.9", ExternalIPs: []string{"203.0.113.9", "203.0.113.8"}}},
			want:    []address{ip("203.0.113.8"), ip("203.0.113.9")},
		},
		"load balancer": {
			service: corev1.Service{
				Spec: corev1.ServiceSpec{Type: "LoadBalancer", ClusterIP: "10.96.0.9", ExternalIPs: []string{"203.0.113.9", "203.0.113.7"}},
				Status: balanced(corev1.LoadBalancerIngress{IP: "203.0.113.9"}, corev1.LoadBalancerIngress{Hostname: "lb.example.com"},
					corev1.LoadBalancerIngress{Hostname: "both.example.com", IP: "203.0.113.5", Ports: []corev1.PortStatus{{Port: 80}}}, corev1.LoadBalancerIngress{}),
			},
			want: []address{ip("203.0.113.7"), ip("203.0.113.9"), {Hostname: "both.example.com", IP: "203.0.113.5"}, host("lb.example.com")},
		},
		"load balancer to come": {service: corev1.Service{Spec: corev1.ServiceSpec{Type: "LoadBalancer", ClusterIP: "10.96.0.9"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ofService(&c.service)
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("error %v\n%s", err, diff)
			}
		})
	}
	if _, err := ofService(&corev1.Service{Spec: corev1.ServiceSpec{Type: "ExternalName", ExternalName: "no_name"}}); err == nil {
		t.Error("no error for a name that the API refuses in a status")
	}
}

func TestAddressOfNode(t *testing.T) {
	both := node("both", "InternalIP", "10.0.0.1", "ExternalIP", "203.0.113.1", "ExternalIP", "2001:db8::1", "Hostname", "both")
	inside := node("inside", "Hostname", "inside", "InternalIP", "10.0.0.2", "InternalIP", "10.0.0.3")
	outside := node("outside", "ExternalIP", "203.0.113.4")
	for _, c := range []struct {
		node     *corev1.Node
		internal bool
		want     string
	}{
		{both, false, "203.0.113.1"}, {both, true, "10.0.0.1"},
		{inside, false, "10.0.0.2"}, {inside, true, "10.0.0.2"},
		{outside, false, "203.0.113.4"}, {outside, true, ""},
	} {
		if got := ofNode(c.node, c.internal); !equal(got, ip(c.want)) {
			t.Errorf("%s, internal %t: %v, want %q", c.node.Name, c.internal, got, c.want)
		}
	}
}

func TestOrderAndPortsMakeNoDifference(t *testing.T) {
	a, b := ip("203.0.113.1"), host("lb.example.com")
	ports := a
	ports.Ports = []networkingv1.IngressPortStatus{{Port: 80, Protocol: "TCP"}}
	for _, c := range []struct {
		one, other []address
		want       bool
	}{
		{nil, nil, true}, {nil, []address{}, true}, {[]address{a, b}, []address{b, a}, true}, {[]address{a, a}, []address{a}, true},
		{[]address{a}, []address{ports}, true}, {[]address{a}, []address{b}, false}, {[]address{a, b}, []address{a}, false}, {nil, []address{a}, false},
	} {
		if got := same(c.one, c.other); got != c.want {
			t.Errorf("%v and %v: %t", c.one, c.other, got)
		}
	}
}
