//go:build integration

package equivalence

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/explain"
	asked "github.com/sluice-ingress/sluice/nginx/request"
)

// explained is the request as package explain takes it.
func (r request) explained() asked.Request {
	out := asked.Request{
		Method: r.method, Target: r.target, Protocol: r.protocol, Host: r.host, Secure: r.secure, ServerName: r.serverName,
		Client: netip.MustParseAddr(r.from), Body: int64(r.body), Headers: []asked.Header{{Name: "X-Request-ID", Value: "equal"}},
	}
	for _, line := range r.header {
		name, value, _ := strings.Cut(line, ":")
		out.Headers = append(out.Headers, asked.Header{Name: name, Value: value})
	}
	if r.chunked {
		out.Headers = append(out.Headers, asked.Header{Name: "Transfer-Encoding", Value: "chunked"})
	}
	return out
}

// oracle says before an answer comes what it will be.
type oracle struct {
	explainer *explain.Explainer
	ports     *strings.Replacer // as in answers
}

func newOracle(t *testing.T, plan controller.Plan, ports *strings.Replacer) oracle {
	t.Helper()
	e, err := explain.New(plan)
	if err != nil {
		t.Fatal(err)
	}
	return oracle{e, ports}
}

// check reports what is explained wrongly. What came before on a connection may have left something there that spoils the next
// request, so that a wrong one is asked again on a new connection.
func (o oracle) check(t *testing.T, p *pair, r request, a answer, seen *tally) {
	t.Helper()
	_, wrong := o.contradictions(r, a, seen)
	if len(wrong) == 0 {
		return
	}
	seen.add("asked again as explained otherwise")
	a = p.ask(r)[0]
	if d, wrong := o.contradictions(r, a, seen); len(wrong) > 0 {
		seen.add("explained wrongly")
		t.Errorf("%s\nis explained wrongly:\n  %s\nsteps: %v\nanswer: %s", r, strings.Join(wrong, "\n  "), d.Steps, a)
	}
}

// longestShown is how long a target may be that pods here can repeat in a header.
const longestShown = 1500

// contradictions are what a decision says that is not so. What it has a reserve about is not compared.
func (o oracle) contradictions(r request, a answer, seen *tally) (explain.Decision, []string) {
	d := o.explainer.Explain(r.explained())
	switch {
	case a.Failed != "":
		return d, nil
	case len(d.NotFollowed) > 0 || d.Outcome.Assumed:
		seen.add("explained with a reserve")
		return d, nil
	}
	outcome := expectedAnswer(d.Outcome)
	var wrong []string
	isHidden := func(b *explain.Backend) bool { // what is no gRPC is refused by pods that speak it, and others answer for that
		return strings.HasPrefix(b.Protocol, "GRPC") && len(b.OnError) > 0 && (servedBy(a) == "" || headerIn(a.Body, "X-Code") == "502")
	}
	isForeign := func(b *explain.Backend) bool { // pods of gRPC that are asked over something else do not say who they are
		return a.Status == http.StatusBadRequest && servedBy(a) == "" && slices.ContainsFunc(addressesOf(b.Shares), func(address string) bool {
			return strings.HasPrefix(address, grpcKind.network+".") || strings.HasPrefix(address, grpcsKind.network+".")
		})
	}
	// A pod that speaks something else does not do as the query asks either, so that nobody answers in its place.
	speaksOther := d.Outcome.Backend != nil && (isForeign(d.Outcome.Backend) || a.Status == http.StatusBadGateway)
	isUnseen := outcome.Backend != nil && (isHidden(outcome.Backend) || len(r.target) > longestShown || r.method == http.MethodHead && servedBy(a) == "")
	if speaksOther || isUnseen {
		seen.add("explained, but nothing is seen of the pod")
		return d, nil
	}
	expect := func(what, got, want string) {
		if got != want {
			wrong = append(wrong, fmt.Sprintf("%s: predicted %q, is %q", what, got, want))
		}
	}
	pod := servedBy(a)
	if outcome.Backend == nil {
		seen.add("explained, NGINX answers")
		expect("pod", "", pod)
		expect("status", strconv.Itoa(outcome.Status), strconv.Itoa(a.Status))
		expect("Location", o.ports.Replace(outcome.Location), a.Header.Get("Location"))
		return d, wrong
	}
	seen.add("explained, a pod answers")
	if addresses := addressesOf(outcome.Backend.Shares); !slices.Contains(addresses, pod) {
		expect("pod", strings.Join(addresses, " or "), pod)
		return d, wrong
	}
	if line, err := strconv.Unquote(a.Header.Get("X-Line")); err == nil {
		sent, _, _ := strings.Cut(line, " HTTP/")
		expect("request line", o.ports.Replace(outcome.Backend.Method+" "+outcome.Backend.URI), o.ports.Replace(sent))
	}
	if r.method != http.MethodHead && strings.HasPrefix(a.Body, pod+" over ") {
		for _, h := range outcome.Backend.Headers {
			if !h.Unknown {
				expect("header "+h.Name, o.ports.Replace(h.Value), headerIn(a.Body, h.Name))
			}
		}
	}
	return d, wrong
}

// headerIn is a header in the head of a request.
func headerIn(head, name string) string {
	var values []string
	for _, line := range strings.Split(head, "\r\n") {
		if key, value, is := strings.Cut(line, ": "); is && strings.EqualFold(key, name) {
			values = append(values, value)
		}
	}
	return strings.Join(values, ", ")
}

// expectedAnswer is the outcome with what pods answer here: they do as the query asks.
func expectedAnswer(o explain.Outcome) explain.Outcome {
	if o.Backend == nil {
		return o
	}
	_, text, is := strings.Cut(o.Backend.URI, "__status=")
	if !is || len(text) < 3 {
		return o
	}
	status, err := strconv.Atoi(text[:3])
	if err != nil {
		return o
	}
	for _, r := range o.Backend.OnError {
		if !slices.Contains(r.Statuses, status) {
			continue
		}
		if r.Status > 0 {
			return explain.Outcome{Status: r.Status}
		}
		backend := explain.Backend{Method: o.Backend.Method, URI: r.URI, Shares: r.Shares}
		return explain.Outcome{Backend: &backend, InPlaceOf: status}
	}
	return o
}

func addressesOf(shares []explain.Share) []string {
	var list []string
	for _, s := range shares {
		for _, e := range s.Endpoints {
			if e.Used {
				list = append(list, e.Address)
			}
		}
	}
	return list
}
