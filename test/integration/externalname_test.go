//go:build integration

package integration

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/vishvananda/netlink"

	"github.com/sluice-ingress/sluice/test/pods"
)

// inNetwork runs the rest of a test in a network namespace of its own, in which all of 10.244.0.0/16 is this
// machine but on no interface: names may lead there, while loopback and own addresses are refused.
func inNetwork(t *testing.T) bool {
	t.Helper()
	const inside = "SLUICE_TEST_IN_NETWORK"
	if os.Getenv(inside) == "" {
		run := "^" + t.Name() + "$"
		if _, part, is := strings.Cut(flag.Lookup("test.run").Value.String(), "/"); is {
			run += "/" + part
		}
		cmd := exec.Command("/proc/self/exe", "-test.run", run, "-test.v")
		cmd.Env = append(os.Environ(), inside+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Error(err)
		}
		return false
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		t.Fatal(err)
	}
	local := &netlink.Route{LinkIndex: lo.Attrs().Index, Dst: &net.IPNet{IP: net.IPv4(10, 244, 0, 0), Mask: net.CIDRMask(16, 32)}, Type: syscall.RTN_LOCAL, Table: syscall.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST}
	if err := netlink.RouteAdd(local); err != nil {
		t.Fatal(err)
	}
	return true
}

// nameServer answers for api.example.com with the address that is set, good for two seconds, and counts.
type nameServer struct {
	address atomic.Value
	asked   atomic.Int64
}

func startNameServer(t *testing.T) *nameServer {
	t.Helper()
	s := &nameServer{}
	conn, err := net.ListenPacket("udp", "10.244.0.53:53")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(s.answer)}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })
	return s
}

func (s *nameServer) answer(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	address, _ := s.address.Load().(string)
	switch {
	case q.Question[0].Name != "api.example.com." || address == "":
		m.Rcode = dns.RcodeNameError
	case q.Question[0].Qtype == dns.TypeA:
		s.asked.Add(1)
		rr, err := dns.NewRR("api.example.com. 2 IN A " + address)
		if err == nil {
			m.Answer = append(m.Answer, rr)
		}
	}
	_ = w.WriteMsg(m)
}

const external = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: ExternalName, externalName: api.example.com, ports: [{name: http, port: 80, targetPort: 9180}]}
`

// A name is resolved by the workers while requests come in, for as long as its TTL allows, and never to an
// address of this machine.
func TestExternalName(t *testing.T) {
	if !inNetwork(t) {
		return
	}
	names := startNameServer(t)
	for _, address := range []string{"10.244.1.1:9180", "10.244.1.2:9180", "127.0.0.1:9180"} {
		pods.Start(t, address, "web", nil)
	}
	resolvConf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(resolvConf, []byte("nameserver 10.244.0.53\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	names.address.Store("10.244.1.1")
	d := startDaemon(t, ports{18581, 18582, 18583}, map[string]string{"ingress.yaml": shopIngress("shop.test", "/"), "service.yaml": external},
		"--resolv-conf", resolvConf, "--disable-ipv6")
	if err := d.serves("shop.test", "/", 200, "10.244.1.1:9180")(); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if err := d.serves("shop.test", "/", 200, "10.244.1.1:9180")(); err != nil {
			t.Fatal(err)
		}
	}
	if n := names.asked.Load(); n > 6 {
		t.Errorf("51 requests made %d questions", n)
	}

	reloads := d.reloads()
	names.address.Store("10.244.1.2")
	took := d.eventually(10*time.Second, "the new address is used when the old one's time is over", func() error {
		for range 4 {
			if err := d.serves("shop.test", "/", 200, "10.244.1.2:9180")(); err != nil {
				return err
			}
		}
		return nil
	})
	t.Logf("a new address is used after %s", took)
	if now := d.reloads(); now != reloads {
		t.Errorf("%v reloads", now-reloads)
	}
}

func TestExternalNameOfThisMachine(t *testing.T) {
	if !inNetwork(t) {
		return
	}
	names := startNameServer(t)
	pods.Start(t, "127.0.0.1:9180", "web", nil)
	resolvConf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(resolvConf, []byte("nameserver 10.244.0.53\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"127.0.0.1", "169.254.169.254", "0.0.0.0"} {
		t.Run(address, func(t *testing.T) {
			names.address.Store(address)
			d := startDaemon(t, ports{18581, 18582, 18583}, map[string]string{"ingress.yaml": shopIngress("shop.test", "/"), "service.yaml": external},
				"--resolv-conf", resolvConf, "--disable-ipv6")
			if err := d.serves("shop.test", "/", 503, "")(); err != nil {
				t.Error(err)
			}
			if names.asked.Load() == 0 {
				t.Error(fmt.Errorf("nobody asked for the name"))
			}
		})
	}
}
