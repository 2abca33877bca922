package annotations

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
	kind  Kind[T]
	def   T
	allow func(v Values, value T) (T, []Finding)
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
	secret    bool
	items     bool
}

// show is a value of the setting as messages have it.
func (s spec) show(text string) string {
	if s.secret {
		return "the value"
	}
	return printable(text)
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

// Items tells that the value has items with commas between them. As in ingress-nginx, empty ones in the ConfigMap count for nothing,
// and so do bad ones, unless a bad value denies.
func (s *Setting[T]) Items() *Setting[T] { s.items = true; return s }

// Bad says what a bad value does; without it the default is used.
func (s *Setting[T]) Bad(o Outcome) *Setting[T] { s.outcome = o; return s }

// Allow has the ConfigMap's values say what becomes of a value that has been read. What it finds are mistakes like a value that
// cannot be read; their Message is complete.
func (s *Setting[T]) Allow(f func(v Values, value T) (T, []Finding)) *Setting[T] {
	s.allow = f
	return s
}

// Doc gives the sentence of the reference table.
func (s *Setting[T]) Doc(text string) *Setting[T] { s.doc = text; return s }

// Example gives a value that shows the form.
func (s *Setting[T]) Example(value string) *Setting[T] { s.example = value; return s }

// Secret keeps values out of messages.
func (s *Setting[T]) Secret() *Setting[T] { s.secret = true; return s }

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
	edges() []string
	textIn(Values) string
	parse(string) (any, error)
	allowed(Values, any) (any, []Finding)
}

func (s *Setting[T]) about() spec            { return s.spec }
func (s *Setting[T]) kindName() string       { return s.kind.Name }
func (s *Setting[T]) edges() []string        { return s.kind.Edges }
func (s *Setting[T]) textIn(v Values) string { return s.kind.Print(s.In(v)) }

func (s *Setting[T]) parse(text string) (any, error) {
	v, err := s.kind.Parse(text)
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (s *Setting[T]) allowed(v Values, value any) (any, []Finding) {
	if s.allow == nil {
		return value, nil
	}
	return s.allow(v, value.(T))
}

// Settings is the list of a feature's settings.
type Settings []AnySetting

// givenIn lists the keys of those that an Ingress has annotations for.
func (all Settings) givenIn(v Values) []string {
	if len(v.own) == 0 {
		return nil
	}
	var keys []string
	for _, s := range all {
		if _, given := v.own[s.about().key]; given {
			keys = append(keys, s.about().key)
		}
	}
	return keys
}
