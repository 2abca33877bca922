//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// askFrom asks an echo pod by an address from an address, over a connection of its own.
func (c cluster) askFrom(from, address string) (answer map[string]any, err error) {
	dialer := net.Dialer{Timeout: time.Second}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	transport := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Get("http://" + address + "/")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return answer, json.NewDecoder(response.Body).Decode(&answer)
}

// wantAll wants all of the pods, and nobody else, to answer at an address.
func (c cluster) wantAll(address string, pods []string) {
	c.Helper()
	seen := map[string]bool{}
	suite.Within(c, soon, func() error {
		answer, err := c.askFrom("", address)
		if err != nil {
			return err
		}
		seen[answer["address"].(string)] = true
		if len(seen) < len(pods) {
			return fmt.Errorf("only these answer at %s: %v", address, seen)
		}
		return nil
	})
	for pod := range seen {
		if !slices.Contains(pods, pod) {
			c.Errorf("%s answers at %s; the endpoints are %v", pod, address, pods)
		}
	}
}

func (c cluster) service(name string) *corev1.Service {
	c.Helper()
	service, err := suite.Client(c).CoreV1().Services(c.namespace).Get(c.Context(), name, metav1.GetOptions{})
	if err != nil {
		c.Fatal(err)
	}
	return service
}

func TestAServiceAnswersAtItsAddressesByItsReadyEndpoints(t *testing.T) {
	suite.Control(t)
	c := newCluster(t)
	suite.Apply(t, c.namespace, echo)
	pods := c.waitReady(3)
	clusterIP := c.service("echo").Spec.ClusterIP
	c.wantAll(clusterIP+":80", pods)

	suite.Apply(t, c.namespace, `
apiVersion: v1
kind: Service
metadata: {name: echo}
spec: {type: LoadBalancer, externalIPs: [10.0.1.200], selector: {app: echo}, ports: [{name: web, port: 80, targetPort: http}]}
`)
	balancer := suite.WaitLoadBalancer(t, c.namespace, "echo", soon)
	if !strings.HasPrefix(balancer, "10.0.1.") {
		t.Errorf("the load balancer's address is %s", balancer)
	}
	for _, address := range []string{balancer + ":80", "10.0.1.200:80", fmt.Sprintf("10.0.0.11:%d", c.service("echo").Spec.Ports[0].NodePort)} {
		c.wantAll(address, pods)
	}

	// A connection outlives its place among the endpoints; new ones go elsewhere.
	kept, err := net.Dial("tcp", clusterIP+":80")
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	for _, pod := range pods {
		if _, err := c.ask(pod, "/unready"); err != nil {
			t.Fatal(err)
		}
	}
	c.refused(clusterIP + ":80")
	if _, err := io.WriteString(kept, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(kept); err != nil || !strings.HasPrefix(string(text), "HTTP/1.0 200") {
		t.Errorf("the connection from before: %.80q, %v", text, err)
	}
}

// refused waits until nobody listens at an address.
func (c cluster) refused(address string) {
	c.Helper()
	suite.Within(c, soon, func() error {
		if _, err := c.askFrom("", address); !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("connecting to %s gives %v", address, err)
		}
		return nil
	})
}

func TestALoadBalancersAddressIsTakenBackAndReused(t *testing.T) {
	suite.Control(t)
	c := newCluster(t)
	suite.Apply(t, c.namespace, echo)
	c.waitReady(3)
	set := func(kind string) {
		t.Helper()
		patch := fmt.Appendf(nil, `{"spec": {"type": %q, "loadBalancerIP": "10.0.1.77"}}`, kind)
		if _, err := suite.Client(t).CoreV1().Services(c.namespace).Patch(t.Context(), "echo", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		set("LoadBalancer")
		if got := suite.WaitLoadBalancer(t, c.namespace, "echo", soon); got != "10.0.1.77" {
			t.Errorf("the address is %s, not the one that was asked for", got)
		}
		c.wantAll("10.0.1.77:80", c.waitReady(3))
		set("ClusterIP")
		c.refused("10.0.1.77:80")
		suite.Within(t, soon, func() error {
			if has := c.service("echo").Status.LoadBalancer.Ingress; len(has) > 0 {
				return fmt.Errorf("it still has %v", has)
			}
			return nil
		})
	}
}

func TestAFailureToConnectIsNotHidden(t *testing.T) {
	suite.Control(t)
	c := newCluster(t)
	// Nobody listens at one of the two endpoints. Half of the connections fail, and no other endpoint is tried.
	suite.Apply(t, c.namespace, echo)
	alive := c.waitReady(3)[0]
	suite.Apply(t, c.namespace, fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: half}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: half, labels: {kubernetes.io/service-name: half}}
addressType: IPv4
ports: [{name: "", port: 8080}]
endpoints: [{addresses: [%s]}, {addresses: [10.244.1.254]}]
`, alive))
	address := c.service("half").Spec.ClusterIP + ":80"
	c.wantAll(address, []string{alive})
	good, bad := 0, 0
	for range 100 {
		switch _, err := c.askFrom("", address); {
		case err == nil:
			good++
		case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF): // who writes first takes the error
			bad++
		default:
			t.Errorf("neither an answer nor a reset: %v", err)
		}
	}
	if good < 20 || bad < 20 {
		t.Errorf("%d of 100 were answered and %d reset", good, bad)
	}
}

func TestTheClientsAddressIsKeptWhereItWouldBe(t *testing.T) {
	suite.Control(t)
	c := newCluster(t)
	suite.Apply(t, c.namespace, echo)
	c.waitReady(3)
	balanced := func(policy string) string {
		t.Helper()
		suite.Apply(t, c.namespace, fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec: {type: LoadBalancer, externalTrafficPolicy: %[2]s, selector: {app: echo}, ports: [{name: web, port: 80, targetPort: http}]}
`, strings.ToLower(policy), policy))
		return suite.WaitLoadBalancer(t, c.namespace, strings.ToLower(policy), soon) + ":80"
	}
	for address, kept := range map[string]bool{balanced("Local"): true, balanced("Cluster"): false, c.service("echo").Spec.ClusterIP + ":80": true} {
		suite.Within(t, soon, func() error {
			answer, err := c.askFrom("10.0.0.99", address)
			if err != nil {
				return err
			}
			if client := answer["client"].(string); strings.HasPrefix(client, "10.0.0.99:") != kept {
				t.Errorf("at %s the client was %s", address, client)
			}
			return nil
		})
	}
}

