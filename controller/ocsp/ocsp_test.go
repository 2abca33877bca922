package ocsp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/persistent"
	"github.com/sluice-ingress/sluice/test/logged"
)

// authority is a CA with a responder on loopback.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	server      *httptest.Server
	questions   atomic.Int64

	mu     sync.Mutex
	answer func(a *authority, serial *big.Int) []byte // nil for good
}

var serials atomic.Int64

func issue(t *testing.T, template, parent *x509.Certificate, parentKey crypto.Signer) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(serials.Add(1))
	template.NotBefore = time.Now().Add(-time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c, key
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.certificate, a.key = issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	a.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.questions.Add(1)
		text, _ := io.ReadAll(r.Body)
		q, err := ocsp.ParseRequest(text)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/ocsp-request" {
			http.Error(w, "bad question", http.StatusBadRequest)
			return
		}
		a.mu.Lock()
		answer := a.answer
		a.mu.Unlock()
		if answer == nil {
			answer = (*authority).good
		}
		_, _ = w.Write(answer(a, q.SerialNumber))
	}))
	t.Cleanup(a.server.Close)
	return a
}

// says makes the responder answer otherwise.
func (a *authority) says(answer func(a *authority, serial *big.Int) []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

// chain is the chain of a new certificate that names this responder.
func (a *authority) chain(t *testing.T, responder string) string {
	t.Helper()
	leaf, _ := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}, OCSPServer: []string{responder}}, a.certificate, a.key)
	return encoded(leaf, a.certificate)
}

func encoded(chain ...*x509.Certificate) string {
	var text bytes.Buffer
	for _, c := range chain {
		_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return text.String()
}

func parsed(t *testing.T, chain string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(chain))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// template is a good answer.
func template(serial *big.Int) ocsp.Response {
	return ocsp.Response{Status: ocsp.Good, SerialNumber: serial, ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(24 * time.Hour)}
}

func (a *authority) sign(r ocsp.Response) []byte {
	text, err := ocsp.CreateResponse(a.certificate, a.certificate, r, a.key)
	if err != nil {
		panic(err)
	}
	return text
}

func (a *authority) good(serial *big.Int) []byte { return a.sign(template(serial)) }

// changed answers with a change of a good answer.
func changed(change func(*ocsp.Response)) func(*authority, *big.Int) []byte {
	return func(a *authority, serial *big.Int) []byte {
		r := template(serial)
		change(&r)
		return a.sign(r)
	}
}

// delegated answers by a certificate of the authority's that it has made by a template.
func delegated(t *testing.T, template x509.Certificate) func(*authority, *big.Int) []byte {
	return func(a *authority, serial *big.Int) []byte {
		by, key := issue(t, &template, a.certificate, a.key)
		r := ocsp.Response{Status: ocsp.Good, SerialNumber: serial, ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour), Certificate: by}
		text, err := ocsp.CreateResponse(a.certificate, by, r, key)
		if err != nil {
			panic(err)
		}
		return text
	}
}

func anywhere(netip.Addr) bool { return false }

