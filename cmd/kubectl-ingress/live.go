package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/origins"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

func confCommand(k *kube) *cobra.Command {
	var host string
	var live, annotate bool
	cmd := &cobra.Command{
		Use:   "conf [--host HOST] [--annotate] [--live]",
		Short: "Print the nginx.conf that the objects come to, or with --live the one that runs",
		Args:  cobra.NoArgs,
		RunE: k.run(func(ctx context.Context, _ []string) error {
			c, err := k.chosen(ctx)
			if err != nil {
				return err
			}
			if live {
				return k.liveConf(ctx, c, host)
			}
			plan, err := k.plan(ctx, c)
			if err != nil {
				return err
			}
			if annotate {
				if plan.Files, err = origins.Annotate(plan); err != nil {
					return fmt.Errorf("annotate the configuration: %w", err)
				}
			}
			if host == "" {
				text, _ := plan.Files.Get("nginx.conf")
				_, err = k.Out.Write(text)
				return err
			}
			block, found := origins.ServerBlock(plan.Files, host)
			if !found {
				return fmt.Errorf("no host is called %q", host)
			}
			_, err = fmt.Fprint(k.Out, block)
			return err
		}),
	}
	cmd.Flags().StringVar(&host, "host", "", "only the server block of this host")
	cmd.Flags().BoolVar(&annotate, "annotate", false, "say behind lines which field of which object they come from")
	cmd.Flags().BoolVar(&live, "live", false, "ask the pods for the configuration that runs")
	cmd.MarkFlagsMutuallyExclusive("annotate", "live")
	return cmd
}

func (k *kube) liveConf(ctx context.Context, c *controllerSeen, host string) error {
	if host != "" {
		return errors.New("--host prints what the plan has; with --live there is the whole configuration only")
	}
	answers, err := k.askAll(ctx, c, "conf")
	if err != nil {
		return err
	}
	for _, a := range answers {
		if len(answers) > 1 {
			fmt.Fprintf(k.Out, "# of %s\n", strings.Join(a.pods, ", "))
		}
		if _, err := k.Out.Write(a.text); err != nil {
			return err
		}
	}
	return nil
}

// peer is an address that a Service has, and what workers make of it.
type peer struct {
	Address string `json:"address"`
	Port    int    `json:"port,omitempty"`
	State   string `json:"state"` // serves, sessions only, out
	Why     string `json:"why,omitempty"`
}

// backendView is a backend as one or more pods have it.
type backendView struct {
	Name    string   `json:"name"`
	Source  string   `json:"source"` // plan, or names of pods
	Balance string   `json:"balance,omitempty"`
	Peers   []peer   `json:"peers"`
	Names   []string `json:"names,omitempty"` // that workers resolve
}

func backendsCommand(k *kube) *cobra.Command {
	var output format
	var live, onlyNames bool
	var old string
	cmd := &cobra.Command{
		Use:   "backends [NAME]",
		Short: "Show the endpoints of backends as workers have them, and why an address gets no requests",
		Args:  cobra.MaximumNArgs(1),
		RunE: k.run(func(ctx context.Context, args []string) error {
			c, plan, err := k.chosenPlan(ctx)
			if err != nil {
				return err
			}
			names := slices.Sorted(plan.Dynamic.Backends.Keys())
			if wanted := append(args, old)[0]; wanted != "" {
				if !slices.Contains(names, wanted) {
					return fmt.Errorf("no backend is called %q; kubectl ingress backends --list has their names", wanted)
				}
				names = []string{wanted}
			}
			if onlyNames || len(names) == 0 {
				for _, name := range names {
					fmt.Fprintln(k.Out, name)
				}
				return nil
			}
			views, err := k.viewBackends(ctx, c, plan, names, live)
			if err != nil {
				return err
			}
			if output.isData() {
				return output.print(k.Out, views)
			}
			return columns(k.Out, backendRows(views))
		}),
	}
	addFormat(cmd, &output, js, yml)
	cmd.Flags().BoolVar(&live, "live", true, "ask the pods; --live=false shows what the plan says")
	cmd.Flags().BoolVar(&onlyNames, "list", false, "only the names")
	cmd.Flags().StringVar(&old, "backend", "", "the same as NAME")
	cmd.MarkFlagsMutuallyExclusive("list", "backend")
	return cmd
}

