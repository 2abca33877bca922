package annotations

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/geoip"
)

// Values are the settings in force for one Ingress, or for the controller as a whole. They are never changed
// once they have been read, so copies may share their maps.
type Values struct {
	own    map[string]any // from annotations, by key
	global map[string]any // from the ConfigMap, by key
	Lookup Lookup
	// Namespace is the Ingress's own; references without a namespace mean it.
	Namespace string
	// NoFirewall tells that NGINX's module for ModSecurity is not installed.
	NoFirewall bool
	// Databases are those of MaxMind that the administrator asks for.
	Databases []geoip.Database
	// badGuards are what the ConfigMap says of guards without being understood. They deny everything but
	// the Ingresses that give the guard themselves.
	badGuards []badGuard
}

// badGuard is a guard that the ConfigMap asks for in vain.
type badGuard struct {
	key       string // of the setting, "" if there is none
	configKey string
}

// Lookup finds objects that annotations refer to. It returns nil for what does not exist.
type Lookup interface {
	// ConfigMap returns the data of a ConfigMap.
	ConfigMap(namespace, name string) map[string]string
	// Credentials returns what a Secret holds for TLS. An error completes a sentence that begins with the Secret.
	Credentials(namespace, name string) (*Credentials, error)
	// Secret returns the data of a Secret.
	Secret(namespace, name string) map[string][]byte
}

// Credentials are what a Secret holds for TLS, read and written anew, so that NGINX finds in it what was checked.
type Credentials struct {
	Authorities string             // ca.crt, PEM; "" if there is none
	Revoked     string             // ca.crl, the same
	Pair        *nginx.Certificate // tls.crt and tls.key; nil unless it has both
}

// Finding is something wrong with one annotation or key.
type Finding struct {
	Key     string // without prefix; "" if no annotation of the Ingress is to blame
	Reason  Reason
	Message string  // says what is done instead, unless the Outcome says it
	Outcome Outcome // what it did to the Ingress
}

// Reason classes findings; the words are documented in docs/reasons.md.
type Reason string

const (
	// InvalidValue is a value that its setting does not take.
	InvalidValue Reason = "InvalidAnnotationValue"
	// Unsupported is an annotation of ingress-nginx that does not exist here.
	Unsupported Reason = "UnsupportedAnnotation"
	// Unknown is a key under our prefix that nobody knows.
	Unknown Reason = "UnknownAnnotation"
	// MissingConfigMap is a ConfigMap that something refers to and that does not exist.
	MissingConfigMap Reason = "MissingConfigMap"
	// MissingSecret is a reference to a Secret that does not exist.
	MissingSecret Reason = "MissingSecret"
	// InvalidCertificate is a Secret that does not hold what it is needed for.
	InvalidCertificate Reason = "InvalidCertificate"
	// NoEffect is a key of ingress-nginx's ConfigMap that there is nothing for to act on.
	NoEffect Reason = "KeyWithoutEffect"
	// Conflict is a value that contradicts another.
	Conflict Reason = "ConflictingAnnotations"
	// NotAllowed is an annotation that the controller's ConfigMap keeps Ingresses from having.
	NotAllowed Reason = "AnnotationNotAllowed"
)

// Verdict is what reading the annotations of one Ingress came to.
type Verdict struct {
	Values   Values
	Findings []Finding
	Outcome  Outcome // the worst of all findings
}

// maxValue is the longest value that is looked at. The API server takes no more for all annotations of an
// object together.
const maxValue = 256 << 10

// ForIngress reads the annotations of an Ingress. Prefix is without the slash; defaults come from
// Defaults.
func ForIngress(prefix, namespace string, annotations map[string]string, defaults Values) Verdict {
	v := Verdict{Values: Values{
		own: map[string]any{}, global: defaults.global, badGuards: defaults.badGuards, NoFirewall: defaults.NoFirewall, Databases: defaults.Databases,
		Lookup: defaults.Lookup, Namespace: namespace,
	}}
	for _, key := range sortedKeys(annotations) {
		name, ours := strings.CutPrefix(key, prefix+"/")
		text := annotations[key]
		if !ours || text == "" {
			continue // an empty annotation is as good as none
		}
		if why := v.Values.forbids(name, text); why != "" {
			v.add(Finding{Key: name, Reason: NotAllowed, Message: why}, Refuse)
			continue
		}
		setting, known := settingsByName[name]
		if !known {
			v.unknown(name, text)
			continue
		}
		if setting.about().scope == PerController {
			v.add(Finding{Key: name, Reason: Unknown, Message: "this is a key of the controller's ConfigMap and has no effect as an annotation"}, UseDefault)
			continue
		}
		if about := setting.about(); name != about.key && annotations[prefix+"/"+about.key] != "" {
			v.add(Finding{Key: name, Reason: Conflict, Message: "it is another name of " + about.key + ", which is given too; this one is not used"}, UseDefault)
			continue
		}
		v.read(setting, name, text)
	}
	for _, guard := range v.Values.unreadable() {
		v.add(Finding{Key: guard.key, Reason: InvalidValue, Message: fmt.Sprintf("it depends on the key %s of the controller's ConfigMap, which cannot be used", guard.configKey)}, Deny)
	}
	return v
}

func (v *Verdict) read(setting AnySetting, name, text string) {
	about := setting.about()
	value, err := parse(setting, text)
	if err == nil {
		value, findings := setting.allowed(v.Values, value)
		for _, f := range findings {
			f.Key = name
			v.add(f, about.outcome)
		}
		if len(findings) == 0 {
			v.Values.own[about.key] = value
		}
		return
	}
	f := Finding{Key: name, Reason: InvalidValue, Message: about.show(text) + " " + err.Error()}
	if about.outcome == UseDefault {
		f.Message += instead(setting, Values{global: v.Values.global})
	}
	v.add(f, about.outcome)
}

