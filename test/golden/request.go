package golden

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Request is a request of a case with what must come back. In a case it is a block of lines:
//
//	GET https://web.example.com/a?b     method and URL; the path is sent as it stands
//	> X-Sent: value                     request headers; "> body TEXT" a body; "> body-size N" a body of N bytes;
//	                                    "> from ADDRESS" the client's address; "> times N" send it N times;
//	                                    "> certificate NAME" a client certificate, as in good/alice, see pki.go;
//	                                    "> http 2" over HTTP/2;
//	                                    "> proxy-protocol TEXT" the text first, as in "PROXY TCP4 192.0.2.7 192.0.2.1 4711 443";
//	                                    "> cipher NAME" TLS 1.2 with no other cipher, as OpenSSL calls it;
//	                                    "> sni NAME" another server name than the URL's host, "> sni none" none
//	< 200                               status, or "< handshake refused"
//	< Location: value                   response header; "< Name:" must be absent; "< body TEXT" is contained;
//	                                    "< certificate NAME" the server's certificate has it as its first DNS name
//	^ service echo                      what the pod saw: service, path, method, host, tls yes, client and
//	                                    the subject of the certificate it was shown, or "^ none"
//	^ X-Seen: value                     a header the pod saw; "^ Name:" must be absent
type Request struct {
	Line   int
	Method string
	URL    *url.URL
	Target string // path and query as written
	Header http.Header
	Body   string
	From   string
	Proxy  string // header of the PROXY protocol, without its line end; "" for none
	Times  int
	SNI    *string // instead of the URL's host
	Cipher uint16  // the only one that the client has, over TLS 1.2; 0 for any
	HTTP2  bool    // always for gRPC
	Client string  // name of the certificate that the client shows; "" for none

	Status      int
	WantHeader  []Pair
	WantBody    string
	Certificate string // first DNS name of the server's certificate; "" is not looked at
	NoUpstream  bool
	Upstream    []Pair // lower-case words without colon, or header names
}

// Pair is a name with the value it must have; an empty value means absent.
type Pair struct {
	Name, Value string
	IsHeader    bool
}

func parseRequests(text string) ([]Request, error) {
	var list []Request
	scanner := bufio.NewScanner(strings.NewReader(text))
	for n := 1; scanner.Scan(); n++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var err error
		switch mark, rest, _ := strings.Cut(line, " "); mark {
		case ">", "<", "^":
			if len(list) == 0 {
				return nil, fmt.Errorf("requests, line %d: no request stands before it", n)
			}
			err = list[len(list)-1].read(mark, rest)
		default:
			var r Request
			r, err = newRequest(mark, rest)
			r.Line = n
			list = append(list, r)
		}
		if err != nil {
			return nil, fmt.Errorf("requests, line %d: %w", n, err)
		}
	}
	for _, r := range list {
		if r.Status == 0 {
			return nil, fmt.Errorf("requests, line %d: no status is expected", r.Line)
		}
	}
	return list, nil
}

func newRequest(method, address string) (Request, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return Request{}, fmt.Errorf("%q is not a request", method+" "+address)
	}
	host, path, _ := strings.Cut(rest, "/")
	u := &url.URL{Scheme: scheme, Host: host}
	return Request{Method: method, URL: u, Target: "/" + path, Header: http.Header{}, Times: 1}, nil
}

func (r *Request) read(mark, rest string) error {
	name, value, isHeader := strings.Cut(rest, ":")
	if strings.Contains(name, " ") {
		isHeader = false
	}
	value = strings.TrimSpace(value)
	if !isHeader {
		name, value, _ = strings.Cut(rest, " ")
	}
	switch mark {
	case ">":
		return r.readSent(name, value, isHeader)
	case "<":
		return r.readAnswer(name, value, isHeader)
	}
	if rest == "none" {
		r.NoUpstream = true
		return nil
	}
	r.Upstream = append(r.Upstream, Pair{name, value, isHeader})
	return nil
}

func (r *Request) readSent(name, value string, isHeader bool) error {
	var err error
	switch {
	case isHeader:
		r.Header.Add(name, value)
	case name == "body":
		r.Body = value
	case name == "body-size":
		var n int
		n, err = strconv.Atoi(value)
		r.Body = strings.Repeat("x", n)
	case name == "from":
		r.From = value
	case name == "proxy-protocol":
		r.Proxy = value
	case name == "times":
		r.Times, err = strconv.Atoi(value)
	case name == "certificate":
		r.Client = value
	case name == "http":
		r.HTTP2 = value == "2"
	case name == "cipher":
		at := slices.IndexFunc(tls.CipherSuites(), func(c *tls.CipherSuite) bool { return opensslName(c.Name) == value })
		if at < 0 {
			return fmt.Errorf("there is no cipher %s", value)
		}
		r.Cipher = tls.CipherSuites()[at].ID
	case name == "sni":
		if value == "none" {
			value = ""
		}
		r.SNI = &value
	default:
		err = fmt.Errorf("%q is not known", name)
	}
	return err
}

// noHandshake is the status of requests that are not sent, as there is no handshake.
const noHandshake = -1

// opensslName is what OpenSSL calls a cipher that the standard library has.
func opensslName(name string) string {
	name = strings.TrimSuffix(strings.Replace(name, "_WITH_AES_", "_AES", 1), "_SHA256")
	if !strings.Contains(name, "SHA384") {
		name += "_SHA256"
	}
	return strings.ReplaceAll(strings.TrimPrefix(name, "TLS_"), "_", "-")
}

func (r *Request) readAnswer(name, value string, isHeader bool) error {
	if isHeader {
		r.WantHeader = append(r.WantHeader, Pair{name, value, true})
		return nil
	}
	switch name {
	case "handshake":
		r.Status = noHandshake
		return nil
	case "body":
		r.WantBody = value
		return nil
	case "certificate":
		r.Certificate = value
		return nil
	}
	var err error
	r.Status, err = strconv.Atoi(name)
	return err
}
