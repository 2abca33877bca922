// Command sluice is an ingress controller for Kubernetes that drives a stock NGINX.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := rootCommand()
	root.SetArgs(commandLine(os.Args))
	err := root.ExecuteContext(ctx)
	switch {
	case errors.Is(err, errProblems), errors.Is(err, errChanges):
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "sluice:", err)
		os.Exit(2)
	}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "sluice",
		Short:         "An ingress controller for Kubernetes that drives a stock NGINX",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(controllerCommand(), dataplaneCommand(), debugCommand(), renderCommand(), lintCommand(), explainCommand(), diffCommand(), migrateCommand(), versionCommand(), waitShutdownCommand())
	return root
}

// errProblems ends a command with status 1: it did what it should, and found errors in the objects.
var errProblems = errors.New("the objects have errors")
