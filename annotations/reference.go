package annotations

// Entry is what the reference says of one setting.
type Entry struct {
	Feature   string
	Key       string   // of the annotation; "" if only the ConfigMap has it
	Aliases   []string // further names of the annotation
	ConfigKey string   // of the ConfigMap; "" if only annotations have it
	Kind      string
	Default   string
	Bad       Outcome // what a bad value does
	Doc       string
	Example   string
	Edges     []string // values at the ends of what it takes
}

// Reference lists all settings, in the order of their features.
func Reference() []Entry {
	var list []Entry
	for _, f := range features {
		for _, s := range f.Settings {
			about := s.about()
			e := Entry{
				Feature: f.Name, Key: about.key, Aliases: about.aliases, ConfigKey: about.configKey, Kind: s.kindName(),
				Default: s.textIn(Values{}), Bad: about.outcome, Doc: about.doc, Example: about.example, Edges: s.edges(),
			}
			if about.scope == PerController {
				e.Key = ""
			}
			list = append(list, e)
		}
	}
	return list
}

// Spellings are all names of the annotation with that key, its own first.
func Spellings(key string) []string {
	if s, known := settingsByName[key]; known {
		return append([]string{s.about().key}, s.about().aliases...)
	}
	return []string{key}
}

// Missing lists the annotations of ingress-nginx that are known but not supported, by what they do to an
// Ingress that has them.
func Missing() map[Outcome][]string { return byOutcome(notYet) }

// MissingKeys lists the keys of ingress-nginx's ConfigMap that are known but not supported, by what they do.
func MissingKeys() map[Outcome][]string { return byOutcome(configKeysNotYet) }

// Moot says of each key of ingress-nginx's ConfigMap that has no effect here why.
func Moot() map[string]string {
	why := map[string]string{}
	for key, m := range mootKeys {
		why[key] = m.why
	}
	return why
}

func byOutcome(m map[string]foreign) map[Outcome][]string {
	lists := map[Outcome][]string{}
	for _, name := range sortedKeys(m) {
		lists[m[name].outcome] = append(lists[m[name].outcome], name)
	}
	return lists
}