func TestAnswers(t *testing.T) {
	other := newAuthority(t)
	signs := x509.Certificate{Subject: pkix.Name{CommonName: "delegate"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}}
	late := signs
	late.NotAfter = time.Now().Add(-time.Minute)
	for name, c := range map[string]struct {
		answer func(*authority, *big.Int) []byte
		want   Result
	}{
		"good":                        {(*authority).good, Good},
		"good without an end":         {changed(func(r *ocsp.Response) { r.NextUpdate = time.Time{} }), Good},
		"revoked":                     {changed(func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, time.Now() }), Revoked},
		"unknown":                     {changed(func(r *ocsp.Response) { r.Status = ocsp.Unknown }), Unknown},
		"over":                        {changed(func(r *ocsp.Response) { r.NextUpdate = time.Now().Add(-time.Second) }), Stale},
		"of the future":               {changed(func(r *ocsp.Response) { r.ThisUpdate = time.Now().Add(time.Hour) }), Stale},
		"about another":               {changed(func(r *ocsp.Response) { r.SerialNumber = big.NewInt(1 << 40) }), BadAnswer},
		"of another issuer":           {func(_ *authority, serial *big.Int) []byte { return other.good(serial) }, BadAnswer},
		"of a delegate":               {delegated(t, signs), Good},
		"of a delegate whose is over": {delegated(t, late), Stale},
		"of one that is no delegate":  {delegated(t, x509.Certificate{Subject: pkix.Name{CommonName: "server"}}), BadAnswer},
		"try later":                   {func(*authority, *big.Int) []byte { return ocsp.TryLaterErrorResponse }, BadAnswer},
		"nothing":                     {func(*authority, *big.Int) []byte { return nil }, BadAnswer},
		"something else":              {func(*authority, *big.Int) []byte { return []byte("<html>") }, BadAnswer},
		"cut off":                     {func(a *authority, n *big.Int) []byte { g := a.good(n); return g[:len(g)-1] }, BadAnswer},
		"with more behind":            {func(a *authority, n *big.Int) []byte { return append(a.good(n), 0) }, BadAnswer},
		"huge":                        {func(*authority, *big.Int) []byte { return make([]byte, 50<<20) }, BadAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t)
			a.says(c.answer)
			ask := newAsker(anywhere)
			defer ask.close()
			got, err := ask.about(t.Context(), a.chain(t, a.server.URL))
			if result := resultOf(err); result != c.want {
				t.Fatalf("the result is %s (%v), not %s", result, err, c.want)
			}
			if (c.want == Good) != (err == nil) || err == nil && len(got.response) == 0 {
				t.Errorf("%d bytes and the error %v", len(got.response), err)
			}
		})
	}
}

func TestWhoIsNotAsked(t *testing.T) {
	a := newAuthority(t)
	elsewhere := httptest.NewServer(http.RedirectHandler(a.server.URL, http.StatusTemporaryRedirect))
	defer elsewhere.Close()
	alone, _ := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}, OCSPServer: []string{a.server.URL}}, a.certificate, a.key)
	stranger := newAuthority(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(a.server.URL, "http://"), ":")
	for name, c := range map[string]struct {
		chain string
		want  Result
	}{
		"no issuer":         {encoded(alone), NoIssuer},
		"another issuer":    {encoded(alone, stranger.certificate), NoIssuer},
		"no chain":          {"", NoIssuer},
		"loopback":          {a.chain(t, a.server.URL), Refused},
		"a name of it":      {a.chain(t, "http://localhost:"+port), Refused},
		"IPv6 of it":        {a.chain(t, "http://[::ffff:127.0.0.1]:"+port), Refused},
		"unspecified":       {a.chain(t, "http://0.0.0.0:"+port), Refused},
		"metadata":          {a.chain(t, "http://169.254.169.254/latest"), Refused},
		"metadata of Azure": {a.chain(t, "http://168.63.129.16/"), Refused},
		"multicast":         {a.chain(t, "http://224.0.0.1/"), Refused},
		"ours":              {a.chain(t, "http://192.0.2.1/"), Refused},
		"a file":            {a.chain(t, "file:///etc/passwd"), Refused},
		"LDAP":              {a.chain(t, "ldap://example.com/"), Refused},
		"with a password":   {a.chain(t, "http://a:b@example.com/"), Refused},
		"no URL":            {a.chain(t, "http://%zz"), Refused},
		"a long one":        {a.chain(t, "http://example.com/"+strings.Repeat("x", mostURL)), Refused},
	} {
		t.Run(name, func(t *testing.T) {
			own := []netip.Addr{netip.MustParseAddr("192.0.2.1")}
			ask := newAsker(func(ip netip.Addr) bool { return translate.IsForbidden(ip, own) })
			defer ask.close()
			if _, err := ask.about(t.Context(), c.chain); resultOf(err) != c.want {
				t.Errorf("the result is %s (%v), not %s", resultOf(err), err, c.want)
			}
		})
	}
	if n := a.questions.Load(); n > 0 {
		t.Fatalf("%d questions came through", n)
	}
	ask := newAsker(anywhere)
	defer ask.close()
	if _, err := ask.about(t.Context(), a.chain(t, elsewhere.URL)); resultOf(err) != BadAnswer || a.questions.Load() > 0 {
		t.Errorf("a redirect ends with %v after %d questions", err, a.questions.Load())
	}
	a.server.Close()
	if _, err := ask.about(t.Context(), a.chain(t, a.server.URL)); resultOf(err) != Unreachable || strings.Contains(err.Error(), "http://") {
		t.Errorf("nobody there ends with %v", err)
	}
}

