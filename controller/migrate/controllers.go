package migrate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// Controller is an ingress-nginx that a manifest starts.
type Controller struct {
	File      string
	Object    string // as in "Deployment ingress-nginx/ingress-nginx-controller"
	Namespace string
	Arguments []Argument

	implied []Argument
}

// Argument is a flag that it is given.
type Argument struct {
	Field       string // where it stands
	Name, Value string // the name without dashes
}

// workload is what starts pods, as far as we look.
type workload struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Items []json.RawMessage `json:"items"`
	Spec  struct {
		Template struct {
			Spec struct {
				Containers []container `json:"containers"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
}

type container struct {
	Image   string   `json:"image"`
	Command []string `json:"command"`
	Args    []string `json:"args"`
}

// program is what ingress-nginx's images start.
const program = "/nginx-ingress-controller"

// isController tells whether a container runs ingress-nginx.
func (c container) isController() bool {
	named := func(word string) bool { return word == program }
	return slices.ContainsFunc(c.Args, named) || slices.ContainsFunc(c.Command, named) ||
		strings.Contains(c.Image, "ingress-nginx/controller") || strings.Contains(c.Image, "nginx-ingress-controller")
}

// Controllers finds the Deployments and DaemonSets in a manifest that run ingress-nginx. What cannot be read is left out; a
// Problem of the plan says so.
func Controllers(file string, text []byte) []Controller {
	var found []Controller
	for _, doc := range cluster.Documents(text) {
		if data, err := doc.JSON(); err == nil {
			found = append(found, controllersIn(data)...)
		}
	}
	for i := range found {
		found[i].File = file
	}
	return found
}

func controllersIn(data []byte) []Controller {
	var w workload
	if json.Unmarshal(data, &w) != nil {
		return nil
	}
	var found []Controller
	if w.Kind == "List" {
		for _, item := range w.Items {
			found = append(found, controllersIn(item)...)
		}
		return found
	}
	if w.APIVersion != "apps/v1" || w.Kind != "Deployment" && w.Kind != "DaemonSet" {
		return nil
	}
	if w.Metadata.Namespace == "" {
		w.Metadata.Namespace = "default"
	}
	for n, c := range w.Spec.Template.Spec.Containers {
		if !c.isController() {
			continue
		}
		field := fmt.Sprintf("spec.template.spec.containers[%d]", n)
		found = append(found, Controller{
			Object:    w.Kind + " " + w.Metadata.Namespace + "/" + w.Metadata.Name,
			Namespace: w.Metadata.Namespace,
			Arguments: append(arguments(field+".command", c.Command), arguments(field+".args", c.Args)...),
		})
	}
	return found
}

// arguments reads flags as pflag does: --name=value, --name value, or --name alone.
func arguments(field string, words []string) []Argument {
	var list []Argument
	for n, word := range words {
		name, is := strings.CutPrefix(word, "-")
		if !is || word == "--" {
			continue
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(name, "-"), "=")
		switch next := n + 1; {
		case hasValue:
		case next < len(words) && !strings.HasPrefix(words[next], "-"):
			value = words[next]
		default:
			value = "true"
		}
		list = append(list, Argument{fmt.Sprintf("%s[%d]", field, n), name, value})
	}
	return list
}

// Expand is the value of an argument with what its manifest lets Kubernetes put in.
func (c Controller) Expand(value string) string {
	return strings.NewReplacer("$(POD_NAMESPACE)", c.Namespace, "${POD_NAMESPACE}", c.Namespace).Replace(value)
}

// Implied are arguments that nobody wrote, but that a chart adds.
func (c Controller) Implied() []Argument { return c.implied }

func (r *reporter) controllers() {
	for _, c := range r.Controllers {
		for _, a := range c.Arguments {
			r.add(r.flag(c, a))
		}
	}
}

// flag is an item for a flag.
func (r *reporter) flag(c Controller, a Argument) Item {
	i := Item{File: c.File, Object: c.Object, Field: a.Field, Kind: flagKind, Name: a.Name, State: r.Differences.named("--" + a.Name).worst(), Effort: Nothing}
	if i.State == Differs {
		i.Effort, i.ToDo = Look, "read what differs"
	}
	at := slices.IndexFunc(r.Flags, func(f Flag) bool { return f.Name == a.Name })
	switch {
	case at < 0:
		i.State, i.Effort, i.ToDo = NotSupported, Work, "remove it: the controller does not start with it"
	case r.Flags[at].NoEffect == "":
	case r.Flags[at].IsIdle != nil && r.Flags[at].IsIdle(a.Value):
		i.State = NoEffect
	case r.Flags[at].IsLack:
		i.State, i.Effort, i.ToDo, i.Says = NotSupported, Work, "do without it, or leave what needs it with ingress-nginx for now", []string{r.Flags[at].NoEffect}
	default:
		i.State, i.Says = NoEffect, []string{r.Flags[at].NoEffect}
	}
	return i
}
