package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/explain"
	"github.com/sluice-ingress/sluice/controller/settings"
)

func explainCommand() *cobra.Command {
	var (
		selection  settings.Selection
		process    settings.Process
		asked      settings.Request
		paths      []string
		output     string
		customTmpl string
	)
	cmd := &cobra.Command{
		Use:   "explain -f PATH... [METHOD] URL",
		Short: "Say what becomes of a request, and why; needs no cluster and no NGINX",
		Long: `Say what becomes of a request, and why; needs no cluster and no NGINX.

It prints which host and path of the manifests take the request, what redirects or refuses it, and which pods
see what of it. Nothing is asked: what depends on the answer of a service, on a count or on a password is said to.

Both modes of --routing answer alike. Hosts and paths are looked up in compiled form whichever is given, as there
each has a place in the configuration.

The exit status is 0 if a pod gets the request or it is redirected, 1 if NGINX itself answers with an error, and 2 if
nothing could be explained.`,
		Example: "  sluice explain -f shop.yaml https://shop.example.com/cart\n  kubectl get ingress,service,endpointslice -A -o yaml | sluice explain -f - POST shop.example.com/cart -H 'X-Canary: always'",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := asked.Read(args)
			if err != nil {
				return err
			}
			options, err := renderOptions(selection, process, customTmpl)
			if err != nil {
				return err
			}
			options.Routing = controller.Compiled // both answer alike
			plan, err := planManifests(options, paths, cmd.InOrStdin())
			if err != nil {
				return err
			}
			explainer, err := explain.New(plan)
			if err != nil {
				return fmt.Errorf("explain the request: %w", err)
			}
			decision := explainer.Explain(r)
			if err := printDecision(cmd.OutOrStdout(), decision, output); err != nil {
				return err
			}
			if decision.Outcome.Failed() {
				return errProblems
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVarP(&paths, "filename", "f", nil, "file or directory of manifests, - for standard input; may be repeated")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "how to print: text, json or yaml")
	cmd.Flags().StringVar(&customTmpl, "template-dir", "", "directory with templates that replace those built in")
	asked.Register(cmd.Flags())
	selection.Register(cmd.Flags())
	process.Register(cmd.Flags())
	if err := cmd.MarkFlagRequired("filename"); err != nil {
		panic(err)
	}
	return cmd
}

func printDecision(w io.Writer, d explain.Decision, output string) error {
	var text []byte
	var err error
	switch output {
	case "text":
		return d.WriteText(w)
	case "json":
		text, err = json.MarshalIndent(d, "", "  ")
		text = append(text, '\n')
	case "yaml":
		text, err = yaml.Marshal(d)
	default:
		return fmt.Errorf("--output: %q is neither text, json nor yaml", output)
	}
	if err != nil {
		return fmt.Errorf("print the decision: %w", err)
	}
	_, err = w.Write(text)
	return err
}
