package settings

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sluice-ingress/sluice/nginx/request"
)

// Request are the flags and arguments that describe a request.
type Request struct {
	headers     []string
	cookies     []string
	client      string
	certificate bool
	body        int64
}

// Register adds the flags to a set.
func (a *Request) Register(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&a.headers, "header", "H", nil, "header of the request, as 'Name: value'; may be repeated")
	flags.StringArrayVar(&a.cookies, "cookie", nil, "cookie of the request, as name=value; may be repeated")
	flags.StringVar(&a.client, "client-ip", "", "address of the client, for lists of addresses; without one they are only named")
	flags.BoolVar(&a.certificate, "client-certificate", false, "the client shows a certificate")
	flags.Int64Var(&a.body, "body-size", 0, "length of the body in bytes")
}

// Read is the request that the arguments and flags describe.
func (a *Request) Read(args []string) (request.Request, error) {
	method := "GET"
	if len(args) == 2 {
		method = args[0]
	}
	r, err := request.New(method, args[len(args)-1])
	if err != nil {
		return r, err
	}
	for _, text := range a.headers {
		name, value, has := strings.Cut(text, ":")
		if !has || name == "" {
			return r, fmt.Errorf("--header: %q is not of the form 'Name: value'", text)
		}
		if value = strings.TrimSpace(value); strings.EqualFold(name, "Host") {
			r.Host = value
			continue
		}
		r.Headers = append(r.Headers, request.Header{Name: name, Value: value})
	}
	for _, text := range a.cookies {
		if !strings.Contains(text, "=") {
			return r, fmt.Errorf("--cookie: %q is not of the form name=value", text)
		}
		r.Headers = append(r.Headers, request.Header{Name: "Cookie", Value: text})
	}
	if a.client != "" {
		if r.Client, err = netip.ParseAddr(a.client); err != nil {
			return r, fmt.Errorf("--client-ip: %q is not an address", a.client)
		}
	}
	if a.body < 0 {
		return r, errors.New("--body-size must not be negative")
	}
	r.HasCertificate, r.Body = a.certificate, a.body
	return r, nil
}
