package statuspage

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Guard keeps out who may not look.
type Guard struct {
	// Address is where the page listens, as Address returns it.
	Address netip.AddrPort
	// TokenFile has the token that requests need; "" if they need none. It is read for each request, so it may change.
	TokenFile string
}

// Address reads host:port, where host is an IP address or localhost. Without a token only a loopback address will do.
func Address(text string, hasToken bool) (netip.AddrPort, error) {
	if port, is := strings.CutPrefix(text, "localhost:"); is {
		text = "127.0.0.1:" + port
	}
	if port, is := strings.CutPrefix(text, ":"); is {
		text = "[::]:" + port
	}
	address, err := netip.ParseAddrPort(text)
	switch {
	case err != nil:
		return netip.AddrPort{}, fmt.Errorf("%q is not an IP address and a port, such as 127.0.0.1:10246", text)
	case address.Port() == 0:
		return netip.AddrPort{}, fmt.Errorf("%q has no port, as in 127.0.0.1:10246", text)
	case !hasToken && !address.Addr().Unmap().IsLoopback():
		return netip.AddrPort{}, fmt.Errorf("%s can be reached from other machines, and anybody there could read the page: use 127.0.0.1:%d and kubectl port-forward, "+
			"or name a file with a token that readers need by --status-page-token-file", address, address.Port())
	}
	return address, nil
}

// policy lets the page load what it brings along, and nothing else.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Protect answers who may not look, and says to browsers what may be done with what the others get.
func (g Guard) Protect(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-store")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			header.Set("Allow", "GET, HEAD")
			http.Error(w, "this page can only be read", http.StatusMethodNotAllowed)
			return
		}
		// A name that leads here is somebody else's: a page of theirs could read this one in our reader's browser.
		if g.Address.Addr().Unmap().IsLoopback() && !isLoopback(r.Host) {
			http.Error(w, "this page is only for localhost; reach it by kubectl port-forward", http.StatusForbidden)
			return
		}
		if g.TokenFile != "" {
			switch ok, err := g.knows(r); {
			case err != nil: // the reason has the name of a file
				http.Error(w, "the token cannot be read; the controller's --status-page-token-file has to name a file with one", http.StatusServiceUnavailable)
				return
			case !ok:
				header.Set("WWW-Authenticate", `Basic realm="Sluice", charset="UTF-8"`)
				header.Add("WWW-Authenticate", `Bearer realm="Sluice"`)
				http.Error(w, "a token is needed: as a password with any name, or as a bearer token", http.StatusUnauthorized)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

// isLoopback tells whether a Host header names this machine to itself.
func isLoopback(host string) bool {
	if at := strings.LastIndexByte(host, ':'); at >= 0 && !strings.HasSuffix(host, "]") && strings.Count(host[:at], ":") == 0 || strings.Contains(host, "]:") {
		if _, err := strconv.ParseUint(host[at+1:], 10, 16); err != nil {
			return false
		}
		host = host[:at]
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// knows tells whether a request has the token.
func (g Guard) knows(r *http.Request) (bool, error) {
	token, err := g.token()
	if err != nil {
		return false, err
	}
	_, given, is := r.BasicAuth()
	if scheme, bearer, found := strings.Cut(r.Header.Get("Authorization"), " "); !is && found && strings.EqualFold(scheme, "Bearer") {
		given = strings.TrimSpace(bearer)
	}
	// Hashes are of one length, so that not even that of the token can be timed.
	want, got := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1, nil
}

// CheckToken tells what is wrong with the file of the token.
func (g Guard) CheckToken() error {
	if g.TokenFile == "" {
		return nil
	}
	_, err := g.token()
	return err
}

const (
	shortestToken = 16
	longestToken  = 4096
)

func (g Guard) token() (string, error) {
	file, err := os.Open(g.TokenFile)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, longestToken+1))
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < shortestToken || len(text) > longestToken {
		return "", errors.New("read the token: it needs 16 to 4096 bytes; openssl rand -hex 32 makes one")
	}
	return token, nil
}
