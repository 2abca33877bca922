package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/controller/view"
)

// scope is which namespaces' objects a command shows.
type scope struct {
	k   *kube
	all bool
}

func (s *scope) add(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&s.all, "all-namespaces", "A", false, "objects of all namespaces")
}

func (s *scope) has(namespace string) bool { return s.all || namespace == s.k.namespace }

func listCommand(k *kube) *cobra.Command {
	var output format
	var host string
	where := scope{k: k}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls", "ingresses", "ingress", "ing"},
		Short:   "List hosts and paths, the Services they lead to, and how many endpoints are ready",
		Args:    cobra.NoArgs,
		RunE: k.run(func(ctx context.Context, _ []string) error {
			_, plan, err := k.chosenPlan(ctx)
			if err != nil {
				return err
			}
			list := slices.DeleteFunc(view.Of(plan).Routes(), func(r view.Route) bool { return !where.has(r.Namespace) || host != "" && r.Host != host })
			if output.isData() {
				return output.print(k.Out, list)
			}
			return columns(k.Out, routeRows(list, output == wide, where.all))
		}),
	}
	addFormat(cmd, &output, wide, js, yml)
	where.add(cmd)
	cmd.Flags().StringVar(&host, "host", "", "only this host")
	return cmd
}

func routeRows(list []view.Route, isWide, withNamespace bool) [][]string {
	head := []string{"INGRESS", "HOST", "PATH", "SERVICE", "READY", "TLS", "CLASS", "SERVED", "PROBLEMS"}
	if isWide {
		head = append(head, "TYPE")
	}
	if withNamespace {
		head = append([]string{"NAMESPACE"}, head...)
	}
	rows := [][]string{head}
	for _, r := range list {
		service := "-"
		if r.Service != "" {
			service = r.Service + ":" + r.Port
		}
		row := []string{r.Ingress, r.Host, r.Path, service, fmt.Sprintf("%d/%d", r.Ready, r.Total), r.TLS, orNone(r.Class), r.Served, orNone(joined(r.Problems))}
		if isWide {
			row = append(row, orNone(r.PathType))
		}
		if withNamespace {
			row = append([]string{r.Namespace}, row...)
		}
		rows = append(rows, row)
	}
	return rows
}

func joined(reasons []translate.Reason) string {
	var list []string
	for _, r := range reasons {
		list = append(list, string(r))
	}
	return strings.Join(list, ",")
}

func orNone(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
