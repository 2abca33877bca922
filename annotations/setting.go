package annotations

import (
	"fmt"
	"maps"
	"strings"
)

// Outcome says what becomes of an Ingress when the value of an annotation is bad. The three are those of
// ingress-nginx 1.15.1, except that guards never fall back to a default.
type Outcome uint8

const (
	// UseDefault treats the annotation as not set.
	UseDefault Outcome = iota
	// Deny makes all paths of the Ingress answer 503.
	Deny
	// Refuse treats the change as not made: the last good version of the Ingress stays in force, and
	// without one the Ingress is not served.
	Refuse
)

// Scope says where a setting can be given.
type Scope uint8

const (
	// PerIngress settings are annotations only.
	PerIngress Scope = iota
	// Both settings are annotations whose default is the key of the same name in the ConfigMap.
	Both
	// PerController settings are keys of the ConfigMap only.
	PerController
)

// Setting is one annotation or key of the ConfigMap with values of type T.
type Setting[T any] struct {
	spec
	kind Kind[T]
	def  T
}

// spec is what all settings have, whatever their type.
type spec struct {
	key       string
	configKey string // "" if the ConfigMap has no say
	aliases   []string
	scope     Scope
	outcome   Outcome
	doc       string
	example   string
}

// Kind is a type of values: how they are described, read and written. Reading is checking: a value that
// has been read needs no further look.
type Kind[T any] struct {
	Name  string
	Parse func(string) (T, error)
	Print func(T) string
}

// New makes a setting. Setters below refine it; they return the setting so that they chain.
func New[T any](key string, kind Kind[T], def T) *Setting[T] {
	return &Setting[T]{spec: spec{key: key}, kind: kind, def: def}
}

// Global lets the ConfigMap give the default, under the same key.
func (s *Setting[T]) Global() *Setting[T] { return s.GlobalAs(s.key) }

// GlobalAs lets the ConfigMap give the default under another key.
func (s *Setting[T]) GlobalAs(key string) *Setting[T] { s.scope, s.configKey = Both, key; return s }

// ConfigOnly makes the setting a key of the ConfigMap.
func (s *Setting[T]) ConfigOnly() *Setting[T] { s.scope, s.configKey = PerController, s.key; return s }

// Alias adds another name; it counts only when the setting's own is absent or empty.
func (s *Setting[T]) Alias(names ...string) *Setting[T] { s.aliases = names; return s }

// Bad says what a bad value does; without it the default is used.
func (s *Setting[T]) Bad(o Outcome) *Setting[T] { s.outcome = o; return s }

// Doc gives the sentence of the reference table.
func (s *Setting[T]) Doc(text string) *Setting[T] { s.doc = text; return s }

// Example gives a value that shows the form.
func (s *Setting[T]) Example(value string) *Setting[T] { s.example = value; return s }

// Key is the setting's name, without the annotation prefix.
func (s *Setting[T]) Key() string { return s.key }

// In returns the value that holds in v: the annotation's, else the ConfigMap's, else the default.
func (s *Setting[T]) In(v Values) T {
	if x, ok := v.own[s.key]; ok {
		return x.(T)
	}
	if x, ok := v.global[s.key]; ok {
		return x.(T)
	}
	return s.def
}

// Given tells whether the Ingress itself gives the setting a good value.
func (s *Setting[T]) Given(v Values) bool {
	_, ok := v.own[s.key]
	return ok
}

// AnySetting is a Setting of any type, as features list them.
type AnySetting interface {
	about() spec
	kindName() string
	defaultText() string
	parse(string) (any, error)
}

func (s *Setting[T]) about() spec      { return s.spec }
func (s *Setting[T]) kindName() string { return s.kind.Name }
func (s *Setting[T]) defaultText() string {
	return s.kind.Print(s.def)
}

func (s *Setting[T]) parse(text string) (any, error) {
	v, err := s.kind.Parse(text)
	if err != nil {
		return nil, err
	}
	return v, nil
}

// Settings is the list of a feature's settings.
type Settings []AnySetting

// Values are the settings in force for one Ingress, or for the controller as a whole.
type Values struct {
	own    map[string]any // from annotations, by key
	global map[string]any // from the ConfigMap, by key
	Lookup Lookup
	// Namespace is the Ingress's own; references without a namespace mean it.
	Namespace string
	// badGuards are keys of guards to which the ConfigMap gives a value that cannot be read. They deny
	// every Ingress that does not give them itself.
	badGuards []string
}

// Lookup finds objects that annotations refer to. It returns nil for what does not exist.
type Lookup interface {
	// ConfigMap returns the data of a ConfigMap.
	ConfigMap(namespace, name string) map[string]string
}

