package main

import (
	"fmt"
	"os/exec"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// These are set when a release is built.
var (
	release = "development"
	commit  string
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "sluice %s (%s, %s, %s/%s)\n", release, revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}

// printVersions is --version of the controller.
func printVersions(cmd *cobra.Command, nginx string) error {
	fmt.Fprintf(cmd.OutOrStdout(), "Sluice\n  Release:       %s\n  Build:         %s\n  Repository:    https://%s\n", release, revision(), repository)
	version, err := exec.CommandContext(cmd.Context(), nginx, "-v").CombinedOutput()
	if err != nil {
		return fmt.Errorf("ask NGINX for its version: %w", err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "  %s", version)
	return nil
}

const repository = "github.com/sluice-ingress/sluice"

// revision is the commit the binary was built from, as far as the build recorded it.
func revision() string {
	if commit != "" {
		return commit
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown revision"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "unknown revision"
}
