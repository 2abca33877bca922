package lint

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx"
)

// Reason classes findings; docs/reasons.md explains each.
type Reason = annotations.Reason

// Reasons of what only manifests are told.
const (
	OutdatedVersion  Reason = "OutdatedVersion"
	ExposedService   Reason = "ExposedService"
	HeadlessService  Reason = "HeadlessService"
	SharedHost       Reason = "SharedHost"
	ForeignRegex     Reason = "ForeignRegex"
	LiteralPath      Reason = "LiteralPath"
	ShadowedPath     Reason = "ShadowedPath"
	CertificateEnds  Reason = "CertificateExpiresSoon"
	certificatesSoon        = 30 * 24 * time.Hour
)

// advice is what a plan's objects should be other than.
func advice(p controller.Plan) translate.Problems {
	return slices.Concat(adviceOnServices(p), adviceOnHosts(p), adviceOnPaths(p), adviceOnCertificates(p))
}

// claimed are the Ingresses that are ours, the oldest first.
func claimed(p controller.Plan) []*networkingv1.Ingress {
	return slices.SortedFunc(slices.Values(p.Claimed), cluster.CompareAge)
}

// reference is a Service that a field names.
type reference struct {
	field   string
	service *corev1.Service
}

// servicesOf are the Services that an Ingress sends requests to, each once.
func servicesOf(s cluster.Snapshot, ing *networkingv1.Ingress) []reference {
	var list []reference
	add := func(b *networkingv1.IngressBackend, field string) {
		if b == nil || b.Service == nil {
			return
		}
		service := s.Service(ing.Namespace, b.Service.Name)
		if service != nil && !slices.ContainsFunc(list, func(r reference) bool { return r.service == service }) {
			list = append(list, reference{field + ".service.name", service})
		}
	}
	add(ing.Spec.DefaultBackend, "spec.defaultBackend")
	for r, rule := range ing.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for i := range rule.HTTP.Paths {
			add(&rule.HTTP.Paths[i].Backend, fmt.Sprintf("spec.rules[%d].http.paths[%d].backend", r, i))
		}
	}
	return list
}

func adviceOnServices(p controller.Plan) translate.Problems {
	var list translate.Problems
	for _, ing := range claimed(p) {
		for _, r := range servicesOf(p.Snapshot, ing) {
			name, kind := cluster.NameOf(r.service), r.service.Spec.Type
			problem := translate.Problem{Object: objectOf(ing), Field: r.field}
			switch {
			case kind == corev1.ServiceTypeNodePort || kind == corev1.ServiceTypeLoadBalancer:
				problem.Severity, problem.Reason = cluster.Info, ExposedService
				problem.Message = fmt.Sprintf("Service %s has type %s, so clients can reach it without the controller: without its TLS, lists, limits and authentication", name, kind)
			case r.service.Spec.ClusterIP == corev1.ClusterIPNone && asksForServiceUpstream(p, ing):
				problem.Severity, problem.Reason = cluster.Warning, HeadlessService
				problem.Message = fmt.Sprintf("Service %s is headless and has no address of its own, so service-upstream has no effect; requests go to its endpoints", name)
			default:
				continue
			}
			list = append(list, problem)
		}
	}
	return list
}

func asksForServiceUpstream(p controller.Plan, ing *networkingv1.Ingress) bool {
	var use annotations.Backend
	annotations.ForBackend(valuesOf(p, ing, "service-upstream"), &use)
	return use.ClusterIP
}

// valuesOf are the values of some annotations of an Ingress, without the ConfigMap.
func valuesOf(p controller.Plan, ing *networkingv1.Ingress, names ...string) annotations.Values {
	some := map[string]string{}
	for _, name := range names {
		key := p.AnnotationsPrefix + "/" + name
		some[key] = ing.Annotations[key]
	}
	return annotations.ForIngress(p.AnnotationsPrefix, ing.Namespace, some, annotations.Values{}).Values
}

