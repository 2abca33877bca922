//go:build integration

package integration

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/supervisor"
	"github.com/sluice-ingress/sluice/test/golden"
)

// Sessions of TLS lead nobody past the check of certificates: neither those made without one, nor those made with a certificate
// that is good for another host.
func TestSessionsAreNotResumedAcrossClientAuthorities(t *testing.T) {
	fake, pair := certificate(t)
	basePods(t, pair)
	dir := stateDir(t)
	engine := startNGINX(t, dir)
	for name, routing := range modes {
		for _, tickets := range []string{"false", "true"} {
			for _, anyHost := range []string{"", "good"} {
				t.Run(name+" tickets "+tickets+" any host "+anyHost, func(t *testing.T) {
					applyAuthorities(t, engine, dir, routing, tickets, anyHost, fake)
					for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
						// Go's client resumes no sessions of TLS 1.2 but those in tickets.
						trySessions(t, version, anyHost == "" && (version == tls.VersionTLS13 || tickets == "true"))
					}
				})
			}
		}
	}
}

const authorities = `apiVersion: v1
kind: Secret
metadata: {name: good, namespace: shop}
stringData: {ca.crt: {{authority good}}}
---
apiVersion: v1
kind: Secret
metadata: {name: other, namespace: shop}
stringData: {ca.crt: {{authority other}}}
`

// applyAuthorities makes open.test, good.test and other.test, the last two of which ask for certificates, and all hosts without
// a name, which do by the authority in anyHost, if there is one.
func applyAuthorities(t *testing.T, engine *supervisor.Supervisor, dir string, routing controller.Routing, tickets, anyHost string, fake nginx.Certificate) {
	t.Helper()
	objects := authorities
	for host, secret := range map[string]string{"open.test": "", "good.test": "good", "other.test": "other", "": anyHost} {
		annotations := ""
		if secret != "" {
			annotations = `, annotations: {nginx.ingress.kubernetes.io/auth-tls-secret: shop/` + secret + `}`
		}
		name, rule := "any", ""
		if host != "" {
			name, rule = host, "host: "+host+", "
		}
		objects += fmt.Sprintf(`---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %s, namespace: shop%s}
spec: {rules: [{%shttp: {paths: [{path: /, pathType: Prefix, backend: {service: {name: echo, port: {number: 80}}}}]}}]}
`, name, annotations, rule)
	}
	c := golden.New(t, "sessions", &txtar.Archive{Files: []txtar.File{
		{Name: "objects.yaml", Data: []byte(objects)},
		{Name: "configmap.yaml", Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: controller, namespace: ingress-nginx}\ndata: {ssl-session-tickets: \"" + tickets + "\"}\n")},
	}})
	c.Options.Translate.SelfSigned = fake
	c.Options.Render, c.Options.Routing = renderOptions(t, dir), routing
	plan := c.Plan(t)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := engine.Push(ctx, plan.Dynamic); err != nil {
		t.Fatal(err)
	}
	if err := engine.Apply(ctx, plan.Files, "test"); err != nil {
		t.Fatal(err)
	}
}

// trySessions makes a session in each way that is open, and tries each on every host that asks for certificates.
// Between hosts that ask for none sessions are resumed, unless the default server's rules forbid it.
func trySessions(t *testing.T, version uint16, resumes bool) {
	t.Helper()
	type visit struct{ sni, host, client string }
	cache := &oneSession{}
	for n := range 2 {
		_, again, err := get(version, "open.test", "open.test", "", cache)
		if err != nil || again != (resumes && n > 0) {
			t.Errorf("TLS %x: connection %d to an open host resumed a session: %v, %v", version, n, again, err)
		}
	}
	for _, first := range []visit{
		{"open.test", "open.test", ""}, {"good.test", "good.test", "good/alice"}, {"other.test", "other.test", "other/alice"},
		{"", "unknown.test", "good/alice"}, {"unknown.test", "unknown.test", "good/alice"}, {"good.test", "good.test", ""},
	} {
		for _, second := range []visit{{"good.test", "good.test", ""}, {"other.test", "other.test", ""}, {"", "other.test", ""}, {"open.test", "other.test", ""}} {
			cache := &oneSession{}
			if _, _, err := get(version, first.sni, first.host, first.client, cache); err != nil {
				t.Fatalf("%+v: %v", first, err)
			}
			status, again, err := get(version, second.sni, second.host, second.client, cache)
			if mayPass := first.client != "" && first.sni == second.host; err == nil && status == http.StatusOK && !mayPass {
				t.Errorf("TLS %x: %+v passes with the session of %+v (resumed: %v)", version, second, first, again)
			}
		}
	}
}

// oneSession keeps the last session, whatever host it is of, and gives it to all.
type oneSession struct {
	mu   sync.Mutex
	last *tls.ClientSessionState
}

func (s *oneSession) Get(string) (*tls.ClientSessionState, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, s.last != nil
}

func (s *oneSession) Put(_ string, state *tls.ClientSessionState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state != nil {
		s.last = state
	}
}

// get sends one request and tells whether its connection resumed the session.
func get(version uint16, sni, host, client string, cache tls.ClientSessionCache) (status int, resumed bool, err error) {
	config := &tls.Config{
		ServerName: sni, MinVersion: version, MaxVersion: version, InsecureSkipVerify: true, ClientSessionCache: cache, //nolint:gosec // the client is looked at
	}
	if client != "" {
		config.Certificates = []tls.Certificate{golden.PairOf(client)}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", target.HTTPS)
	if err != nil {
		return 0, false, err
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host); err != nil {
		return 0, false, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, false, err
	}
	defer answer.Body.Close()
	return answer.StatusCode, conn.(*tls.Conn).ConnectionState().DidResume, nil
}
