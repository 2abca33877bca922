package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/diagnosis"
)

func doctorCommand(k *kube) *cobra.Command {
	var output format
	var verbose bool
	cmd := &cobra.Command{
		Use:   "doctor [-n NAMESPACE]",
		Short: "Find what is wrong: controllers, classes, webhook, addresses, certificates, and mistakes in Ingresses",
		Long: `Find what is wrong with the ingress controllers of the cluster and with the Ingresses that they serve.

All namespaces are looked at; with --namespace, of what is wrong with objects only those of that namespace are shown.
The exit status is 0 if nothing has failed, 1 if something has, and 2 if it could not be looked at.`,
		Example: "  kubectl ingress doctor\n  kubectl ingress doctor -n shop -o json",
		Args:    cobra.NoArgs,
		RunE: k.run(func(ctx context.Context, _ []string) error {
			evidence, err := k.evidence(ctx)
			if err != nil {
				return err
			}
			findings := diagnosis.Examine(evidence)
			if k.isChosen {
				findings = about(findings, k.namespace, evidence)
			}
			if output.isData() {
				err = output.print(k.Out, findings)
			} else {
				printFindings(k.Out, findings, verbose)
			}
			if err == nil && slices.ContainsFunc(findings, hasFailed) {
				return found
			}
			return err
		}),
	}
	addFormat(cmd, &output, js, yml)
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "also show what is in order, one line each")
	return cmd
}

func hasFailed(f diagnosis.Finding) bool { return f.State == diagnosis.Failed }

// about leaves out findings on users' objects of other namespaces. Those on controllers stay, wherever these are.
func about(findings []diagnosis.Finding, namespace string, e diagnosis.Evidence) []diagnosis.Finding {
	ours := map[string]bool{namespace: true, "": true}
	for _, c := range e.Controllers {
		ours[c.Name.Namespace] = true
	}
	return slices.DeleteFunc(findings, func(f diagnosis.Finding) bool { return !ours[f.Object.Namespace] })
}

// printFindings prints what is wrong in full, the worst last: that is where people look.
func printFindings(w io.Writer, findings []diagnosis.Finding, verbose bool) {
	c := coloursFor(w)
	slices.SortStableFunc(findings, func(a, b diagnosis.Finding) int { return int(a.State) - int(b.State) })
	count := map[diagnosis.State]int{}
	for _, f := range findings {
		count[f.State]++
		if f.State == diagnosis.OK && !verbose {
			continue
		}
		fmt.Fprintln(w, headline(c, f))
		for _, line := range []struct{ name, text string }{{"field", f.Field}, {"fix", f.Fix}, {"see", f.Link}} {
			if line.text != "" && f.State != diagnosis.OK {
				fmt.Fprintf(w, "    %-6s %s\n", line.name+":", plain(line.text))
			}
		}
	}
	summary := fmt.Sprintf("%d checks: %d failed, %d warnings, %d unknown, %d in order",
		len(findings), count[diagnosis.Failed], count[diagnosis.Warning], count[diagnosis.Unknown], count[diagnosis.OK])
	fmt.Fprintln(w, c.bold(summary))
}

func headline(c colours, f diagnosis.Finding) string {
	paint := map[diagnosis.State]func(string) string{
		diagnosis.OK: c.green, diagnosis.Unknown: c.yellow, diagnosis.Warning: c.yellow, diagnosis.Failed: c.red,
	}[f.State]
	words := []string{paint(fmt.Sprintf("%-8s", strings.ToUpper(f.State.String()))), f.Check}
	if f.Reason != "" {
		words[1] += "/" + string(f.Reason)
	}
	if f.Object.Kind != "" {
		words = append(words, c.bold(plain(f.Object.String()))+":")
	}
	return strings.Join(append(words, plain(f.Cause)), " ")
}

// evidence gathers what there is to see. What cannot be read is noted, and the rest looked at.
func (k *kube) evidence(ctx context.Context) (diagnosis.Evidence, error) {
	list, err := k.seen(ctx)
	if err != nil {
		return diagnosis.Evidence{}, err
	}
	g := gathering{kube: k, services: map[cluster.Name]bool{}}
	e := g.start()
	for _, c := range list {
		if !c.isForeign && !k.fits(c) {
			continue
		}
		one := diagnosis.Controller{
			Kind: c.kind, Name: c.name, Pods: c.pods, IsForeign: c.isForeign, Flags: c.flags, ConfigMap: c.translation.ConfigMap,
		}
		if !c.isForeign {
			if one.Plan, one.PlanErr = k.plan(ctx, c); one.PlanErr != nil && one.Plan.Snapshot.Now.IsZero() {
				return e, one.PlanErr // the objects could not be read
			}
			one.Flags.Selection = c.translation.Selection
			one.Metrics = k.metrics(ctx, c)
			for _, asked := range one.Asked() {
				g.services[asked.Service] = true
			}
		}
		e.Controllers = append(e.Controllers, one)
		g.lease(ctx, &e, c.flags.Lease)
		g.services[c.flags.Service] = true
	}
	g.webhooks(ctx, &e)
	g.refusals(ctx, &e)
	g.readServices(ctx, &e)
	return e, nil
}
