package controller

import (
	"reflect"
	"slices"

	"github.com/sluice-ingress/sluice/nginx"
)

// Cause is an object, and one of its fields, that makes NGINX read another configuration.
type Cause struct {
	Object string // as in "Ingress shop/web"; "" if no object of a user is to blame
	Field  string // as Problems have it; "" if not known
}

// kind says in one word what a reload is for.
func kind(live *nginx.Config, wanted nginx.Config) string {
	switch {
	case live == nil:
		return "start"
	case !reflect.DeepEqual(live.HTTP, wanted.HTTP):
		return "configmap"
	case !slices.EqualFunc(live.Servers, wanted.Servers, func(a, b *nginx.Server) bool {
		return a.Name == b.Name && slices.Equal(a.Aliases, b.Aliases)
	}):
		return "hosts"
	case len(addedShapes(*live, wanted)) > 0:
		return "shapes"
	case !slices.EqualFunc(live.Servers, wanted.Servers, sameServer):
		return "paths"
	case len(live.Upstreams) != len(wanted.Upstreams) || live.FollowsCost != wanted.FollowsCost:
		return "backends"
	}
	return "template"
}

// Causes are those for which NGINX has to read the plan if it runs another configuration.
func (p Plan) Causes(live *nginx.Config) []Cause { return causes(live, p.Config, p.AnnotationsPrefix) }

// causes lists whose fields a reload is for: in dynamic mode those that need new shapes, in compiled mode those whose hosts
// have changed.
func causes(live *nginx.Config, wanted nginx.Config, prefix string) []Cause {
	if live == nil {
		return nil
	}
	var list []Cause
	add := func(object, field string) {
		if cause := (Cause{object, field}); !slices.Contains(list, cause) && len(list) < mostCauses {
			list = append(list, cause)
		}
	}
	if !reflect.DeepEqual(live.HTTP, wanted.HTTP) {
		add("the controller's ConfigMap", "data")
	}
	if live.FollowsCost != wanted.FollowsCost {
		add("the first or last Service with ewma", "metadata.annotations["+prefix+"/load-balance]")
	}
	for _, shape := range addedShapes(*live, wanted) {
		for _, key := range shape.Keys {
			add(shape.Owner, "metadata.annotations["+prefix+"/"+key+"]")
		}
		if len(shape.Keys) == 0 {
			add(shape.Owner, "spec")
		}
	}
	for _, server := range changedServers(*live, wanted) {
		add(server.Owner, "")
	}
	namedAnew(*live, wanted, func(owner string, keys []string) {
		for _, key := range keys {
			add(owner, "metadata.annotations["+prefix+"/"+key+"]")
		}
		if len(keys) == 0 {
			add(owner, "spec.rules")
		}
	})
	return list
}

// namedAnew calls visit with the objects whose hosts have another block for their own settings than before, or none any more, and
// with the annotations that those are from, if it is known.
func namedAnew(live, wanted nginx.Config, visit func(owner string, keys []string)) {
	blocks := func(c nginx.Config) map[nginx.ServerName]string {
		found := map[nginx.ServerName]string{}
		for _, server := range c.Servers {
			if server.Shapes == nil {
				continue
			}
			settings, _ := server.Directives.Encode("") // rendering has said what is wrong
			for _, name := range server.Aliases {
				found[name] = settings
			}
		}
		return found
	}
	before, after := blocks(live), blocks(wanted)
	for _, c := range []nginx.Config{live, wanted} {
		for _, server := range c.Servers {
			for i, owner := range server.Owners {
				was, had := before[server.Aliases[i]]
				is, has := after[server.Aliases[i]]
				if had == has && was == is {
					continue
				}
				var keys []string
				if i < len(server.OwnersKeys) {
					keys = server.OwnersKeys[i]
				}
				visit(owner, keys)
			}
		}
	}
}

// mostCauses bounds what one reload logs and counts.
const mostCauses = 20

// addedShapes are those that only the second configuration has.
func addedShapes(live, wanted nginx.Config) []*nginx.Shape {
	known := map[string]bool{}
	for _, server := range live.Servers {
		for _, shape := range server.Shapes {
			known[shape.Name] = true
		}
	}
	var list []*nginx.Shape
	for _, server := range wanted.Servers {
		for _, shape := range server.Shapes {
			if !known[shape.Name] {
				list = append(list, shape)
			}
		}
	}
	return list
}

// changedServers are those of either configuration that the other does not have. Servers with shapes are many hosts'.
func changedServers(live, wanted nginx.Config) []*nginx.Server {
	before := map[string]*nginx.Server{}
	for _, server := range live.Servers {
		before[server.Names()[0].Value()] = server
	}
	var list []*nginx.Server
	for _, server := range wanted.Servers {
		name := server.Names()[0].Value()
		if was := before[name]; server.Shapes == nil && (was == nil || !sameServer(was, server)) {
			list = append(list, server)
		}
		delete(before, name)
	}
	for _, server := range live.Servers {
		if before[server.Names()[0].Value()] != nil && server.Shapes == nil {
			list = append(list, server)
		}
	}
	return list
}

func sameServer(a, b *nginx.Server) bool { return a == b || reflect.DeepEqual(a, b) }
