//go:build integration

package equivalence

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/nginx"
)

// tally counts what the sets had and what the requests met, so that nobody takes a test for one that has stopped to try
// something.
type tally struct{ counts map[string]int }

func newTally() *tally { return &tally{map[string]int{}} }

func (y *tally) add(format string, args ...any) { y.counts[fmt.Sprintf(format, args...)]++ }

// offer is a path that a Service serves.
type offer struct {
	host, path  string
	annotations map[string]string
	isExact     bool
	isRegex     bool // the host matches by regular expressions
	isTwin      bool
	isCanary    bool
	isFallback  bool
}

// offersOf lists the offers of each pod of a set by its address.
func offersOf(s set, plan controller.Plan) map[string][]offer {
	regex, types := map[string]bool{}, map[string]int{}
	for _, server := range plan.Config.Servers {
		for _, l := range server.Locations {
			regex[server.Name] = regex[server.Name] || l.Match == nginx.Pattern
			if l.Identity.IsExactTwin {
				types[server.Name+l.Identity.Path]++
			}
		}
	}
	offers := map[string][]offer{}
	for _, i := range s.ingresses {
		if b := i.Spec.DefaultBackend; b != nil {
			a := podAddress(i.Namespace, b.Service.Name)
			offers[a] = append(offers[a], offer{isFallback: true, annotations: i.Annotations})
		}
		for _, r := range i.Spec.Rules {
			for _, p := range r.HTTP.Paths {
				a := podAddress(i.Namespace, p.Backend.Service.Name)
				host := strings.ToLower(r.Host)
				if host == "" {
					host = "_"
				}
				offers[a] = append(offers[a], offer{
					host: host, path: p.Path, annotations: i.Annotations,
					isExact: p.PathType != nil && *p.PathType == "Exact", isRegex: regex[host], isTwin: types[host+p.Path] > 0,
					isCanary: i.Annotations[prefix+"canary"] == yes,
				})
			}
		}
	}
	return offers
}

// podAddress is the address of the pod of a Service.
func podAddress(namespace, service string) string {
	for _, k := range kinds {
		for n := range k.count {
			if k.namespace == namespace && k.service(n) == service {
				return k.address(n)
			}
		}
	}
	return ""
}

// plan counts what a set has.
func (y *tally) plan(s set, plan controller.Plan) {
	for _, i := range s.ingresses {
		for key := range i.Annotations {
			y.add("annotation %s", strings.TrimPrefix(key, prefix))
		}
	}
	for key := range s.configMap {
		y.add("ConfigMap %s", key)
	}
	for _, p := range plan.Problems {
		y.add("reason %s", p.Reason)
	}
	for _, server := range plan.Config.Servers {
		for _, l := range server.Locations {
			for name, is := range map[string]bool{
				"denied": l.Denied, "redirect": l.Return != nil, "to https": l.ToHTTPS != nil, "rewrite": l.Rewrite != nil,
				"twin": l.Identity.IsExactTwin, "without backend": l.Upstream == "",
			} {
				if is {
					y.add("location %s", name)
				}
			}
		}
		if server.RedirectTo != "" {
			y.add("server www")
		}
		if server.Name == "" {
			y.add("server of aliases in the clear")
		}
	}
}

// answer counts what a request was and what it met.
func (y *tally) answer(offers map[string][]offer, r request, a answer) {
	if a.Failed != "" {
		y.add("no answer")
		return
	}
	y.add("status %d", a.Status)
	y.add("method %s", r.method)
	for _, c := range r.changes {
		y.add("path %s", c)
	}
	pod := servedBy(a)
	y.add("host %s", r.hostKind)
	if pod == "" {
		y.refusal(r, a)
		return
	}
	y.add("host %s, served", r.hostKind)
	for _, c := range r.changes {
		y.add("path %s, served", c)
	}
	// A Service that several paths use does not tell which was taken.
	if list := offers[pod]; len(list) == 1 {
		y.service(list[0], r, a)
	}
}