// adviceOnHosts tells of hosts that Ingresses of several namespaces have.
func adviceOnHosts(p controller.Plan) translate.Problems {
	var list translate.Problems
	first := map[string]*networkingv1.Ingress{}
	for _, ing := range claimed(p) {
		for r, rule := range ing.Spec.Rules {
			host := strings.ToLower(rule.Host)
			older := first[host]
			switch {
			case host == "":
			case older == nil:
				first[host] = ing
			case older.Namespace != ing.Namespace:
				list = append(list, translate.Problem{
					Object: objectOf(ing), Field: fmt.Sprintf("spec.rules[%d].host", r), Severity: cluster.Info, Reason: SharedHost,
					Message: fmt.Sprintf("%s has host %s too; it is older or comes first, so its certificate and its settings of the whole host count", objectOf(older), host),
				})
			}
		}
	}
	return list
}

// defaultServer is what the host of rules without one is called.
const defaultServer = "_"

// rules finds what Ingresses say of a location.
type rules map[cluster.Name]*networkingv1.Ingress

func (all rules) of(l *nginx.Location) *networkingv1.Ingress {
	return all[cluster.Name{Namespace: l.Identity.Namespace, Name: l.Identity.Ingress}]
}

// pathOf finds the path of a rule. Prefix paths have no slash at their end in a location.
func pathOf(ing *networkingv1.Ingress, host, text string) (field string, of networkingv1.PathType, found bool) {
	for r, rule := range ing.Spec.Rules {
		if rule.HTTP == nil || strings.ToLower(cmp.Or(rule.Host, defaultServer)) != host {
			continue
		}
		for i, p := range rule.HTTP.Paths {
			if p.Path == text || strings.TrimRight(p.Path, "/") == strings.TrimRight(text, "/") {
				of = networkingv1.PathTypeImplementationSpecific
				if p.PathType != nil {
					of = *p.PathType
				}
				return fmt.Sprintf("spec.rules[%d].http.paths[%d].path", r, i), of, true
			}
		}
	}
	return "", "", false
}

// adviceOnPaths tells of paths that take other requests than their texts look like.
func adviceOnPaths(p controller.Plan) translate.Problems {
	all := rules{}
	for _, ing := range p.Claimed {
		all[cluster.NameOf(ing)] = ing
	}
	var list translate.Problems
	for _, s := range p.Config.Servers {
		if slices.ContainsFunc(s.Locations, func(l *nginx.Location) bool { return l.Match == nginx.Pattern }) {
			list = append(list, foreignRegex(p, all, s)...)
			list = append(list, shadowed(all, s)...)
		} else {
			list = append(list, literal(all, s)...)
		}
	}
	return list
}

// usesRegex tells whether an Ingress asks for regular expressions itself.
func usesRegex(p controller.Plan, ing *networkingv1.Ingress, path string) bool {
	return annotations.UsesRegex(valuesOf(p, ing, "use-regex", "rewrite-target"), path)
}

// foreignRegex tells Ingresses whose paths are regular expressions only because of others.
func foreignRegex(p controller.Plan, all rules, s *nginx.Server) translate.Problems {
	var list translate.Problems
	told := map[*networkingv1.Ingress]bool{}
	by := slices.IndexFunc(s.Locations, func(l *nginx.Location) bool {
		ing := all.of(l)
		return ing != nil && usesRegex(p, ing, l.Identity.Path)
	})
	if by < 0 {
		return nil
	}
	for _, l := range s.Locations {
		ing := all.of(l)
		if ing == nil || told[ing] || l.Identity.Path == "/" || usesRegex(p, ing, l.Identity.Path) {
			continue
		}
		field, kind, found := pathOf(ing, s.Name, l.Identity.Path)
		if !found || ing == all.of(s.Locations[by]) || kind == networkingv1.PathTypeImplementationSpecific {
			continue
		}
		told[ing] = true
		list = append(list, translate.Problem{
			Object: objectOf(ing), Field: field, Severity: cluster.Warning, Reason: ForeignRegex,
			Message: fmt.Sprintf("%s path %.200q, like all of host %s, is matched as a regular expression without case and without end, because %s has use-regex or rewrite-target",
				kind, l.Identity.Path, s.Name, objectOf(all.of(s.Locations[by]))),
		})
	}
	return list
}

