package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-ingress/sluice/controller/migrate"
	"github.com/sluice-ingress/sluice/controller/settings"
)

func migrateCommand() *cobra.Command {
	var (
		selection settings.Selection
		paths     []string
		values    []string
		format    string
	)
	cmd := &cobra.Command{
		Use:   "migrate -f PATH... [--values FILE...] [--format text|json|html]",
		Short: "Report what a move from ingress-nginx takes; needs no cluster and no NGINX",
		Long: `Report what a move from ingress-nginx takes; needs no cluster and no NGINX.

The input are the objects of a cluster or of a repository: Ingresses, the controller's ConfigMap, and
the Deployment or DaemonSet that runs it, for its flags. Flags that say which objects are its own, such
as --configmap, --ingress-class and --watch-namespace, count here too, unless they are given. In place
of these objects, --values takes values of ingress-nginx's chart.

The exit status is 0 if there is nothing to do, 1 if something needs work, and 2 if nothing could be
read.`,
		Example: "  kubectl get ingress,ingressclass,configmap,deployment,daemonset -A -o yaml | sluice migrate -f - --format html >move.html",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			write, err := chosenFormat(migrate.Formats, format)
			if err != nil {
				return err
			}
			given, err := readInput(paths, cmd.InOrStdin())
			if err != nil {
				return err
			}
			configMaps, controllers, err := given.controllers(values)
			if err != nil {
				return err
			}
			if err := followFlags(cmd.Flags(), controllers); err != nil {
				return err
			}
			report, err := given.migration(selection, configMaps, controllers)
			if err != nil {
				return err
			}
			if !given.hasObjects() && len(values) == 0 {
				return errors.New("no Kubernetes object could be read")
			}
			if err := write(cmd.OutOrStdout(), report); err != nil {
				return err
			}
			if report.NeedsWork() {
				return errProblems
			}
			return nil
		},
	}
	registerInput(cmd, &paths)
	cmd.Flags().StringArrayVar(&values, "values", nil, "file with values of ingress-nginx's chart; may be repeated")
	cmd.MarkFlagsOneRequired("filename", "values")
	cmd.Flags().StringVar(&format, "format", "text", "text, json or html")
	selection.Register(cmd.Flags())
	return cmd
}

// controllers are those that the manifests, and values of ingress-nginx's chart, start; and the ConfigMaps that the chart makes.
func (in input) controllers(valuesFiles []string) ([]*corev1.ConfigMap, []migrate.Controller, error) {
	var list []migrate.Controller
	for _, file := range slices.Sorted(maps.Keys(in.texts)) {
		list = append(list, migrate.Controllers(file, in.texts[file])...)
	}
	var configMaps []*corev1.ConfigMap
	for _, file := range valuesFiles {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, fmt.Errorf("read values: %w", err)
		}
		configMap, controller, err := migrate.FromHelmValues(file, text)
		if err != nil {
			return nil, nil, err
		}
		configMaps, list = append(configMaps, configMap), append(list, controller)
	}
	return configMaps, list, nil
}

// followFlags has the flags that say which objects are a controller's be as in what starts it, unless they are given here. Of
// several controllers the first counts.
func followFlags(flags *pflag.FlagSet, controllers []migrate.Controller) error {
	for _, c := range controllers {
		for _, a := range append(slices.Clone(c.Arguments), c.Implied()...) {
			if f := flags.Lookup(a.Name); f != nil && !f.Changed {
				if err := flags.Set(a.Name, c.Expand(a.Value)); err != nil {
					return fmt.Errorf("%s: --%s: %w", c.Object, a.Name, err)
				}
			}
		}
	}
	return nil
}

// migration makes the report on what was read and on ConfigMaps besides.
func (in input) migration(selection settings.Selection, configMaps []*corev1.ConfigMap, controllers []migrate.Controller) (migrate.Report, error) {
	options, err := planOptions(selection)
	if err != nil {
		return migrate.Report{}, err
	}
	lists := in.objects.Lists()
	lists.ConfigMaps = append(lists.ConfigMaps, configMaps...)
	plan, err := options.Plan(in.snapshotOf(lists))
	if err != nil {
		return migrate.Report{}, err
	}
	return migrate.Make(migrate.Input{
		Plan: plan, ConfigMap: options.Translate.ConfigMap, Controllers: controllers, Flags: knownFlags(), Differences: migrate.Known(), Texts: in.texts,
	}), nil
}

// knownFlags are the flags of the controller, as a migration asks for them.
func knownFlags() []migrate.Flag {
	why := map[string]string{}
	for _, f := range inert {
		why[f.name] = f.why
	}
	var list []migrate.Flag
	controllerCommand().Flags().VisitAll(func(f *pflag.Flag) {
		list = append(list, migrate.Flag{
			Name: f.Name, NoEffect: why[f.Name], IsLack: strings.Contains(why[f.Name], " yet"),
			IsIdle: func(value string) bool {
				fresh := controllerCommand().Flags().Lookup(f.Name) // lists grow when they are set again
				return fresh.Value.Set(value) == nil && fresh.Value.String() == f.DefValue
			},
		})
	})
	return list
}
