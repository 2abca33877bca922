//go:build integration

package equivalence

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"golang.org/x/tools/txtar"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sluice-ingress/sluice/test/golden"
)

const prefix = "nginx.ingress.kubernetes.io/"

// set is what the controller gets to see, beside Services.
type set struct {
	ingresses []*networkingv1.Ingress
	configMap map[string]string
	options   string // as in a golden case
}

// archive is the set as a golden case.
func (s set) archive() *txtar.Archive {
	used := s.services()
	a := s.ownArchive()
	for _, k := range kinds {
		text := k.manifests(func(namespace, service string) bool { return used[namespace+"/"+service] })
		a.Files = append(a.Files, txtar.File{Name: "services-" + k.name + ".yaml", Data: []byte(text)})
	}
	return a
}

// services are those that the set names, as NAMESPACE/NAME.
func (s set) services() map[string]bool {
	used := map[string]bool{}
	for _, i := range s.ingresses {
		if b := i.Spec.DefaultBackend; b != nil {
			used[i.Namespace+"/"+b.Service.Name] = true
		}
		for _, r := range i.Spec.Rules {
			for _, p := range r.HTTP.Paths {
				used[i.Namespace+"/"+p.Backend.Service.Name] = true
			}
		}
	}
	if _, name, is := strings.Cut(s.options, "="); is {
		used[name] = true
	}
	return used
}

func (s set) ownArchive() *txtar.Archive {
	var documents []string
	for _, i := range s.ingresses {
		documents = append(documents, document(i))
	}
	a := &txtar.Archive{Files: []txtar.File{{Name: "ingress.yaml", Data: []byte(strings.Join(documents, "---\n"))}}}
	if len(s.configMap) > 0 {
		a.Files = append(a.Files, txtar.File{Name: "configmap.yaml", Data: []byte(document(map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]string{"name": "controller", "namespace": "ingress-nginx"},
			"data": s.configMap,
		}))})
	}
	if s.options != "" {
		a.Files = append(a.Files, txtar.File{Name: "options", Data: []byte(s.options + "\n")})
	}
	return a
}

func document(object any) string {
	text, err := yaml.Marshal(object)
	if err != nil {
		panic(err) // of types that are made to be marshalled
	}
	return strings.ReplaceAll(string(text), "status:\n  loadBalancer: {}\n", "")
}

// String is the set as a golden case, without the Services.
func (s set) String() string { return string(txtar.Format(s.ownArchive())) }

// bent is the set with all Ingresses changed.
func (s set) bent(bend func(*networkingv1.Ingress)) set {
	s.ingresses = slices.Clone(s.ingresses)
	for n, i := range s.ingresses {
		s.ingresses[n] = i.DeepCopy()
		bend(s.ingresses[n])
	}
	return s
}

// thinned is the set without some of its Ingresses.
func (s set) thinned(random *rand.Rand) set {
	s.ingresses = slices.DeleteFunc(slices.Clone(s.ingresses), func(*networkingv1.Ingress) bool { return random.IntN(3) == 0 })
	return s
}

// shrink leaves out of a set what it needs not have for something to be true of it: Ingresses, then their parts.
func (s set) shrink(isTrue func(set) bool) set {
	for step := max(len(s.ingresses)/2, 1); ; step /= 2 {
		for at := 0; at < len(s.ingresses); {
			less := s
			less.ingresses = slices.Delete(slices.Clone(s.ingresses), at, min(at+step, len(s.ingresses)))
			if isTrue(less) {
				s = less
			} else {
				at += step
			}
		}
		if step == 1 {
			break
		}
	}
	for {
		smaller := s.lessByOne()
		at := slices.IndexFunc(smaller, isTrue)
		if at < 0 {
			return s
		}
		s = smaller[at]
	}
}

