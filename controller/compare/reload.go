package compare

import (
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/nginx"
)

// Reload says whether NGINX has to read its configuration anew, in one mode of routing. All else reaches its workers as data.
type Reload struct {
	Routing string  `json:"routing"` // compiled or dynamic
	Needed  bool    `json:"needed"`
	Why     []Field `json:"why,omitempty"` // the fields that it is for
}

// isData tells of what workers get as data in both modes.
func (c Change) isData() bool {
	switch {
	case c.Kind == Endpoints || c.Kind == Backend || c.Kind == TLS && c.Name == "certificate":
		return true
	case c.Kind == Route:
		return strings.HasPrefix(c.Name, canaryOf)
	}
	return false
}

// reloads tells of both modes. Who runs dynamic routing for longer may know more of what the new objects need than the old ones
// alone say, and then reloads less.
func (c *comparison) reloads(changes []Change) []Reload {
	compiled := Reload{Routing: "compiled", Needed: c.old.compiled.Files.Generation != c.new.compiled.Files.Generation}
	if compiled.Needed {
		for _, change := range changes {
			if !change.isData() {
				compiled.add(change.From...)
			}
		}
		if len(compiled.Why) == 0 { // of hosts, they only say whose these are
			c.addCauses(&compiled, &c.old.compiled.Config, c.new.compiled)
		}
	}
	dynamic := Reload{Routing: "dynamic", Needed: c.old.dynamic.Files.Generation != c.new.dynamic.Files.Generation}
	if dynamic.Needed {
		c.addCauses(&dynamic, &c.old.dynamic.Config, c.new.dynamic)
	}
	return []Reload{compiled, dynamic}
}

// add names fields, each once.
func (r *Reload) add(fields ...Field) {
	for _, f := range fields {
		if !slices.ContainsFunc(r.Why, func(known Field) bool { return known.Name() == f.Name() }) {
			r.Why = append(r.Why, f)
		}
	}
}

// theConfigMap is what controller.Causes calls it.
const theConfigMap = "the controller's ConfigMap"

// addCauses adds those of a plan that is to follow another.
func (c *comparison) addCauses(r *Reload, live *nginx.Config, after controller.Plan) {
	for _, cause := range after.Causes(live) {
		prefix := annotations + after.AnnotationsPrefix + "/"
		key, isAnnotation := strings.CutPrefix(cause.Field, prefix)
		switch {
		case cause.Object == theConfigMap && len(c.settings) > 0:
			r.add(c.settings...)
		case isAnnotation:
			r.add(Field{Source: c.new.sources.Annotation(cause.Object, strings.TrimSuffix(key, "]"))})
		case cause.Object != "":
			r.add(Field{Source: c.new.sources.At(cause.Object, cause.Field)})
		}
	}
}
