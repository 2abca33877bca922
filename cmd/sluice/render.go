package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/customtemplates"
	"github.com/sluice-ingress/sluice/controller/origins"
	"github.com/sluice-ingress/sluice/controller/selfsigned"
	"github.com/sluice-ingress/sluice/controller/settings"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx"
)

func renderCommand() *cobra.Command {
	var (
		selection  settings.Selection
		process    settings.Process
		paths      []string
		outDir     string
		host       string
		customTmpl string
		annotate   bool
	)
	cmd := &cobra.Command{
		Use:   "render -f PATH... [-o DIR] [--host HOST] [--annotate]",
		Short: "Print the nginx.conf that manifests come to; needs no cluster and no NGINX",
		Long: `Print the nginx.conf that manifests come to; needs no cluster and no NGINX.

Problems with the objects go to standard error. The exit status is 1 if one of them is an error,
and 2 if nothing could be rendered.`,
		Example: "  sluice render -f shop.yaml\n  kubectl get ingress,service,endpointslice -A -o yaml | sluice render -f - --host shop.example.com",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := renderOptions(selection, process, customTmpl)
			if err != nil {
				return err
			}
			plan, err := planManifests(options, paths, cmd.InOrStdin())
			if err != nil {
				return err
			}
			printProblems(cmd.ErrOrStderr(), plan.Problems)
			print := printPlan
			if annotate {
				print = printAnnotated
			}
			if err := print(cmd.OutOrStdout(), options, plan, outDir, host); err != nil {
				return err
			}
			if plan.Problems.Errors() > 0 {
				return errProblems
			}
			return nil
		},
	}
	registerInput(cmd, &paths)
	cmd.MarkFlagsOneRequired("filename")
	cmd.Flags().StringVarP(&outDir, "output", "o", "", "write all files of the configuration to this directory")
	cmd.Flags().StringVar(&host, "host", "", "print only this host's server block")
	cmd.Flags().BoolVar(&annotate, "annotate", false, "say behind lines of nginx.conf which field of which object they come from")
	cmd.Flags().StringVar(&customTmpl, "template-dir", "", "directory with templates that replace those built in")
	selection.Register(cmd.Flags())
	process.Register(cmd.Flags())
	return cmd
}

func renderOptions(selection settings.Selection, process settings.Process, templateDir string) (controller.Options, error) {
	translation, err := selection.Options(true)
	if err != nil {
		return controller.Options{}, err
	}
	services, err := selection.Streams(process.Ports())
	if err != nil {
		return controller.Options{}, err
	}
	set, err := customtemplates.Load(templateDir)
	if err != nil {
		return controller.Options{}, err
	}
	return controller.Options{Translate: translation, Streams: services, Render: process.Options(), Templates: set, Routing: process.Routing()}, nil
}

func printProblems(w io.Writer, problems translate.Problems) {
	for _, p := range problems {
		var parts []string
		if p.File != "" {
			parts = append(parts, fmt.Sprintf("%s:%d", p.File, p.Line))
		}
		parts = append(parts, p.Severity.String())
		for _, part := range []string{p.Object.String(), p.Field} {
			if part != "" {
				parts = append(parts, part)
			}
		}
		fmt.Fprintf(w, "%s: %s (%s)\n", strings.Join(parts, ": "), p.Message, p.Reason)
	}
}

func printPlan(w io.Writer, o controller.Options, plan controller.Plan, dir, host string) error {
	switch {
	case host != "":
		text, err := o.Templates.Server(plan.Config, host, o.Render)
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, text)
		return err
	case dir != "":
		return writeFiles(dir, plan.Files)
	}
	for _, f := range plan.Files.List {
		if f.Secret || f.Name == certificateName {
			continue
		}
		if _, err := fmt.Fprintf(w, "# file: %s\n%s\n", f.Name, f.Content); err != nil {
			return err
		}
	}
	return nil
}

// printAnnotated is printPlan with comments in nginx.conf.
func printAnnotated(w io.Writer, o controller.Options, plan controller.Plan, dir, host string) error {
	files, err := origins.Annotate(plan)
	if err != nil {
		return fmt.Errorf("annotate the configuration: %w", err)
	}
	if plan.Files = files; host == "" {
		return printPlan(w, o, plan, dir, host)
	}
	block, found := origins.ServerBlock(files, host)
	if !found {
		return fmt.Errorf("no host is called %q", host)
	}
	_, err = io.WriteString(w, block)
	return err
}

const certificateName, keyName = "default.crt", "default.key"

// writeFiles writes the files of a configuration. Without a default certificate it makes one, so that the
// directory passes nginx -t; one that is there already is kept.
func writeFiles(dir string, files nginx.Files) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the output directory: %w", err)
	}
	for _, f := range files.List {
		mode := os.FileMode(0o644)
		if f.Secret {
			mode = 0o600
		}
		if len(f.Content) == 0 && (f.Name == certificateName || f.Name == keyName) {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Content, mode); err != nil {
			return fmt.Errorf("write the configuration: %w", err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, keyName)); err == nil {
		return nil
	}
	pair, err := selfsigned.New(time.Now())
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, certificateName), []byte(pair.Chain), 0o644); err != nil {
		return fmt.Errorf("write the default certificate: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, keyName), []byte(pair.Key.Reveal()), 0o600); err != nil {
		return fmt.Errorf("write the default certificate's key: %w", err)
	}
	return nil
}