// Finding is something wrong with one annotation or key.
type Finding struct {
	Key     string // without prefix
	Reason  Reason
	Message string
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
	// Conflict is a value that contradicts another.
	Conflict Reason = "ConflictingAnnotations"
)

// Verdict is what reading the annotations of one Ingress came to.
type Verdict struct {
	Values   Values
	Findings []Finding
	Outcome  Outcome // the worst of all findings
}

// ForIngress reads the annotations of an Ingress. Prefix is without the slash; defaults come from
// Defaults.
func ForIngress(prefix, namespace string, annotations map[string]string, defaults Values) Verdict {
	v := Verdict{Values: Values{global: defaults.global, Lookup: defaults.Lookup, Namespace: namespace}}
	for _, key := range sortedKeys(annotations) {
		name, ours := strings.CutPrefix(key, prefix+"/")
		if !ours {
			continue
		}
		text := trimLines(annotations[key])
		if text == "" {
			continue
		}
		setting, known := settingsByName[name]
		if !known || setting.about().scope == PerController {
			v.unknown(name)
			continue
		}
		about := setting.about()
		if name != about.key && trimLines(annotations[prefix+"/"+about.key]) != "" {
			continue // an alias yields to the setting's own name
		}
		v.read(setting, name, text)
	}
	for _, key := range defaults.badGuards {
		if _, given := v.Values.own[key]; !given {
			v.add(Finding{Key: key, Reason: InvalidValue, Message: "the controller's ConfigMap has no readable value for it"}, Deny)
		}
	}
	return v
}

func (v *Verdict) read(setting AnySetting, name, text string) {
	about := setting.about()
	value, err := setting.parse(text)
	if err != nil {
		v.add(invalid(name, text, setting, err), about.outcome)
		return
	}
	if v.Values.own == nil {
		v.Values.own = map[string]any{}
	}
	v.Values.own[about.key] = value
}

func (v *Verdict) add(f Finding, o Outcome) {
	f.Outcome = o
	v.Findings = append(v.Findings, f)
	v.Outcome = max(v.Outcome, o)
}

func (v *Verdict) unknown(name string) {
	if foreign, ok := notYet[name]; ok {
		v.add(Finding{Key: name, Reason: Unsupported, Message: foreign.message()}, foreign.outcome)
		return
	}
	message := "no annotation of this name exists"
	if near := nearest(name); near != "" {
		message += fmt.Sprintf("; did you mean %s?", near)
	}
	v.add(Finding{Key: name, Reason: Unknown, Message: message}, UseDefault)
}

// Defaults reads the controller's ConfigMap. Keys that no setting has are reported.
func Defaults(data map[string]string, lookup Lookup) (Values, []Finding) {
	v := Values{global: map[string]any{}, Lookup: lookup}
	var findings []Finding
	for _, key := range sortedKeys(data) {
		setting, known := settingsByConfigKey[key]
		if !known {
			findings = append(findings, unknownKey(key))
			continue
		}
		text := trimLines(data[key])
		if text == "" {
			continue
		}
		value, err := setting.parse(text)
		if err != nil {
			findings = append(findings, invalid(key, text, setting, err))
			if setting.about().outcome == Deny {
				v.badGuards = append(v.badGuards, setting.about().key)
			}
			continue
		}
		v.global[setting.about().key] = value
	}
	return v, findings
}

func unknownKey(key string) Finding {
	if configKeysNotYet[key] {
		return Finding{Key: key, Reason: Unsupported, Message: "this key of ingress-nginx has no effect here yet"}
	}
	message := "no key of this name exists"
	if near := nearestKey(key); near != "" {
		message += fmt.Sprintf("; did you mean %s?", near)
	}
	return Finding{Key: key, Reason: Unknown, Message: message}
}

func invalid(key, text string, setting AnySetting, err error) Finding {
	return Finding{Key: key, Reason: InvalidValue, Message: fmt.Sprintf("%s is not %s: %s", printable(text), setting.kindName(), err)}
}

// With returns the values with the lookups of others, which are of the same ConfigMap but a later moment.
func (v Values) With(others Values) Values {
	v.Lookup = others.Lookup
	return v
}

// WithoutRedirects returns the values without those that redirect or rewrite requests.
func (v Values) WithoutRedirects() Values {
	own := maps.Clone(v.own)
	for _, f := range []Feature{rewriting, redirects} {
		for _, s := range f.Settings {
			delete(own, s.about().key)
		}
	}
	v.own = own
	return v
}

// trimLines cuts blanks off both ends of every line, as ingress-nginx does.
func trimLines(s string) string {
	if !strings.Contains(s, "\n") {
		return strings.TrimSpace(s)
	}
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// printable quotes a value for a message and cuts it to a length that fits an Event.
func printable(s string) string {
	if len(s) > 80 {
		s = s[:77] + "..."
	}
	return fmt.Sprintf("%q", s)
}