// running is a Stapler that runs, with short pauses.
type running struct {
	*Stapler
	log     logged.Text
	results chan Result
}

func run(t *testing.T) *running {
	t.Helper()
	r := &running{results: make(chan Result, 10000)}
	r.Stapler = New(Options{
		Log: slog.New(slog.NewTextHandler(&r.log, nil)), Asked: func(result Result) { r.results <- result },
		Refuses: func(netip.Addr, []netip.Addr) bool { return false },
	})
	r.pace = pace{shortest: 10 * time.Millisecond, retry: 10 * time.Millisecond, retryMost: 20 * time.Millisecond, publishing: time.Millisecond}
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); done.Wait() })
	return r
}

// plan is one that serves these chains, by id, each in a namespace of the id's first letter.
func plan(t *testing.T, on bool, chains map[string]string) controller.Plan {
	t.Helper()
	var p controller.Plan
	p.Config.HTTP.Staples = on
	certificates, hosts, uses := map[string]nginx.Certificate{}, map[string]string{}, map[string]translate.CertificateUse{}
	for id, chain := range chains {
		host := id + ".example.com"
		certificates[id], hosts[host] = nginx.Certificate{Chain: chain}, id
		uses[host] = translate.CertificateUse{Host: host, Secret: cluster.Name{Namespace: id[:1], Name: id}, Leaf: parsed(t, chain)}
	}
	p.Dynamic = dynamic.State{Certificates: persistent.Of(certificates), Hosts: persistent.Of(hosts)}
	p.Certificates = persistent.Of(uses)
	return p
}

// until waits for the staples to be of these certificates.
func (r *running) until(t *testing.T, what string, is func() bool) {
	t.Helper()
	late := time.After(20 * time.Second)
	for !is() {
		select {
		case <-r.Changes():
		case <-r.results:
		case <-time.After(5 * time.Millisecond):
		case <-late:
			t.Fatalf("not within 20 seconds: %s; staples are %v", what, r.Staples().Len())
		}
	}
}

func TestStaplesFollowPlans(t *testing.T) {
	a, r := newAuthority(t), run(t)
	silent, _ := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}}, a.certificate, a.key)
	first, second := a.chain(t, a.server.URL), a.chain(t, a.server.URL)
	r.Planned(plan(t, true, map[string]string{"one": first, "silent": encoded(silent, a.certificate)}), 0)
	<-r.Changes()
	staple := r.Staples().At("one")
	if _, err := ocsp.ParseResponseForCert(staple.Response, parsed(t, first), a.certificate); err != nil || r.Staples().Len() != 1 {
		t.Fatalf("%d staples (%v)", r.Staples().Len(), err)
	}
	if left := time.Until(time.Unix(staple.Until, 0)); left < 22*time.Hour || left > 23*time.Hour {
		t.Errorf("an answer that is good for a day is handed out for %s", left)
	}

	r.Planned(plan(t, true, map[string]string{"two": second}), 0)
	r.until(t, "only the second certificate has a staple", func() bool { return r.Staples().Has("two") && r.Staples().Len() == 1 })

	asked := a.questions.Load()
	r.Planned(plan(t, false, map[string]string{"two": second, "one": first}), 0)
	r.until(t, "there are none with the key off", func() bool { return r.Staples().Len() == 0 })
	if n := a.questions.Load(); n != asked {
		t.Errorf("%d questions with the key off", n-asked)
	}

	p := plan(t, true, nil)
	p.Config.HTTP.DefaultCertificate, p.Config.HTTP.DefaultStaple = nginx.Certificate{Chain: first}, "default"
	r.Planned(p, 0)
	r.until(t, "the default certificate has one", func() bool { return r.Staples().Has("default") })
	r.Planned(plan(t, true, nil), 0)
	r.until(t, "it has none once there is another", func() bool { return r.Staples().Len() == 0 })
}

