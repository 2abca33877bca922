package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sluice-ingress/sluice/controller/explain"
	"github.com/sluice-ingress/sluice/controller/settings"
)

func explainCommand(k *kube) *cobra.Command {
	var asked settings.Request
	var output format
	cmd := &cobra.Command{
		Use:   "explain [METHOD] URL",
		Short: "Say what becomes of a request, and why",
		Long: `Say what becomes of a request, and why, by the objects of the cluster.

It prints which host and path of which Ingress take the request, what redirects or refuses it, and which pods see what of it.
Nobody is asked: what depends on the answer of a service, on a count or on a password is said to.

Both modes of --routing answer alike. Hosts and paths are looked up in compiled form whichever the controller has.

The exit status is 0 if a pod gets the request or it is redirected, 1 if NGINX itself answers with an error.`,
		Example: "  kubectl ingress explain https://shop.example.com/cart\n  kubectl ingress explain POST shop.example.com/cart -H 'X-Canary: always'",
		Args:    cobra.RangeArgs(1, 2),
		RunE: k.run(func(ctx context.Context, args []string) error {
			r, err := asked.Read(args)
			if err != nil {
				return err
			}
			_, plan, err := k.chosenPlan(ctx)
			if err != nil {
				return err
			}
			explainer, err := explain.New(plan)
			if err != nil {
				return fmt.Errorf("explain the request: %w", err)
			}
			decision := explainer.Explain(r)
			if output.isData() {
				err = output.print(k.Out, decision)
			} else {
				err = decision.WriteText(k.Out)
			}
			if err == nil && decision.Outcome.Failed() {
				return found
			}
			return err
		}),
	}
	addFormat(cmd, &output, js, yml)
	asked.Register(cmd.Flags())
	return cmd
}