// lessByOne are the sets that have one thing less: a path, a rule without any, a field of an Ingress, an annotation, or a
// key of the ConfigMap.
func (s set) lessByOne() []set {
	var list []set
	with := func(n int, change func(*networkingv1.Ingress)) {
		less := s
		less.ingresses = slices.Clone(s.ingresses)
		less.ingresses[n] = s.ingresses[n].DeepCopy()
		change(less.ingresses[n])
		list = append(list, less)
	}
	for n, i := range s.ingresses {
		for r, rule := range i.Spec.Rules {
			if len(i.Spec.Rules) > 1 {
				with(n, func(i *networkingv1.Ingress) { i.Spec.Rules = slices.Delete(i.Spec.Rules, r, r+1) })
			}
			for p := range rule.HTTP.Paths {
				with(n, func(i *networkingv1.Ingress) {
					i.Spec.Rules[r].HTTP.Paths = slices.Delete(i.Spec.Rules[r].HTTP.Paths, p, p+1)
				})
			}
		}
		for _, key := range slices.Sorted(maps.Keys(i.Annotations)) {
			with(n, func(i *networkingv1.Ingress) { delete(i.Annotations, key) })
		}
		if len(i.Spec.TLS) > 0 {
			with(n, func(i *networkingv1.Ingress) { i.Spec.TLS = nil })
		}
		if i.Spec.DefaultBackend != nil && len(i.Spec.Rules) > 0 {
			with(n, func(i *networkingv1.Ingress) { i.Spec.DefaultBackend = nil })
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.configMap)) {
		less := s
		less.configMap = maps.Clone(s.configMap)
		delete(less.configMap, key)
		list = append(list, less)
	}
	if s.options != "" {
		less := s
		less.options = ""
		list = append(list, less)
	}
	return list
}

// ingress is an Ingress that is being made.
type ingress struct{ *networkingv1.Ingress }

func newIngress(name, namespace string) ingress {
	return ingress{&networkingv1.Ingress{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Annotations: map[string]string{}},
	}}
}

func serviceRef(name string, port int32) *networkingv1.IngressServiceBackend {
	return &networkingv1.IngressServiceBackend{Name: name, Port: networkingv1.ServiceBackendPort{Number: port}}
}

// addPath adds a path to the rule of a host, and the rule if there is none. An empty type is none.
func (i ingress) addPath(host, path string, pathType networkingv1.PathType, service *networkingv1.IngressServiceBackend) {
	at := slices.IndexFunc(i.Spec.Rules, func(r networkingv1.IngressRule) bool { return r.Host == host })
	if at < 0 {
		at = len(i.Spec.Rules)
		rule := networkingv1.IngressRule{Host: host}
		rule.HTTP = &networkingv1.HTTPIngressRuleValue{}
		i.Spec.Rules = append(i.Spec.Rules, rule)
	}
	p := networkingv1.HTTPIngressPath{Path: path, Backend: networkingv1.IngressBackend{Service: service}}
	if pathType != "" {
		p.PathType = &pathType
	}
	http := i.Spec.Rules[at].HTTP
	http.Paths = append(http.Paths, p)
}

// maker makes a set.
type maker struct {
	*rand.Rand
	set
	plain, regex []string       // hosts: those without regular expressions, and those with
	used         map[string]int // Services by kind
}

// randomSet makes a set: equal numbers give equal sets.
func randomSet(random *rand.Rand) set {
	m := &maker{Rand: random, used: map[string]int{}}
	pool := slices.Clone(hostPool)
	m.Shuffle(len(pool), func(a, b int) { pool[a], pool[b] = pool[b], pool[a] })
	m.plain, m.regex = pool[:3+m.IntN(3)], pool[6:8+m.IntN(2)]
	for n := range 9 + m.IntN(8) {
		m.addIngress(fmt.Sprintf("i%02d", n))
	}
	for n := range 3 + m.IntN(4) {
		m.addCanary(fmt.Sprintf("c%d", n))
	}
	for n := range pick(m, []int{0, 0, 1, 1, 2}) {
		i := m.newIngress(fmt.Sprintf("d%d", n))
		i.Spec.DefaultBackend = &networkingv1.IngressBackend{Service: m.service(i)}
		m.trait(i)
		m.ingresses = append(m.ingresses, i.Ingress)
	}
	if m.chance(30) {
		m.options = "default-backend-service=shop/" + plainKind.service(0)
	}
	if m.chance(60) {
		m.configMap = map[string]string{}
		for range 1 + m.IntN(5) {
			entry := pick(m, configPool)
			m.configMap[entry.key] = pick(m, entry.values)
		}
	}
	return m.set
}

func (m *maker) chance(percent int) bool { return m.IntN(100) < percent }

func pick[T any](random interface{ IntN(int) int }, list []T) T { return list[random.IntN(len(list))] }

// created is when the oldest Ingresses were made. Some are of one age: then names decide.
var created = golden.Now.AddDate(0, -1, 0)

func (m *maker) newIngress(name string) ingress {
	namespace := "shop"
	if m.chance(8) {
		namespace = "other"
	}
	i := newIngress(name, namespace)
	i.CreationTimestamp = metav1.NewTime(created.Add(time.Duration(m.IntN(6)) * time.Hour))
	return i
}