func TestPodsReachServicesByName(t *testing.T) {
	suite.Control(t)
	c := newCluster(t)
	suite.Apply(t, c.namespace, echo)
	suite.Apply(t, c.namespace, `
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, selector: {app: echo}, ports: [{port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere}
spec: {type: ExternalName, externalName: example.com}
`)
	c.waitReady(3)
	c.runJob("caller", fmt.Sprintf(`
		set -e
		curl -sf --max-time 5 http://echo/
		curl -sf --max-time 5 http://echo.%s.svc.cluster.local/
		curl -sf --max-time 5 http://headless:8080/`, c.namespace))
}

func TestNames(t *testing.T) {
	suite.Control(t)
	c := newCluster(t)
	suite.Apply(t, c.namespace, echo)
	suite.Apply(t, c.namespace, `
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, selector: {app: echo}, ports: [{port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere}
spec: {type: ExternalName, externalName: www.example.com}
`)
	pods := c.waitReady(3)
	for _, network := range []string{"udp", "tcp"} {
		resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, "10.96.0.10:53")
		}}
		for name, want := range map[string][]string{"echo": {c.service("echo").Spec.ClusterIP}, "headless": pods} {
			suite.Within(t, soon, func() error {
				got, err := resolver.LookupHost(t.Context(), name+"."+c.namespace+".svc.cluster.local.")
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					return fmt.Errorf("%s is %v, %w; want %v", name, got, err, want)
				}
				return nil
			})
		}
		if alias, err := resolver.LookupCNAME(t.Context(), "elsewhere."+c.namespace+".svc.cluster.local."); alias != "www.example.com." {
			t.Errorf("the alias is %q, %v", alias, err)
		}
		var failure *net.DNSError
		if got, err := resolver.LookupHost(t.Context(), "nobody."+c.namespace+".svc.cluster.local."); !errors.As(err, &failure) || !failure.IsNotFound {
			t.Errorf("a Service that is not there: %v, %v", got, err)
		}
		if got, err := resolver.LookupHost(t.Context(), "example.com."); !errors.As(err, &failure) || failure.IsNotFound {
			t.Errorf("a name that is not the cluster's: %v, %v", got, err)
		}
	}
}

func TestPacketsOfAServiceAreForwardedBothWays(t *testing.T) {
	suite.Control(t)
	c := newCluster(t)
	const endpoint = "10.244.201.1"
	socket, err := net.ListenPacket("udp", endpoint+":5000")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	go func() {
		packet := make([]byte, 100)
		for {
			n, from, err := socket.ReadFrom(packet)
			if err != nil {
				return
			}
			_, _ = socket.WriteTo(append([]byte("you said "), packet[:n]...), from)
		}
	}()
	suite.Apply(t, c.namespace, `
apiVersion: v1
kind: Service
metadata: {name: packets}
spec: {ports: [{port: 53, protocol: UDP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: packets, labels: {kubernetes.io/service-name: packets}}
addressType: IPv4
ports: [{name: "", port: 5000, protocol: UDP}]
endpoints: [{addresses: [`+endpoint+`]}]
`)
	client, err := net.Dial("udp", c.service("packets").Spec.ClusterIP+":53")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	answer := make([]byte, 100)
	suite.Within(t, soon, func() error {
		_, refused := client.Write([]byte("hello")) // also of the packet before
		if err := client.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		n, err := client.Read(answer)
		if string(answer[:n]) != "you said hello" {
			return fmt.Errorf("the answer is %q, %w", answer[:n], errors.Join(refused, err))
		}
		return nil
	})
}