func parse(setting AnySetting, text string) (any, error) {
	if len(text) > maxValue {
		return nil, fmt.Errorf("is longer than %d bytes", maxValue)
	}
	return setting.parse(text)
}

// instead ends a message about a value that is not used.
func instead(setting AnySetting, rest Values) string {
	if text := setting.textIn(rest); text != "" {
		return "; " + text + " is used"
	}
	return "; it is ignored"
}

func (v *Verdict) add(f Finding, o Outcome) {
	f.Outcome = o
	v.Findings = append(v.Findings, f)
	v.Outcome = max(v.Outcome, o)
}

func (v *Verdict) unknown(name, text string) {
	if foreign, ok := notYet[name]; ok {
		switch {
		case foreign.asksNothing(text):
		case foreign.outcome == UseDefault:
			v.add(Finding{Key: name, Reason: Unsupported, Message: "this annotation is not supported yet and has no effect"}, UseDefault)
		default:
			v.add(Finding{Key: name, Reason: Unsupported, Message: "this annotation is not supported yet"}, foreign.outcome)
		}
		return
	}
	message := "no annotation has this name, so it has no effect"
	if near := nearest(name); near != "" {
		message += fmt.Sprintf("; did you mean %s?", near)
	}
	v.add(Finding{Key: name, Reason: Unknown, Message: message}, UseDefault)
}

// Defaults reads the controller's ConfigMap. Keys that no setting has are reported. Unlike those of
// annotations, values are trimmed, since blocks of YAML end in a line end.
func Defaults(data map[string]string, lookup Lookup) (Values, []Finding) {
	v := Values{global: map[string]any{}, Lookup: lookup}
	var findings []Finding
	for _, key := range sortedKeys(data) {
		text := strings.TrimSpace(data[key])
		if text == "" {
			continue
		}
		setting, known := settingsByConfigKey[key]
		if !known {
			findings = append(findings, v.unknownKey(key, text)...)
			continue
		}
		text, left := usableItems(setting, text)
		findings = append(findings, left...)
		value, err := parse(setting, text)
		if err == nil {
			v.global[setting.about().key] = value
			continue
		}
		f := Finding{Key: key, Reason: InvalidValue, Message: setting.about().show(text) + " " + err.Error()}
		if setting.about().outcome == Deny {
			f.Outcome = Deny
			if setting.about().scope == PerController {
				v.badGuards = append(v.badGuards, badGuard{"", key})
				f.Message += "; all paths answer 503"
			} else {
				v.badGuards = append(v.badGuards, badGuard{setting.about().key, key})
				f.Message += "; paths without the annotation " + setting.about().key + " answer 503"
			}
		} else {
			f.Message += instead(setting, Values{})
		}
		findings = append(findings, f)
	}
	return v, findings
}

// usableItems is what remains of a list in the ConfigMap without its empty items and, unless they deny, those that cannot be read.
// A text without any other item stays as it is.
func usableItems(setting AnySetting, text string) (string, []Finding) {
	if !setting.about().items || len(text) > maxValue {
		return text, nil
	}
	var items []string
	var findings []Finding
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		if _, err := setting.parse(item); err != nil && setting.about().outcome != Deny {
			findings = append(findings, Finding{Key: setting.about().configKey, Reason: InvalidValue, Message: setting.about().show(text) + " " + err.Error() + "; it is left out"})
			continue
		}
		items = append(items, item)
	}
	if len(items) == 0 {
		return text, nil
	}
	return strings.Join(items, ","), findings
}

func (v *Values) unknownKey(key, text string) []Finding {
	if foreign, ok := configKeysNotYet[key]; ok {
		switch {
		case foreign.asksNothing(text):
			return nil
		}
		return []Finding{{Key: key, Reason: Unsupported, Message: "this key is not supported yet and has no effect"}}
	}
	if m, is := mootKeys[key]; is {
		return m.check(key, text)
	}
	if _, known := settingsByName[key]; known {
		return []Finding{{Key: key, Reason: Unknown, Message: "this is an annotation and has no effect in the ConfigMap"}}
	}
	message := "no key has this name, so it has no effect"
	if near := nearestKey(key); near != "" {
		message += fmt.Sprintf("; did you mean %s?", near)
	}
	return []Finding{{Key: key, Reason: Unknown, Message: message}}
}

// unreadable are the guards that the ConfigMap asks for in vain and the Ingress does not give itself.
func (v Values) unreadable() []badGuard {
	return slices.DeleteFunc(slices.Clone(v.badGuards), func(g badGuard) bool {
		_, given := v.own[g.key]
		return given
	})
}

// With returns the values with the lookups of others, which are of the same ConfigMap but a later moment.
func (v Values) With(others Values) Values {
	v.Lookup = others.Lookup
	return v
}

// WithoutRedirects returns the values without those that redirect or rewrite requests.
func (v Values) WithoutRedirects() Values {
	own, global := maps.Clone(v.own), maps.Clone(v.global)
	for _, f := range []Feature{rewriting, redirects, httpsRedirect} {
		for _, s := range f.Settings {
			delete(own, s.about().key)
		}
	}
	delete(global, forceSSLRedirect.key)
	v.own, v.global = own, global
	return v
}

// printable quotes a value for a message and cuts it to a length that fits an Event.
func printable(s string) string {
	if len(s) > 80 {
		s = s[:77] + "..."
	}
	return fmt.Sprintf("%q", s)
}
