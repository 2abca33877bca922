package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/compare"
	"github.com/sluice-ingress/sluice/controller/manifests"
)

func diffCommand(k *kube) *cobra.Command {
	var (
		paths  []string
		format string
		full   bool
	)
	cmd := &cobra.Command{
		Use:   "diff -f PATH...",
		Short: "Show what changes for clients, in nginx.conf and by a reload if manifests are applied to the cluster",
		Long: `Show what changes if manifests are applied to the cluster: for clients, in nginx.conf, and whether NGINX reloads.
Nothing is applied. What the cluster has and the manifests do not stays. Objects that name no namespace are of that of --namespace, or of the context.

The exit status is 0 if nothing changes, 1 if something does, and 2 if nothing could be compared.`,
		Args: cobra.NoArgs,
		RunE: k.run(func(ctx context.Context, _ []string) error {
			write, known := compare.Formats[format]
			if !known {
				return fmt.Errorf("--format: %q is none of %s", format, strings.Join(slices.Sorted(maps.Keys(compare.Formats)), ", "))
			}
			c, err := k.chosen(ctx)
			if err != nil {
				return err
			}
			report, err := k.compare(ctx, c, paths)
			if err != nil {
				return err
			}
			if !full {
				report.Cut(compare.Enough())
			}
			if err := write(k.Out, report); err != nil {
				return err
			}
			if !report.IsEmpty() {
				return found
			}
			return nil
		}),
	}
	cmd.Flags().StringArrayVarP(&paths, "filename", "f", nil, "file or directory of manifests, - for standard input; may be repeated")
	cmd.Flags().StringVar(&format, "format", "text", "text, markdown (a comment for a pull request) or json")
	cmd.Flags().BoolVar(&full, "full", false, "print all changes and all lines of nginx.conf, however many there are")
	_ = cmd.MarkFlagRequired("filename")                                                                                                                // the flag exists
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(slices.Sorted(maps.Keys(compare.Formats)), cobra.ShellCompDirectiveNoFileComp)) // likewise
	return cmd
}

// compare compares the cluster with what it would be with manifests applied.
func (k *kube) compare(ctx context.Context, c *controllerSeen, paths []string) (compare.Report, error) {
	objects, notes, err := manifests.Read(paths, k.In, k.namespace, nil)
	if err != nil {
		return compare.Report{}, err
	}
	for _, n := range notes {
		if n.Severity > cluster.Info {
			k.note("%s:%d: %s", plain(n.File), n.Line, plain(n.Message))
		}
	}
	live, err := k.snapshot(ctx, c)
	if err != nil {
		return compare.Report{}, err
	}
	options, err := c.options() // the selection is that of the snapshot
	if err != nil {
		return compare.Report{}, err
	}
	options.Routing = c.routing
	report, err := compare.Snapshots(options, live, compare.Applied(live, objects, time.Now()))
	report.Appeared, report.Gone = k.believed(ctx, report.Appeared), k.believed(ctx, report.Gone)
	return report, err
}