func TestAnswersAreRefreshedAndTakenBack(t *testing.T) {
	a, r := newAuthority(t), run(t)
	var short atomic.Bool
	short.Store(true)
	a.says(changed(func(r *ocsp.Response) {
		if short.Load() {
			r.NextUpdate = time.Now().Add(3 * time.Second)
		}
	}))
	r.Planned(plan(t, true, map[string]string{"one": a.chain(t, a.server.URL)}), 0)
	<-r.Changes()
	before := r.Staples().At("one")
	r.until(t, "there is a newer answer before the first is over", func() bool { return r.Staples().At("one").Until > before.Until })
	a.says(func(*authority, *big.Int) []byte { return ocsp.TryLaterErrorResponse })
	r.until(t, "the responder fails often", func() bool { return a.questions.Load() > 6 })
	if !r.Staples().Has("one") {
		t.Error("an answer is gone because the responder fails")
	}
	if n := r.log.Count("no OCSP answer about a certificate"); n != 1 || r.log.Count("secret=o/one cause=bad_answer") != 1 {
		t.Errorf("a cause was logged %d times:\n%s", n, r.log.String())
	}
	a.says(changed(func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, time.Now() }))
	r.until(t, "it is taken back", func() bool { return !r.Staples().Has("one") })
	short.Store(false)
	a.says(nil)
	r.until(t, "it is there again", func() bool { return r.Staples().Has("one") })
	r.until(t, "the log says so", func() bool { return r.log.Count("OCSP answers about a certificate come again") == 1 })
}

// A tenant whose responders are silent holds up nobody else.
func TestNamespacesWaitForThemselves(t *testing.T) {
	release := make(chan struct{})
	var stuck atomic.Int64
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if n := stuck.Add(1); n > mostOfOne {
			t.Errorf("%d questions of one namespace at the same time", n)
		}
		defer stuck.Add(-1)
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer slow.Close()
	defer close(release)
	a, r := newAuthority(t), run(t)
	chains := map[string]string{"good": a.chain(t, a.server.URL)}
	for i := range 40 {
		chains[fmt.Sprintf("slow%d", i)] = a.chain(t, slow.URL)
	}
	start := time.Now()
	r.Planned(plan(t, true, chains), 0)
	r.until(t, "the other tenant has its staple", func() bool { return r.Staples().Has("good") })
	if took := time.Since(start); took > 10*answerTime {
		t.Errorf("it took %s, as if the others had come first", took)
	}
}

func TestAllAnswersTogetherAreBounded(t *testing.T) {
	s := New(Options{Log: slog.New(slog.DiscardHandler)})
	until := time.Now().Add(time.Hour)
	n := 0
	for s.put(fmt.Sprint(n), make([]byte, mostAnswer), until) {
		n++
	}
	if n != mostStaples/mostAnswer {
		t.Errorf("there is room for %d answers", n)
	}
	if s.known["0"] = (&certificate{id: "0"}); !s.put("0", []byte("short"), until) {
		t.Error("no room for a shorter answer in place of a longer one")
	}
	s.forget("0")
	if !s.put("new", make([]byte, mostAnswer), until) {
		t.Error("what was forgotten still takes room")
	}
}

func TestPauses(t *testing.T) {
	s := New(Options{Log: slog.New(slog.DiscardHandler)})
	now := time.Now()
	for _, c := range []struct{ good, until time.Duration }{
		{0, longest}, {365 * 24 * time.Hour, longest}, {16 * time.Hour, 15 * time.Hour}, {4 * time.Minute, 225 * time.Second},
	} {
		var end time.Time
		if c.good > 0 {
			end = now.Add(c.good)
		}
		again, until, err := s.times(now, end)
		if err != nil || until.Sub(now) != c.until || again.Sub(now) > c.until/2 || again.Sub(now) < c.until/3 {
			t.Errorf("an answer that is good for %s is handed out for %s and asked for again after %s (%v)", c.good, until.Sub(now), again.Sub(now), err)
		}
	}
	if _, _, err := s.times(now, now.Add(time.Minute)); resultOf(err) != Stale {
		t.Errorf("an answer that is good for a minute: %v", err)
	}
	for failures, most := range map[int]time.Duration{1: time.Minute, 3: 4 * time.Minute, 7: time.Hour, 1000: time.Hour} {
		if p := s.pause(failures); p > most || p < most*3/4 {
			t.Errorf("after %d failures the pause is %s", failures, p)
		}
	}
}
