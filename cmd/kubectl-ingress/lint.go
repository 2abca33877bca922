package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/diagnosis"
	"github.com/sluice-ingress/sluice/controller/translate"
)

func lintCommand(k *kube) *cobra.Command {
	var output format
	var verbose bool
	where := scope{k: k}
	cmd := &cobra.Command{
		Use:   "lint [ingresses]",
		Short: "Show what is wrong with the Ingresses of the cluster, as the controller sees it",
		Long: `Show what is wrong with the Ingresses of the cluster, and with what they refer to, as the controller sees it.

The exit status is 1 if one of the Problems is an error.`,
		ValidArgs: []cobra.Completion{"ingresses", "ingress", "ing"},
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		RunE: k.run(func(ctx context.Context, _ []string) error {
			_, plan, err := k.chosenPlan(ctx)
			if err != nil {
				return err
			}
			problems := slices.DeleteFunc(slices.Clone(plan.Problems), func(p translate.Problem) bool {
				return p.Object.Namespace != "" && !where.has(p.Object.Namespace) || p.Severity == cluster.Info && !verbose
			})
			if err := k.printProblems(problems, output, verbose); err != nil {
				return err
			}
			if problems.Errors() > 0 {
				return found
			}
			return nil
		}),
	}
	addFormat(cmd, &output, js, yml)
	where.add(cmd)
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "also show what is not wrong, such as Ingresses of other classes, and what to do")
	cmd.Flags().Bool("show-all", false, "no effect: objects without Problems are not listed")
	cmd.Flags().StringP("from-version", "f", "", "no effect: what is wrong does not depend on the version that is left")
	cmd.Flags().StringP("to-version", "t", "", "no effect: see --from-version")
	return cmd
}

func (k *kube) printProblems(problems translate.Problems, output format, verbose bool) error {
	if output.isData() {
		if problems == nil {
			problems = translate.Problems{}
		}
		return output.print(k.Out, problems)
	}
	c := coloursFor(k.Out)
	for _, p := range problems {
		paint := map[cluster.Severity]func(string) string{cluster.Info: c.green, cluster.Warning: c.yellow, cluster.Error: c.red}[p.Severity]
		field := ""
		if p.Field != "" {
			field = plain(p.Field) + ": "
		}
		fmt.Fprintf(k.Out, "%s: %s: %s%s (%s)\n", paint(p.Severity.String()), c.bold(plain(p.Object.String())), field, plain(p.Message), p.Reason)
		if verbose {
			about := diagnosis.OfProblem(p)
			fmt.Fprintf(k.Out, "    fix: %s\n    see: %s\n", about.Fix, about.Link)
		}
	}
	if len(problems) == 0 {
		k.note("nothing is wrong")
	}
	return nil
}
