package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/lint"
	"github.com/sluice-ingress/sluice/controller/settings"
)

// planOptions are those for plans of which nobody reads the files.
func planOptions(selection settings.Selection) (controller.Options, error) {
	var process settings.Process
	process.Register(pflag.NewFlagSet("defaults", pflag.ContinueOnError))
	return renderOptions(selection, process, "")
}

// chosenFormat is the one that --format names.
func chosenFormat[F any](formats map[string]F, name string) (F, error) {
	format, known := formats[name]
	if !known {
		return format, fmt.Errorf("--format: %q is none of %s", name, strings.Join(slices.Sorted(maps.Keys(formats)), ", "))
	}
	return format, nil
}

func lintCommand() *cobra.Command {
	var (
		selection settings.Selection
		paths     []string
		format    string
		complete  bool
		strict    bool
	)
	cmd := &cobra.Command{
		Use:   "lint -f PATH... [--format text|json|github|sarif]",
		Short: "Say what is wrong with manifests, by line and column; needs no cluster and no NGINX",
		Long: `Say what is wrong with manifests, by line and column; needs no cluster and no NGINX.

The exit status is 0 if nothing is wrong, 1 if there are errors (with --strict also if there are
warnings), and 2 if nothing could be read.`,
		Example: "  sluice lint -f deploy/\n  kubectl get ingress,service,endpointslice,secret,configmap -A -o yaml | sluice lint -f - --complete",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			write, err := chosenFormat(lint.Formats, format)
			if err != nil {
				return err
			}
			options, err := planOptions(selection)
			if err != nil {
				return err
			}
			given, err := readInput(paths, cmd.InOrStdin())
			if err != nil {
				return err
			}
			plan, err := options.Plan(given.snapshot())
			if err != nil {
				return err
			}
			findings := lint.Check(lint.Input{Plan: plan, Objects: given.objects.Lists(), Texts: given.texts, Complete: complete})
			if err := write(cmd.OutOrStdout(), findings, release); err != nil {
				return err
			}
			errs, warnings := findings.Count(cluster.Error), findings.Count(cluster.Warning)
			fmt.Fprintf(cmd.ErrOrStderr(), "%d errors, %d warnings, %d infos\n", errs, warnings, findings.Count(cluster.Info))
			switch {
			case !given.hasObjects():
				return errors.New("no Kubernetes object could be read")
			case errs > 0 || strict && warnings > 0:
				return errProblems
			}
			return nil
		},
	}
	registerInput(cmd, &paths)
	cmd.MarkFlagsOneRequired("filename")
	cmd.Flags().StringVar(&format, "format", "text", "text, json, github (commands of a GitHub workflow) or sarif (SARIF 2.1.0)")
	cmd.Flags().BoolVar(&complete, "complete", false, "the manifests are all there is: what they lack is missing, not somewhere in the cluster")
	cmd.Flags().BoolVar(&strict, "strict", false, "end with status 1 for warnings too")
	selection.Register(cmd.Flags())
	return cmd
}
