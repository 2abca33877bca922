package ocsp

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"

	"golang.org/x/crypto/ocsp"
)

// Result is how a question ended.
type Result string

// The results.
const (
	Good        Result = "good"
	Revoked     Result = "revoked"
	Unknown     Result = "unknown"     // to the responder
	NoIssuer    Result = "no_issuer"   // the chain lacks who could have signed the answer
	Refused     Result = "refused"     // we do not connect to where the responder is
	Unreachable Result = "unreachable" // no connection, or no answer in time
	BadAnswer   Result = "bad_answer"  // by its status, size, form or signature
	Stale       Result = "stale"       // its time is over, or has not begun
	NoRoom      Result = "no_room"     // all answers together are too large
)

// failure is an error with its Result.
type failure struct {
	result Result
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func resultOf(err error) Result {
	var f *failure
	switch {
	case err == nil:
		return Good
	case errors.As(err, &f):
		return f.result
	}
	return BadAnswer
}

var (
	errNoRoom    = fmt.Errorf("the answers of all responders together are larger than %d MiB", mostStaples>>20)
	errShort     = errors.New("the answer is good for too short a time")
	errForbidden = errors.New("the responder is on this machine or its link, a metadata service, or a group")
)

const (
	mostAnswer  = 16 << 10 // bytes
	mostURL     = 2000     // likewise
	connectTime = time.Second
	answerTime  = 2 * time.Second
	skew        = 5 * time.Minute // that responders' clocks may be ahead
)

// answer is what a responder said, and until when it holds, zero if that is open.
type answer struct {
	response []byte
	until    time.Time
}

// asker asks responders over HTTP.
type asker struct{ client *http.Client }

// newAsker returns one that connects to no address that is refused, whatever name leads there. It uses no proxy, which would resolve
// names by itself, and follows no redirects: RFC 6960 has none.
func newAsker(refuses func(netip.Addr) bool) asker {
	dialer := net.Dialer{Timeout: connectTime, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || refuses(to.Addr()) {
			return &failure{Refused, errForbidden}
		}
		return nil
	}}
	return asker{&http.Client{
		Timeout: connectTime + answerTime,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: connectTime, ResponseHeaderTimeout: answerTime,
			MaxResponseHeaderBytes: mostAnswer, MaxIdleConns: mostOpen, MaxIdleConnsPerHost: mostOfOne, IdleConnTimeout: 10 * time.Second,
			DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (a asker) close() { a.client.CloseIdleConnections() }

// about asks about the first certificate of a chain in PEM. An error says why there is no answer that clients could be given.
func (a asker) about(ctx context.Context, chain string) (answer, error) {
	leaf, issuer, err := read(chain)
	if err != nil {
		return answer{}, err
	}
	question, err := ocsp.CreateRequest(leaf, issuer, nil) // by SHA-1, as RFC 5019 has it
	if err != nil {
		return answer{}, &failure{NoIssuer, fmt.Errorf("name the certificate: %w", err)}
	}
	var last error
	for _, responder := range leaf.OCSPServer[:min(len(leaf.OCSPServer), 2)] {
		response, err := a.post(ctx, responder, question)
		if err != nil {
			last = err
			continue
		}
		until, err := verify(response, leaf, issuer, time.Now())
		return answer{response, until}, err
	}
	return answer{}, last
}

// read finds a certificate and its issuer in a chain.
func read(chain string) (leaf, issuer *x509.Certificate, err error) {
	for rest := []byte(chain); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		switch {
		case err != nil:
			return nil, nil, &failure{NoIssuer, fmt.Errorf("read the chain: %w", err)}
		case leaf == nil:
			leaf = c
		case leaf.CheckSignatureFrom(c) == nil:
			return leaf, c, nil
		}
	}
	if leaf == nil || len(leaf.OCSPServer) == 0 {
		return nil, nil, &failure{NoIssuer, errors.New("the certificate names no responder")}
	}
	return nil, nil, &failure{NoIssuer, errors.New("the chain does not hold the certificate's issuer")}
}

// post sends a question, and returns what comes back.
func (a asker) post(ctx context.Context, responder string, question []byte) ([]byte, error) {
	to, err := url.Parse(responder)
	if err != nil || len(responder) > mostURL || to.Scheme != "http" && to.Scheme != "https" || to.Host == "" || to.User != nil {
		return nil, &failure{Refused, errors.New("the responder is no address of http or https")}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(question))
	if err != nil {
		return nil, &failure{Refused, fmt.Errorf("ask the responder: %w", err)}
	}
	request.Header.Set("Content-Type", "application/ocsp-request")
	request.Header.Set("Accept", "application/ocsp-response")
	response, err := a.client.Do(request)
	if err != nil {
		return nil, unreachable(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, &failure{BadAnswer, fmt.Errorf("the responder answers with status %d", response.StatusCode)}
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer+1))
	switch {
	case err != nil:
		return nil, unreachable(err)
	case len(text) > mostAnswer:
		return nil, &failure{BadAnswer, fmt.Errorf("the answer is longer than %d bytes", mostAnswer)}
	}
	return text, nil
}

// unreachable leaves the URL out, which may be long.
func unreachable(err error) error {
	var refused *failure
	if errors.As(err, &refused) {
		return refused
	}
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	return &failure{Unreachable, fmt.Errorf("ask the responder: %w", err)}
}

// verify checks that an answer says of a certificate that it is good, now, and that the issuer says so or whom it has delegated that to
// (RFC 6960, 3.2 and 4.2.2.2). It returns until when that holds, zero if that is open.
func verify(text []byte, leaf, issuer *x509.Certificate, now time.Time) (until time.Time, err error) {
	r, err := ocsp.ParseResponseForCert(text, leaf, issuer)
	if err != nil {
		return time.Time{}, &failure{BadAnswer, fmt.Errorf("read the answer: %w", err)}
	}
	until = r.NextUpdate
	if by := r.Certificate; by != nil && !by.Equal(issuer) {
		if !slices.Contains(by.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) {
			return time.Time{}, &failure{BadAnswer, errors.New("the answer is signed by a certificate that is not for that")}
		}
		if now.Before(by.NotBefore) || now.After(by.NotAfter) {
			return time.Time{}, &failure{Stale, errors.New("the answer is signed by a certificate that is not valid now")}
		}
		if until.IsZero() || by.NotAfter.Before(until) {
			until = by.NotAfter
		}
	}
	switch {
	case r.Status == ocsp.Revoked:
		return time.Time{}, &failure{Revoked, errors.New("the certificate is revoked")}
	case r.Status != ocsp.Good:
		return time.Time{}, &failure{Unknown, errors.New("the responder does not know the certificate")}
	case r.ThisUpdate.After(now.Add(skew)):
		return time.Time{}, &failure{Stale, errors.New("the answer is of the future")}
	case !r.NextUpdate.IsZero() && !r.NextUpdate.After(now):
		return time.Time{}, &failure{Stale, errors.New("the answer is out of date")}
	}
	return until, nil
}
