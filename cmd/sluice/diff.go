package main

import (
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sluice-ingress/sluice/controller/compare"
	"github.com/sluice-ingress/sluice/controller/settings"
)

// errChanges ends a command with status 1, as in diff(1): it did what it should, and something changes.
var errChanges = errors.New("something changes")

func diffCommand() *cobra.Command {
	var (
		selection  settings.Selection
		process    settings.Process
		shared     []string
		format     string
		full       bool
		customTmpl string
	)
	cmd := &cobra.Command{
		Use:   "diff OLD NEW [-f PATH...]",
		Short: "Say what changes between two versions of manifests: for clients, in nginx.conf, by a reload; needs no cluster and no NGINX",
		Long: `Say what changes between two versions of manifests: for clients, in nginx.conf, and whether NGINX has to reload.
Needs no cluster and no NGINX.

OLD and NEW are files or directories of manifests, or - for standard input. What is the same in both, such as Services,
may stand elsewhere: --filename.

The exit status is 0 if nothing changes, 1 if something does, and 2 if nothing could be compared.`,
		Example: "  sluice diff main/deploy deploy\n  git show main:shop.yaml | sluice diff - shop.yaml -f cluster.yaml --format markdown",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			write, err := chosenFormat(compare.Formats, format)
			if err != nil {
				return err
			}
			report, err := compareManifests(selection, process, customTmpl, args, shared, cmd.InOrStdin())
			if err != nil {
				return err
			}
			if !full {
				report.Cut(compare.Enough())
			}
			if err := write(cmd.OutOrStdout(), report); err != nil {
				return err
			}
			if !report.IsEmpty() {
				return errChanges
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVarP(&shared, "filename", "f", nil, "file or directory of manifests that both versions have; may be repeated")
	cmd.Flags().StringVar(&format, "format", "text", "text, markdown (a comment for a pull request) or json")
	cmd.Flags().BoolVar(&full, "full", false, "print all changes and all lines of nginx.conf, however many there are")
	cmd.Flags().StringVar(&customTmpl, "template-dir", "", "directory with templates that replace those built in")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(slices.Sorted(maps.Keys(compare.Formats)), cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	selection.Register(cmd.Flags())
	process.Register(cmd.Flags())
	return cmd
}

// compareManifests compares the old and the new of two versions.
func compareManifests(selection settings.Selection, process settings.Process, templateDir string, versions, shared []string, stdin io.Reader) (compare.Report, error) {
	options, err := renderOptions(selection, process, templateDir)
	if err != nil {
		return compare.Report{}, err
	}
	if slices.Contains(shared, "-") || versions[0] == "-" && versions[1] == "-" {
		return compare.Report{}, errors.New("standard input can be one of the two versions only")
	}
	old, err := readInput(slices.Concat(shared, versions[:1]), stdin)
	if err != nil {
		return compare.Report{}, err
	}
	new, err := readInput(slices.Concat(shared, versions[1:]), stdin)
	if err != nil {
		return compare.Report{}, err
	}
	before, after := old.snapshot(), new.snapshot()
	after.Now = before.Now
	return compare.Snapshots(options, before, after)
}
