package nginx

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// InquiryUpstream is the block through which services are asked whether requests may pass; see templates/http.tmpl. Whom a worker
// asks is in variables of the inquiry.
const InquiryUpstream = "inquiries"

// InquiryCache is the zone of answers that are remembered.
const InquiryCache = "inquiries"

// Inquiry is an internal location of a server for a subrequest that goes with a request: one that asks a service whether it
// may pass, or one that copies it. Like bodies, inquiries name no object, so that locations with the same settings share one.
type Inquiry struct {
	Name   string // a colon and a hash of all else: no path of a request begins so
	Body   Directives
	Copies bool // nothing is asked: a worker sends a copy that nobody waits for
}

// Ask is the directive that lets requests pass only if the service says so.
func Ask(body Directives) Directive { return subrequest("auth_request", body, false) }

// Mirror is the directive that sends a copy of each request that is passed on.
func Mirror(body Directives) Directive { return subrequest("mirror", body, true) }

func subrequest(directive string, body Directives, copies bool) Directive {
	text, err := body.Encode("")
	sum := sha256.New()
	fmt.Fprintln(sum, text, err) // rendering says what is wrong
	inquiry := &Inquiry{Name: ":" + hex.EncodeToString(sum.Sum(nil)[:8]), Body: body, Copies: copies}
	return Directive{Name: directive, Args: []Arg{Verbatim(inquiry.Name)}, Inquiry: inquiry}
}

// Inquiries are those that locations or shapes of the server make, by name.
func (s *Server) Inquiries() []*Inquiry {
	var list []*Inquiry
	add := func(body Directives) {
		for _, d := range body {
			if d.Inquiry != nil {
				list = append(list, d.Inquiry)
			}
		}
	}
	for _, l := range s.Locations {
		add(l.Body)
	}
	for _, shape := range s.Shapes {
		add(shape.Body)
	}
	slices.SortFunc(list, func(a, b *Inquiry) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b *Inquiry) bool { return a.Name == b.Name })
}

// RemembersAnswers tells whether InquiryCache is needed.
func (c *Config) RemembersAnswers() bool {
	return slices.ContainsFunc(c.Servers, func(s *Server) bool {
		return slices.ContainsFunc(s.Inquiries(), func(i *Inquiry) bool { return i.Body.Say("proxy_cache") })
	})
}
