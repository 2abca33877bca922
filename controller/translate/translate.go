package translate

import (
	"cmp"
	"crypto/x509"
	"time"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// Options are the controller's own settings, as flags give them.
type Options struct {
	Selection         cluster.Selection
	AnnotationsPrefix string            // "nginx.ingress.kubernetes.io" if empty
	ConfigMap         cluster.Name      // the controller's ConfigMap; zero for none
	DefaultBackend    cluster.Name      // Service for what no rule takes; zero answers 404
	DefaultSecret     cluster.Name      // TLS Secret of the default certificate; zero uses SelfSigned
	SelfSigned        nginx.Certificate // default certificate when no Secret gives one
	ReportUnclaimed   bool              // report Ingresses that no class claims

	// DisableExternalName means that backends which are names, not addresses, have no endpoints.
	DisableExternalName bool
	// Zone and Node are where the controller runs, as the label topology.kubernetes.io/zone of its node and the name
	// of that node say it. Services that prefer endpoints close to their clients get those close to it; if one is
	// empty, nothing is preferred by it.
	Zone, Node string

	SharedUpstreams bool // the configuration needs no upstream block of each backend

	Settings dynamic.Settings
	Memory   *Memory // makes later translations cheaper; may be nil
}

// Prefix is that of annotations, without the slash.
func (o Options) Prefix() string { return cmp.Or(o.AnnotationsPrefix, "nginx.ingress.kubernetes.io") }

// Result is what a snapshot means.
type Result struct {
	Config       nginx.Config
	State        dynamic.State
	Problems     Problems
	Good         cluster.Fallback // goes into the next snapshot
	Certificates []CertificateUse
	Ingresses    int                     // how many are served
	Claimed      []*networkingv1.Ingress // those that are not served, too
}

// CertificateUse is a certificate that a host serves.
type CertificateUse struct {
	Host     string
	Secret   cluster.Name
	NotAfter time.Time
}

// Translate says what a snapshot means.
func Translate(s cluster.Snapshot, o Options) Result {
	t := newTranslator(s, o)
	t.gather()
	t.findBackends()
	t.findCertificates()
	t.defaultServer()
	for _, h := range t.hostsInOrder() {
		t.server(h)
	}
	t.redirectServers()
	t.takeOffers()
	t.finish()
	return t.result
}

// translator holds what is being made of one snapshot.
type translator struct {
	snapshot  cluster.Snapshot
	options   Options
	defaults  annotations.Values
	ingresses []*ingress
	hosts     map[string]*host
	order     []*host // see hostsInOrder
	backends  map[string]*backend
	canaries  []*canary                    // by the age of their Ingresses
	hasTLS    map[string]bool              // hosts that have a certificate of their own, be it the default one
	leaves    map[string]*x509.Certificate // of the certificates that are served, by their key in State
	aliases   map[string]bool              // further names that hosts have taken
	inherited map[string]string            // directives that locations need not repeat
	plain     nginx.Location               // a location without any annotation
	seen      map[Problem]bool
	recording *[]Problem // also gets what is reported, while a host is made that is to be remembered
	result    Result
}

func newTranslator(s cluster.Snapshot, o Options) *translator {
	o.AnnotationsPrefix = o.Prefix()
	if o.Memory == nil {
		o.Memory = NewMemory()
	}
	o.Memory.begin(s.ConfigMap(o.ConfigMap.Namespace, o.ConfigMap.Name), o)
	return &translator{
		snapshot: s,
		options:  o,
		hosts:    make(map[string]*host, len(o.Memory.hosts.all)),
		backends: make(map[string]*backend, len(o.Memory.backends.all)),
		hasTLS:   make(map[string]bool, len(o.Memory.hosts.all)),
		leaves:   map[string]*x509.Certificate{},
		aliases:  map[string]bool{},
		seen:     map[Problem]bool{},
		result: Result{
			State: dynamic.State{
				Settings: o.Settings, Backends: make(map[string]dynamic.Backend, len(o.Memory.backends.all)),
				Certificates: map[string]nginx.Certificate{}, Hosts: make(map[string]string, len(o.Memory.hosts.all)),
			},
			Good: cluster.Fallback{Ingresses: make(map[cluster.Name]*networkingv1.Ingress, len(s.Ingresses)), Secrets: map[cluster.Name]*secret{}},
		},
	}
}

// problem reports a Problem, once.
func (t *translator) problem(p Problem) {
	p.Field, p.Message = printable(p.Field), printable(p.Message)
	if t.recording != nil {
		*t.recording = append(*t.recording, p)
	}
	if !t.seen[p] {
		t.seen[p] = true
		t.result.Problems = append(t.result.Problems, p)
	}
}

// lookup lets annotations see the objects they refer to.
type lookup struct{ cluster.Snapshot }

func (l lookup) ConfigMap(namespace, name string) map[string]string {
	if m := l.Snapshot.ConfigMap(namespace, name); m != nil {
		return m.Data
	}
	return nil
}

// gather reads the ConfigMap and picks the Ingresses that are ours, the oldest first.
func (t *translator) gather() {
	t.readConfigMap()
	t.checkClasses()
	selection := t.options.Selection
	for _, object := range t.snapshot.Ingresses {
		claimed, why := selection.Claims(t.snapshot, object)
		if claimed {
			t.result.Claimed = append(t.result.Claimed, object)
		}
		switch {
		case claimed && selection.Refuses(object):
			t.problem(Problem{
				Object: ingressObject(object), Field: "spec.defaultBackend", Severity: cluster.Error, Reason: CatchAllDisabled,
				Message: "the controller allows no default backends (--disable-catch-all); the Ingress is not served",
			})
		case claimed:
			t.accept(object)
		case t.options.ReportUnclaimed:
			t.problem(Problem{
				Object: ingressObject(object), Field: "spec.ingressClassName", Severity: cluster.Info, Reason: NotClaimed,
				Message: "no controller class claims it: " + why,
			})
		}
	}
	t.result.Ingresses = len(t.ingresses)
}

// checkClasses reports what IngressClasses of ours ask for in vain.
func (t *translator) checkClasses() {
	for _, class := range t.snapshot.Classes {
		if class.Spec.Parameters != nil && t.options.Selection.OwnsClass(class) {
			t.problem(Problem{
				Object: Object{Kind: "IngressClass", Name: class.Name}, Field: "spec.parameters", Severity: cluster.Warning,
				Reason: UnsupportedParameters, Message: "classes have no parameters here, so these have no effect",
			})
		}
	}
}

func (t *translator) readConfigMap() {
	name := t.options.ConfigMap
	var data map[string]string
	if name != (cluster.Name{}) {
		object := t.snapshot.ConfigMap(name.Namespace, name.Name)
		if object == nil {
			t.problem(Problem{
				Object: Object{"ConfigMap", name.Namespace, name.Name}, Severity: cluster.Warning, Reason: MissingConfigMap,
				Message: "the controller's ConfigMap does not exist; defaults are used",
			})
		} else {
			data = object.Data
		}
	}
	var findings []annotations.Finding
	t.defaults, findings = annotations.Defaults(data, lookup{t.snapshot})
	http := &t.result.Config.HTTP
	findings = append(findings, annotations.HTTP(t.defaults, http)...)
	http.Headers = annotations.BackendHeaders()
	shared, more := t.shared()
	http.Shared, findings = shared, append(findings, more...)
	http.MaxBody = t.plain.MaxBody
	t.inherited = http.Shared.Groups()
	for _, f := range findings {
		t.problem(Problem{
			Object: Object{"ConfigMap", name.Namespace, name.Name}, Field: "data." + f.Key, Severity: severity(f),
			Reason: f.Reason, Message: f.Message,
		})
	}
}

// shared is the body of a location without any annotation, for each module that speaks to backends, and what is
// wrong with the ConfigMap's part in it.
func (t *translator) shared() (nginx.Directives, []annotations.Finding) {
	var all nginx.Directives
	var findings []annotations.Finding
	have := map[string]bool{}
	for _, p := range []nginx.Protocol{nginx.HTTP1, nginx.GRPC} {
		l := &nginx.Location{Protocol: p}
		findings = append(findings, annotations.Plain(t.defaults, l)...)
		t.plain = *l
		names := map[string]bool{}
		for _, d := range l.Body {
			if !have[d.Name] {
				all = append(all, d)
			}
			names[d.Name] = true
		}
		for name := range names {
			have[name] = true
		}
	}
	return all, findings
}

// ingress is an Ingress of ours with its annotations read.
type ingress struct {
	*networkingv1.Ingress
	values   annotations.Values
	denied   bool     // its paths answer 503
	isCanary bool     // it offers alternatives to the paths of others, and has none itself
	fallback *backend // its own default backend, or nil

	use         annotations.Backend   // of its Services
	useFindings []annotations.Finding // what is wrong with that
	rules       []readRule
}

func (i *ingress) object() Object { return ingressObject(i.Ingress) }

func ingressObject(i *networkingv1.Ingress) Object { return Object{"Ingress", i.Namespace, i.Name} }

// accept takes an Ingress in. One that is refused is replaced by its last good version, if there is one.
func (t *translator) accept(object *networkingv1.Ingress) {
	verdict := t.read(object)
	name := cluster.NameOf(object)
	message := map[annotations.Outcome]string{
		annotations.Deny: "; its paths answer 503", annotations.Refuse: "; the Ingress is not served",
	}[verdict.Outcome]
	if verdict.Outcome == annotations.Deny && annotations.IsCanary(verdict.Values) {
		message = "; the canary takes no requests"
	}
	good := object
	if verdict.Outcome == annotations.Refuse {
		if good = t.snapshot.Fallback.Ingresses[name]; good != nil {
			message = "; its last good version stays in force"
		}
	}
	for _, f := range verdict.Findings {
		t.problem(t.finding(object, f, verdict.Outcome, message))
	}
	if good != nil && good != object {
		verdict = t.read(good)
	}
	if good == nil || verdict.Outcome == annotations.Refuse {
		return
	}
	t.result.Good.Ingresses[name] = good
	t.ingresses = append(t.ingresses, &ingress{
		Ingress: good, values: verdict.Values, denied: verdict.Outcome == annotations.Deny, isCanary: annotations.IsCanary(verdict.Values),
		use: verdict.use, useFindings: verdict.findings, rules: verdict.rules,
	})
}

func (t *translator) read(object *networkingv1.Ingress) rememberedVerdict {
	if v, known := t.options.Memory.verdicts.get(object); known {
		v.Values = v.Values.With(t.defaults)
		return v
	}
	v := rememberedVerdict{Verdict: annotations.ForIngress(t.options.AnnotationsPrefix, object.Namespace, object.Annotations, t.defaults)}
	v.findings, v.rules = annotations.ForBackend(v.Values, &v.use), readRules(object)
	t.options.Memory.verdicts.set(object, v)
	return v
}

// finding makes a Problem of a finding. Unless it costs paths, it is a warning.
func (t *translator) finding(object *networkingv1.Ingress, f annotations.Finding, o annotations.Outcome, consequence string) Problem {
	if f.Outcome == annotations.UseDefault {
		consequence = ""
	}
	field := ""
	if f.Key != "" {
		field = "metadata.annotations[" + t.options.AnnotationsPrefix + "/" + f.Key + "]"
	}
	return Problem{
		Object: ingressObject(object), Field: field, Severity: severity(f), Reason: f.Reason, Message: f.Message + consequence,
	}
}

func severity(f annotations.Finding) cluster.Severity {
	if f.Outcome == annotations.UseDefault {
		return cluster.Warning
	}
	return cluster.Error
}
