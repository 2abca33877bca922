package main

import (
	"slices"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// completeFrom lets shells complete names of the cluster. What cannot be read completes nothing.
func completeFrom(root *cobra.Command, k *kube) {
	complete := func(flag string, names func(*cobra.Command) []string) {
		_ = root.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if k.open() != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			list := names(cmd)
			slices.Sort(list)
			return slices.Compact(list), cobra.ShellCompDirectiveNoFileComp
		}) // the flags exist
	}
	controllers := func(cmd *cobra.Command) []*controllerSeen {
		all, _ := k.seen(cmd.Context()) // of an error, nothing is completed
		return all
	}
	complete("namespace", func(cmd *cobra.Command) []string {
		var names []string
		list, err := k.api.CoreV1().Namespaces().List(cmd.Context(), metav1.ListOptions{})
		if err != nil {
			return nil
		}
		for _, n := range list.Items {
			names = append(names, n.Name)
		}
		return names
	})
	complete("deployment", func(cmd *cobra.Command) []string {
		var names []string
		for _, c := range controllers(cmd) {
			names = append(names, c.name.Name)
		}
		return names
	})
	complete("pod", func(cmd *cobra.Command) []string {
		var names []string
		for _, c := range controllers(cmd) {
			for _, pod := range c.pods {
				names = append(names, pod.Name)
			}
		}
		return names
	})
	complete("class", func(cmd *cobra.Command) []string {
		var names []string
		for _, c := range controllers(cmd) {
			names = append(names, c.translation.Selection.IngressClass)
		}
		return names
	})
}
