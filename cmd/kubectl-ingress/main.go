// Command kubectl-ingress is a plugin of kubectl that looks at the Ingresses of a cluster and at their controllers:
// `kubectl ingress doctor`. It reads objects through the API server, makes the plan that the controller makes of them, and asks
// running pods where only they know. It changes nothing in the cluster, and has no rule of its own about what is right.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	err := rootCommand(streams).ExecuteContext(ctx)
	var ended exitStatus
	switch {
	case errors.As(err, &ended):
		os.Exit(int(ended))
	case err != nil:
		fmt.Fprintln(os.Stderr, "kubectl ingress:", err)
		os.Exit(2)
	}
}

// exitStatus ends the program without a word: what is to be said has been printed.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// found is the status of a command that did what it should, and found something wrong.
const found exitStatus = 1

func rootCommand(streams genericiooptions.IOStreams) *cobra.Command {
	k := &kube{IOStreams: streams, flags: genericclioptions.NewConfigFlags(true)}
	root := &cobra.Command{
		Use:   "kubectl-ingress",
		Short: "Look at the Ingresses of a cluster and at their controllers",
		Long: `Look at the Ingresses of a cluster and at their controllers.

Start with "kubectl ingress doctor". Nothing is changed by any command but exec and ssh.`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl ingress"},
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       release,
	}
	k.flags.AddFlags(root.PersistentFlags())
	root.PersistentFlags().StringVar(&k.choice.deployment, "deployment", "", "controller to look at, by the name of its Deployment or DaemonSet, if there are several")
	root.PersistentFlags().StringVar(&k.choice.pod, "pod", "", "controller to look at, by the name of a pod; for what is asked of pods, only that one")
	root.PersistentFlags().StringVarP(&k.choice.selector, "selector", "l", defaultSelector, "labels of the pods of controllers")
	root.PersistentFlags().StringVar(&k.choice.class, "class", "", "controller to look at, by the name of an IngressClass that it serves")
	completeFrom(root, k)
	root.AddCommand(
		doctorCommand(k), explainCommand(k), diffCommand(k), listCommand(k), lintCommand(k), certsCommand(k), confCommand(k), backendsCommand(k),
		eventsCommand(k), logsCommand(k), execCommand(k), sshCommand(k), generalCommand(k), infoCommand(k), routesCommand(k), bundleCommand(k),
	)
	return root
}

// release is set when a release is built.
var release = "development"
