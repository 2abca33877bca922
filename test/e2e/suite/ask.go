package suite

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Answer is what came back for one request.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	Pod    string              // the cmd/echo that answered; empty if none did
	Chain  []*x509.Certificate // of the server; nil without TLS
}

// Get asks for a URL at the release's address, whatever its host is in the DNS, over a connection of its own. Redirects are
// not followed and certificates not checked.
func (s *Sluice) Get(target string) (Answer, error) { return Get(s.Address, target) }

// Get asks a machine for a URL as Sluice.Get does, at the usual port of its scheme unless the machine's name has one.
func Get(machine, target string) (Answer, error) {
	const longest = 10 * time.Second
	parsed, err := url.Parse(target)
	if err != nil {
		return Answer{}, err
	}
	address := machine
	if _, _, err := net.SplitHostPort(machine); err != nil {
		address = net.JoinHostPort(machine, map[string]string{"http": "80", "https": "443"}[parsed.Scheme])
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, ServerName: parsed.Hostname()},
		DisableKeepAlives: true,
	}
	client := &http.Client{Transport: transport, Timeout: longest, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Get(target)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return Answer{}, fmt.Errorf("read the answer of %s: %w", target, err)
	}
	answer := Answer{Status: response.StatusCode, Header: response.Header, Body: string(body), Pod: response.Header.Get("Echo-Pod")}
	if response.TLS != nil {
		answer.Chain = response.TLS.PeerCertificates
	}
	return answer, nil
}