// viewBackends shows the backends of the plan, or what the pods say of them.
func (k *kube) viewBackends(ctx context.Context, c *controllerSeen, plan controller.Plan, names []string, live bool) ([]backendView, error) {
	var views []backendView
	if !live {
		for _, name := range names {
			views = append(views, viewOf(name, "plan", plan.Dynamic.Backends.At(name), plan))
		}
		return views, nil
	}
	answers, err := k.askAll(ctx, c, append([]string{"backends", "--"}, names...)...)
	if err != nil {
		return nil, err
	}
	for _, a := range answers {
		known := map[string]*workersBackend{}
		if err := json.Unmarshal(a.text, &known); err != nil {
			return nil, fmt.Errorf("read the answer of pod %s: %w", a.pods[0], err)
		}
		for _, name := range names {
			source := strings.Join(a.pods, ",")
			if known[name] == nil {
				views = append(views, backendView{Name: name, Source: source, Peers: []peer{{Address: "-", State: "unknown", Why: "the workers do not know this backend yet"}}})
				continue
			}
			views = append(views, viewOf(name, source, known[name].backend(), plan))
		}
	}
	return views, nil
}

// workersBackend is a backend as workers give it out; of routes and tables that they have prepared, only what is shown.
type workersBackend struct {
	Endpoints []dynamic.Endpoint `json:"endpoints"`
	Names     []dynamic.Endpoint `json:"names"`
	Balance   dynamic.Algorithm  `json:"balance"`
	HashBy    json.RawMessage    `json:"hash_by"`
	Affinity  *struct {
		Cookie struct {
			Name string `json:"name"`
		} `json:"cookie"`
	} `json:"affinity"`
}

func (w *workersBackend) backend() dynamic.Backend {
	b := dynamic.Backend{Endpoints: w.Endpoints, Names: w.Names, Balance: w.Balance}
	if w.HashBy != nil {
		b.HashBy = &dynamic.HashBy{}
	}
	if w.Affinity != nil {
		b.Affinity = &dynamic.Affinity{Cookie: dynamic.Cookie{Name: w.Affinity.Cookie.Name}}
	}
	return b
}

func viewOf(name, source string, b dynamic.Backend, plan controller.Plan) backendView {
	view := backendView{Name: name, Source: source, Balance: "round_robin", Peers: []peer{}}
	switch {
	case b.Affinity != nil:
		view.Balance = "cookie " + b.Affinity.Cookie.Name
	case b.HashBy != nil:
		view.Balance = "hash"
	case b.Balance != "":
		view.Balance = string(b.Balance)
	}
	serves := map[string]bool{}
	for _, e := range b.Endpoints {
		serves[e.Address] = true
		p := peer{Address: e.Address, Port: e.Port, State: "serves"}
		if e.SessionsOnly {
			p.State, p.Why = "sessions only", "it terminates, or is in another zone: it serves whom a cookie leads to it"
		}
		view.Peers = append(view.Peers, p)
	}
	for _, n := range b.Names {
		view.Names = append(view.Names, n.Address)
		view.Peers = append(view.Peers, peer{Address: n.Address, Port: n.Port, State: "resolved"})
	}
	for _, slice := range slicesBehind(name, plan) {
		for _, e := range slice.Endpoints {
			for _, address := range e.Addresses {
				if !serves[address] {
					serves[address] = true
					view.Peers = append(view.Peers, peer{Address: address, State: "out", Why: whyOut(e.Conditions)})
				}
			}
		}
	}
	return view
}

// slicesBehind are the EndpointSlices of a backend's Service.
func slicesBehind(backend string, plan controller.Plan) []*discoveryv1.EndpointSlice {
	for _, server := range plan.Config.Servers {
		for _, l := range server.Locations {
			if l.Upstream == backend {
				return plan.Snapshot.Slices(l.Identity.Namespace, l.Identity.Service)
			}
		}
	}
	return nil
}

func whyOut(c discoveryv1.EndpointConditions) string {
	switch {
	case c.Terminating != nil && *c.Terminating:
		return "its pod terminates"
	case c.Ready != nil && !*c.Ready:
		return "its pod is not ready"
	}
	return "not used by the plan: another port, another zone, or not known to the workers yet"
}

func backendRows(views []backendView) [][]string {
	rows := [][]string{{"BACKEND", "BALANCE", "ADDRESS", "STATE", "WHY", "SOURCE"}}
	for _, v := range views {
		if len(v.Peers) == 0 {
			rows = append(rows, []string{v.Name, v.Balance, "-", "empty", "the Service has no endpoints", v.Source})
		}
		for _, p := range v.Peers {
			address := p.Address
			if p.Port > 0 {
				address = fmt.Sprintf("%s:%d", p.Address, p.Port)
			}
			rows = append(rows, []string{v.Name, v.Balance, address, p.State, orNone(p.Why), v.Source})
		}
	}
	return rows
}
