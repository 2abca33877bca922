package listen

import (
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestStreams(t *testing.T) {
	const conf = `
http {
  server {
    listen 80;
  }
}

stream {
  server {
    listen 5432 reuseport;
    listen [::]:5432 reuseport proxy_protocol;
    listen unix:/run/a.sock;
  }
  server {
    listen 127.0.0.1:53 udp reuseport;
    proxy_pass $a;
  }
}
`
	want := []Address{
		{netip.MustParseAddrPort("0.0.0.0:5432"), false}, {netip.MustParseAddrPort("[::]:5432"), false}, {netip.MustParseAddrPort("127.0.0.1:53"), true},
	}
	if diff := cmp.Diff(want, Streams([]byte(conf)), cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, text := range []string{"", "http {\n}\n", "\nstream {\n  server {\n"} {
		if got := Streams([]byte(text)); len(got) > 0 {
			t.Errorf("%q listens on %v", text, got)
		}
	}
}

func TestTryFindsWhoHasAPort(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		a := Address{AddrPort: listener.Addr().(*net.TCPAddr).AddrPort()}
		if err := a.Try(); err == nil {
			t.Errorf("%s is free although somebody listens", a)
		}
		listener.Close()
		if err := a.Try(); err != nil {
			t.Errorf("when nobody listens any more: %v", err)
		}
		packets, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		a = Address{packets.LocalAddr().(*net.UDPAddr).AddrPort(), true}
		if err := a.Try(); err == nil {
			t.Errorf("%s of UDP is free although somebody listens", a)
		}
		packets.Close()
		if err := a.Try(); err != nil {
			t.Errorf("when nobody listens for UDP any more: %v", err)
		}
	}
}