// servedBy is the address of the pod that answered, or "".
func servedBy(a answer) string {
	if pod := a.Header.Get("X-Pod"); pod != "" {
		return pod
	}
	_, rest, _ := strings.Cut(a.Body, `"pod":"`)
	pod, _, _ := strings.Cut(rest, `"`)
	return pod
}

// refusal counts who answered if no pod did.
func (y *tally) refusal(r request, a answer) {
	location := a.Header.Get("Location")
	if location == "" {
		y.add("NGINX answers %d", a.Status)
		// NGINX itself takes these. A name it does not take is refused before.
		if a.Status == http.StatusBadRequest && slices.Equal(r.changes, []string{controlByte}) && r.hostKind != "malformed" {
			y.add("control byte refused")
		}
		return
	}
	y.add("redirect %s", redirectKind(r, location))
	if strings.HasPrefix(location, "/") {
		y.add("redirect relative")
	}
}

func redirectKind(r request, location string) string {
	scheme, rest, isAbsolute := strings.Cut(location, "://")
	host, path, _ := strings.Cut(rest, "/")
	if !isAbsolute {
		scheme, host, path = "", "", strings.TrimPrefix(location, "/")
	}
	bare := func(host string) string {
		host, _, _ = strings.Cut(strings.ToLower(host), ":")
		return strings.TrimPrefix(host, "www.")
	}
	sent, _, _ := strings.Cut(r.target, "?")
	reached, _, _ := strings.Cut(path, "?")
	switch {
	case strings.Contains(location, temporalHost):
		return "temporal"
	case strings.Contains(location, permanentHost):
		return "permanent"
	case strings.Contains(location, rewriteHost), strings.HasPrefix(path, "x/"):
		return "of rewrite-target"
	case strings.HasPrefix("/"+path, rootTarget):
		return "to the application root"
	case bare(host) == bare(r.host) && strings.HasPrefix(host, "www.") != strings.HasPrefix(strings.ToLower(r.host), "www."):
		return "from or to www"
	case strings.HasSuffix(reached, "/") && !strings.HasSuffix(sent, "/"):
		return "to the slash"
	case scheme == "https":
		return "to https"
	}
	return "other"
}

// service counts by which kind of match, and through which features, a pod was reached.
func (y *tally) service(o offer, r request, a answer) {
	path, _, _ := strings.Cut(r.target, "?")
	twin := ""
	if o.isTwin {
		twin = " twin"
	}
	switch {
	case o.isCanary:
		y.add("match canary")
	case o.isFallback:
		y.add("match default backend")
	case o.isRegex:
		y.add("match pattern%s", twin)
	case o.isExact:
		y.add("match Exact%s", twin)
	case path == o.path:
		y.add("match Prefix%s, itself", twin)
	default:
		y.add("match Prefix%s, below", twin)
	}
	if strings.HasPrefix(o.host, "*") {
		y.add("match wildcard")
	}
	for key := range o.annotations {
		y.add("served with %s", strings.TrimPrefix(key, prefix))
	}
	if protocol := o.annotations[prefix+"backend-protocol"]; protocol != "" {
		y.add("served over %s", protocol)
	}
	if r.method != http.MethodHead && strings.Contains(a.Body, "X-Forwarded-Prefix: ") && o.annotations[prefix+"x-forwarded-prefix"] != "" {
		y.add("sent X-Forwarded-Prefix")
	}
	if line := a.Header.Get("X-Line"); line != "" && !strings.Contains(line, " "+r.target+" ") {
		y.add("sent another target")
	}
}

func (y *tally) String() string {
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(y.counts)) {
		fmt.Fprintf(&b, "%7d  %s\n", y.counts[what], what)
	}
	return b.String()
}

// checkComplete fails the test if something that is meant to be tried was not.
func (y *tally) checkComplete(t *testing.T) {
	t.Helper()
	for _, what := range slices.Compact(slices.Sorted(slices.Values(expected()))) {
		if y.counts[what] == 0 {
			t.Errorf("%q never occurred", what)
		}
	}
}
