//go:build integration

package integration

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/supervisor"
	"github.com/sluice-ingress/sluice/test/attacks"
	"github.com/sluice-ingress/sluice/test/golden"
)

// TestAttacks puts all that attackers write into one NGINX, one after the other, in each mode. NGINX takes the
// configuration, the neighbour is served, and clients get the answers of the case.
func TestAttacks(t *testing.T) {
	for name, routing := range modes {
		t.Run(name, func(t *testing.T) {
			fake, pair := certificate(t)
			basePods(t, pair)
			dir := stateDir(t)
			engine := startNGINX(t, dir)
			for _, c := range attacks.Load(t) {
				if len(c.Values) == 0 && !c.Has("requests") {
					continue // other tests show it
				}
				for i, try := range c.Tries() {
					t.Run(fmt.Sprintf("%s/%s%d", c.Name, try.Key, i), func(t *testing.T) {
						attack(t, engine, dir, fake, routing, c.With(t, try))
					})
				}
			}
		})
	}
}

func attack(t *testing.T, engine *supervisor.Supervisor, dir string, fake nginx.Certificate, routing controller.Routing, c golden.Case) {
	c.Options.Translate.SelfSigned = fake
	c.Options.Render, c.Options.Routing = renderOptions(t, dir), routing
	serve(t, engine, c)
	for _, r := range c.Requests {
		r.Send(t, target)
	}
}

// raw are bytes on one connection with the statuses that come back. No pod may see /smuggled, or another host than
// the one whose settings count.
var raw = map[string]struct {
	sent string
	want []int
}{
	"a length and chunks, the second request in the body": {
		"POST / HTTP/1.1\r\nHost: attack.example.com\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: attack.example.com\r\n\r\n", []int{400},
	},
	"a second request within the length of the first": {
		"POST /first HTTP/1.1\r\nHost: attack.example.com\r\nContent-Length: 58\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: attack.example.com\r\nX: 1\r\n\r\n" +
			"GET /last HTTP/1.1\r\nHost: attack.example.com\r\nConnection: close\r\n\r\n", []int{200, 200},
	},
	"an encoding with a blank before its colon": {
		"POST / HTTP/1.1\r\nHost: attack.example.com\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: attack.example.com\r\n\r\n", []int{400},
	},
	"an encoding that is not known": {
		"POST / HTTP/1.1\r\nHost: attack.example.com\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: attack.example.com\r\n\r\n", []int{501},
	},
	"two encodings": {
		"POST / HTTP/1.1\r\nHost: attack.example.com\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n", []int{400},
	},
	"chunks in HTTP/1.0": {
		"POST / HTTP/1.0\r\nHost: attack.example.com\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: attack.example.com\r\n\r\n", []int{400},
	},
	"a length with a sign": {
		"POST / HTTP/1.1\r\nHost: attack.example.com\r\nContent-Length: +3\r\n\r\nabcGET /smuggled HTTP/1.1\r\n\r\n", []int{400},
	},
	"a folded header": {
		"GET / HTTP/1.1\r\nHost: attack.example.com\r\nX: a\r\n b: c\r\n\r\n", []int{400},
	},
	"no host": {"GET /smuggled HTTP/1.1\r\n\r\n", []int{400}},
	"a bare CR in a header": {
		"GET / HTTP/1.1\r\nHost: attack.example.com\r\nX: a\rY: b\r\nConnection: close\r\n\r\n", []int{400},
	},
	"a NUL in a header": {
		"GET / HTTP/1.1\r\nHost: attack.example.com\r\nX: a\x00b\r\nConnection: close\r\n\r\n", []int{400},
	},
	"a blank in the target":          {"GET /a /smuggled HTTP/1.1\r\nHost: attack.example.com\r\n\r\n", []int{400}},
	"an old request without headers": {"GET /smuggled\r\n", []int{}},
	"another host in the target than in the header": {
		"GET http://attack.example.com/host HTTP/1.1\r\nHost: good.example.com\r\nConnection: close\r\n\r\n", []int{200},
	},
	"a host in the target, behind blanks": {
		"GET   http://attack.example.com/host   HTTP/1.1\r\nHost: good.example.com\r\nConnection: close\r\n\r\n", []int{200},
	},
}

// TestSmuggling sends what is read in different ways by different servers.
func TestSmuggling(t *testing.T) {
	for name, routing := range modes {
		t.Run(name, func(t *testing.T) {
			fake, pair := certificate(t)
			basePods(t, pair)
			dir := stateDir(t)
			engine := startNGINX(t, dir)
			cases := attacks.Load(t)
			c := cases[slices.IndexFunc(cases, func(c attacks.Case) bool { return c.Name == "smuggling" })]
			attack(t, engine, dir, fake, routing, c.With(t, attacks.Try{}))
			for name, r := range raw {
				t.Run(name, func(t *testing.T) { sendRaw(t, r.sent, r.want) })
			}
			checkLog(t, filepath.Join(dir, "access.log"))
		})
	}
}

func sendRaw(t *testing.T, sent string, want []int) {
	conn, err := net.Dial("tcp", target.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, sent); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	got := []int{}
	for in := bufio.NewReader(bytes.NewReader(all)); ; {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			break
		}
		got = append(got, resp.StatusCode)
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s\n%s", diff, all)
	}
	if strings.Contains(string(all), `"path":"/smuggled`) || strings.Contains(string(all), `"host":"good.example.com"`) {
		t.Errorf("a pod saw what was smuggled:\n%s", all)
	}
}

// checkLog sends line ends, quotes and sequences of terminals, and looks at what the log has of them. The pod does not
// take such headers.
func checkLog(t *testing.T, path string) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sendRaw(t, "GET /a%0d%0a127.0.0.1%20-%20forged?x=\x1b[31m\" HTTP/1.1\r\nHost: attack.example.com\r\n\r\n", []int{400})
	sendRaw(t, "GET /a%0d%0a127.0.0.1%20-%20forged?x=\" HTTP/1.1\r\nHost: attack.example.com\r\nUser-Agent: a\" 200 \x1b]0;x\x07\x7f\r\n"+
		"Referer: \t\"\\x22\x80\r\nConnection: close\r\n\r\n", []int{400})
	all, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	added := string(all[len(before):])
	lines := slices.DeleteFunc(strings.Split(added, "\n"), func(line string) bool { return !strings.Contains(line, "forged") }) // others may come late
	if len(lines) != 2 {
		t.Errorf("two requests made %d lines:\n%q", len(lines), added)
	}
	for _, c := range []byte(strings.ReplaceAll(added, "\n", "")) {
		if c < ' ' || c > '~' {
			t.Errorf("the log has the byte %#x:\n%q", c, added)
			break
		}
	}
}