// looksLikeRegex are characters that mean something in regular expressions, and are seldom meant to stand in a URL.
const looksLikeRegex = `()[]{}*^$|\`

// literal tells of paths that look like regular expressions where none are.
func literal(all rules, s *nginx.Server) translate.Problems {
	var list translate.Problems
	told := map[string]bool{}
	for _, l := range s.Locations {
		ing := all.of(l)
		if ing == nil || !strings.ContainsAny(l.Identity.Path, looksLikeRegex) {
			continue
		}
		field, _, found := pathOf(ing, s.Name, l.Identity.Path)
		if key := objectOf(ing).String() + field; found && !told[key] {
			told[key] = true
			list = append(list, translate.Problem{
				Object: objectOf(ing), Field: field, Severity: cluster.Warning, Reason: LiteralPath,
				Message: fmt.Sprintf("%.200q is matched as it stands, as no Ingress of host %s has use-regex or rewrite-target; requests have to have these very characters",
					l.Identity.Path, s.Name),
			})
		}
	}
	return list
}

// shadowed tells of paths that an expression which is tried before takes all requests from. Only what is certain is told:
// the path is plain text, and the expression takes whatever begins with it.
func shadowed(all rules, s *nginx.Server) translate.Problems {
	var list translate.Problems
	for n, l := range s.Locations {
		text := l.Identity.Path
		ing := all.of(l)
		if ing == nil || regexp.QuoteMeta(text) != text {
			continue
		}
		for _, earlier := range s.Locations[:n] {
			if earlier.Owner == l.Owner && earlier.Upstream == l.Upstream || !takesAll(earlier.Path, text) || all.of(earlier) == nil {
				continue
			}
			if field, _, found := pathOf(ing, s.Name, text); found {
				list = append(list, translate.Problem{
					Object: objectOf(ing), Field: field, Severity: cluster.Warning, Reason: ShadowedPath,
					Message: fmt.Sprintf("no request comes here: path %.200q of %s is longer, so it is tried first, and takes them all", earlier.Identity.Path, objectOf(all.of(earlier))),
				})
			}
			break
		}
	}
	return list
}

// takesAll tells whether an expression matches everything that begins with a text, for certain.
func takesAll(expression, text string) bool {
	if strings.ContainsAny(expression, `$\`) {
		return false // it may ask for more than a beginning
	}
	compiled, err := regexp.Compile("(?i)" + expression)
	return err == nil && compiled.MatchString(text)
}

// adviceOnCertificates tells of those that end soon. Those that have ended are Problems.
func adviceOnCertificates(p controller.Plan) translate.Problems {
	var list translate.Problems
	for _, host := range slices.Sorted(p.Certificates.Keys()) {
		c := p.Certificates.At(host)
		left := c.Leaf.NotAfter.Sub(p.Snapshot.Now)
		if left < 0 || left > certificatesSoon {
			continue
		}
		list = append(list, translate.Problem{
			Object: translate.Object{Kind: "Secret", Namespace: c.Secret.Namespace, Name: c.Secret.Name}, Field: "data[" + corev1.TLSCertKey + "]",
			Severity: cluster.Warning, Reason: CertificateEnds,
			Message: fmt.Sprintf("the certificate for host %s expires on %s; it is served on after that, and clients will refuse it", c.Host, c.Leaf.NotAfter.UTC().Format(time.DateOnly)),
		})
	}
	return list
}

func objectOf(i *networkingv1.Ingress) translate.Object {
	return translate.Object{Kind: "Ingress", Namespace: i.Namespace, Name: i.Name}
}
