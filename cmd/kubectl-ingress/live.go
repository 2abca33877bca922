package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/origins"
	"github.com/sluice-ingress/sluice/controller/view"
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
func (k *kube) viewBackends(ctx context.Context, c *controllerSeen, plan controller.Plan, names []string, live bool) ([]view.Backend, error) {
	var shown []view.Backend
	of := view.Of(plan)
	if !live {
		for _, name := range names {
			shown = append(shown, of.Backend(name))
		}
		return shown, nil
	}
	answers, err := k.askAll(ctx, c, append([]string{"backends", "--"}, names...)...)
	if err != nil {
		return nil, err
	}
	for _, a := range answers {
		known := map[string]json.RawMessage{}
		if err := json.Unmarshal(a.text, &known); err != nil {
			return nil, fmt.Errorf("read the answer of pod %s: %w", a.pods[0], err)
		}
		for _, name := range names {
			backend, err := of.Live(name, strings.Join(a.pods, ","), known[name])
			if err != nil {
				return nil, err
			}
			shown = append(shown, backend)
		}
	}
	return shown, nil
}

func backendRows(views []view.Backend) [][]string {
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
			rows = append(rows, []string{v.Name, v.Balance, address, string(p.State), orNone(p.Why), v.Source})
		}
	}
	return rows
}
