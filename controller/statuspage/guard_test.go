package statuspage_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/controller/statuspage"
)

// attempt is a request, and how it is answered while the file of the token has this text.
type attempt struct {
	name   string
	guard  statuspage.Guard
	file   string
	method string
	host   string
	set    func(*http.Request)
	want   int
}

func attempts(local, open statuspage.Guard, token string) []attempt {
	return []attempt{
		{"on localhost", local, "", "GET", "localhost:10246", nil, 200},
		{"HEAD", local, "", "HEAD", "127.0.0.1", nil, 200},
		{"in IPv6", local, "", "GET", "[::1]:8080", nil, 200},
		{"in IPv6 without a port", local, "", "GET", "[::1]", nil, 200},
		{"a name that leads to us", local, "", "GET", "attacker.test:10246", nil, 403},
		{"a name that begins as ours", local, "", "GET", "localhost.attacker.test", nil, 403},
		{"an address in a name", local, "", "GET", "127.0.0.1.attacker.test", nil, 403},
		{"no port", local, "", "GET", "localhost:attacker", nil, 403},
		{"no Host", local, "", "GET", "", nil, 403},
		{"another address", local, "", "GET", "192.0.2.1:10246", nil, 403},
		{"POST", local, "", "POST", "localhost", nil, 405},
		{"DELETE", local, "", "DELETE", "localhost", nil, 405},
		{"without the token", open, token, "GET", "sluice.test", nil, 401},
		{"with it", open, token + "\n", "GET", "sluice.test", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }, 200},
		{"as a password", open, token, "GET", "sluice.test", func(r *http.Request) { r.SetBasicAuth("anybody", token) }, 200},
		{"another", open, token, "GET", "sluice.test", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token+"4") }, 401},
		{"its beginning", open, token, "GET", "sluice.test", func(r *http.Request) { r.SetBasicAuth("anybody", token[:19]) }, 401},
		{"as a name", open, token, "GET", "sluice.test", func(r *http.Request) { r.SetBasicAuth(token, "") }, 401},
		{"the file is empty", open, "", "GET", "sluice.test", func(r *http.Request) { r.SetBasicAuth("anybody", "") }, 503},
		{"the token is short", open, "short", "GET", "sluice.test", func(r *http.Request) { r.SetBasicAuth("anybody", "short") }, 503},
		{"there is another token now", open, strings.Repeat("x", 16), "GET", "sluice.test", func(r *http.Request) { r.SetBasicAuth("anybody", token) }, 401},
	}
}

func TestGuard(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(tokens, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const token = "0123456789abcdef0123"
	local := statuspage.Guard{Address: netip.MustParseAddrPort("127.0.0.1:10246")}
	open := statuspage.Guard{Address: netip.MustParseAddrPort("[::]:10246"), TokenFile: tokens}
	for _, test := range attempts(local, open, token) {
		t.Run(test.name, func(t *testing.T) {
			write(test.file)
			served := false
			h := test.guard.Protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served = true }))
			r := httptest.NewRequest(test.method, "/", nil)
			r.Host = test.host
			if test.set != nil {
				test.set(r)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != test.want || served != (test.want == 200) {
				t.Errorf("answers %d, served %t, want %d: %s", w.Code, served, test.want, w.Body)
			}
			for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Set-Cookie": ""} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") {
				t.Errorf("the policy is %q", policy)
			}
			if strings.Contains(w.Body.String(), token) || strings.Contains(w.Body.String(), tokens) {
				t.Errorf("the answer says too much: %s", w.Body)
			}
		})
	}
	if err := os.Remove(tokens); err != nil {
		t.Fatal(err)
	}
	if err := open.CheckToken(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there is %v", err)
	}
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1:10246": "127.0.0.1:10246 127.0.0.1:10246", "localhost:10246": "127.0.0.1:10246 127.0.0.1:10246", "[::1]:10246": "[::1]:10246 [::1]:10246",
		"[::ffff:127.0.0.1]:1": "[::ffff:127.0.0.1]:1 [::ffff:127.0.0.1]:1",
		"0.0.0.0:10246":        "- 0.0.0.0:10246", ":10246": "- [::]:10246", "10.0.0.1:10246": "- 10.0.0.1:10246", "[fe80::1]:1": "- [fe80::1]:1",
		"127.0.0.1:0": "- -", "127.0.0.1": "- -", "example.test:80": "- -", "": "- -",
	} {
		var got []string
		for _, hasToken := range []bool{false, true} {
			if address, err := statuspage.Address(text, hasToken); err == nil {
				got = append(got, address.String())
			} else {
				got = append(got, "-")
			}
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%q is %s without and with a token, want %s", text, got, want)
		}
	}
	_, err := statuspage.Address("0.0.0.0:10246", false)
	if err == nil || !strings.Contains(err.Error(), "--status-page-token-file") || !strings.Contains(err.Error(), "127.0.0.1:10246") {
		t.Errorf("it is not said what to do: %v", err)
	}
}