// addIngress adds one with some rules, paths and annotations.
func (m *maker) addIngress(name string) {
	i := m.newIngress(name)
	usesRegex := m.chance(30)
	hosts := m.plain
	if usesRegex {
		hosts = m.regex
		m.regexTrait(i)
	} else if m.chance(25) {
		hosts = m.regex
	}
	for range pick(m, []int{0, 0, 0, 1, 1, 1, 2, 2, 3}) {
		m.trait(i)
	}
	for range 1 + m.IntN(2) {
		host := pick(m, hosts)
		for range 1 + m.IntN(4) {
			m.addPath(i, host, usesRegex && m.chance(75))
		}
		if m.chance(15) {
			i.Spec.TLS = append(i.Spec.TLS, networkingv1.IngressTLS{Hosts: []string{host}})
		}
	}
	if m.chance(15) {
		i.Spec.DefaultBackend = &networkingv1.IngressBackend{Service: m.service(i)}
	}
	m.ingresses = append(m.ingresses, i.Ingress)
}

func (m *maker) addPath(i ingress, host string, isRegex bool) {
	pathType := pick(m, []networkingv1.PathType{
		networkingv1.PathTypePrefix, networkingv1.PathTypePrefix, networkingv1.PathTypePrefix, networkingv1.PathTypeExact, networkingv1.PathTypeExact,
		networkingv1.PathTypeImplementationSpecific, "",
	})
	path := pick(m, plainPaths)
	if isRegex {
		path = pick(m, regexPaths).text
	}
	i.addPath(host, path, pathType, m.service(i))
	if m.chance(20) {
		twin := networkingv1.PathTypeExact
		if pathType == networkingv1.PathTypeExact {
			twin = networkingv1.PathTypePrefix
		}
		i.addPath(host, path, twin, m.service(i))
	}
	if m.chance(10) {
		path = strings.TrimSuffix(path, "/") + pick(m, []string{"/", "//"})
		i.addPath(host, path, pathType, m.service(i))
	}
}

// service is mostly one that nothing else in the set uses, so that an answer tells which path it came by.
func (m *maker) service(i ingress) *networkingv1.IngressServiceBackend {
	switch m.IntN(30) {
	case 0:
		return serviceRef("empty", 80)
	case 1:
		return serviceRef("nowhere", 80)
	}
	k := plainKind
	switch protocol := i.Annotations[prefix+"backend-protocol"]; {
	case i.Namespace == otherKind.namespace:
		k = otherKind
	case protocol == "GRPC":
		k = grpcKind
	case protocol == "GRPCS":
		k = grpcsKind
	}
	n := m.used[k.name]
	m.used[k.name]++
	if n >= k.count || m.chance(10) {
		n = m.IntN(k.count)
	}
	ref := serviceRef(k.service(n), 80)
	switch m.IntN(10) {
	case 0:
		ref.Port.Number = 8080
	case 1:
		ref.Port = networkingv1.ServiceBackendPort{Name: "http"}
	}
	return ref
}

// addCanary adds a canary for some path of the set, or sometimes for one that is not there. It takes all requests that its
// header or cookie says, or none: shares are random.
func (m *maker) addCanary(name string) {
	main := pick(m, m.ingresses)
	for len(main.Annotations) > 0 && m.chance(80) { // most annotations let few requests get as far as a canary
		main = pick(m, m.ingresses)
	}
	rule := pick(m, main.Spec.Rules)
	path := pick(m, rule.HTTP.Paths)
	i := newIngress(name, main.Namespace)
	if m.chance(10) {
		path.Path += "x"
	}
	i.Annotations[prefix+"canary"] = "true"
	for _, t := range pick(m, canaryTraits) {
		i.Annotations[prefix+t.key] = pick(m, t.values)
	}
	var pathType networkingv1.PathType
	if path.PathType != nil {
		pathType = *path.PathType
	}
	protocol := ingress{main}
	i.addPath(rule.Host, path.Path, pathType, m.service(protocol))
	m.ingresses = append(m.ingresses, i.Ingress)
}

// trait gives an Ingress some annotations that belong together.
func (m *maker) trait(i ingress) { m.annotate(i, pick(m, traits)) }

func (m *maker) regexTrait(i ingress) { m.annotate(i, pick(m, regexTraits)) }

func (m *maker) annotate(i ingress, some []choice) {
	for _, c := range some {
		i.Annotations[prefix+c.key] = pick(m, c.values)
	}
}
