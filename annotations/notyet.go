package annotations

import "strconv"

// foreign is an annotation, or a key of the ConfigMap, of ingress-nginx that has no feature here yet. What would
// guard paths denies them, and what would replace traffic by other traffic refuses the Ingress: being
// parsed and doing nothing is not an option.
type foreign struct {
	outcome Outcome
	// idle tells whether a value asks for nothing, so that it is fine to do nothing.
	idle func(text string) bool
}

func (f foreign) asksNothing(text string) bool { return f.idle != nil && f.idle(text) }

func isOff(text string) bool {
	on, err := strconv.ParseBool(text)
	return err == nil && !on
}

func isOn(text string) bool {
	on, err := strconv.ParseBool(text)
	return err == nil && on
}

// notYet are the annotations of ingress-nginx that have no feature here yet: none of 1.15.1. A feature that comes takes its
// names out of here.
var notYet = collect(nil)

// group is a list of names that are treated alike.
type group struct {
	foreign
	names []string
}

func collect(groups []group) map[string]foreign {
	m := map[string]foreign{}
	for _, g := range groups {
		for _, name := range g.names {
			m[name] = g.foreign
		}
	}
	return m
}

// configKeysNotYet are the keys of ingress-nginx's ConfigMap that have no feature here yet.
var configKeysNotYet = collect([]group{
	{foreign{outcome: UseDefault}, []string{
		"forwarded-for-proxy-protocol-header",
	}},
})
