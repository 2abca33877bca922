package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/explain"
	"github.com/sluice-ingress/sluice/nginx/request"
)

// askedFor are the flags and arguments that describe a request.
type askedFor struct {
	headers     []string
	cookies     []string
	client      string
	certificate bool
	body        int64
}

func explainCommand() *cobra.Command {
	var (
		selection  selectionFlags
		process    processFlags
		asked      askedFor
		paths      []string
		output     string
		customTmpl string
	)
	cmd := &cobra.Command{
		Use:   "explain -f PATH... [METHOD] URL",
		Short: "Say what becomes of a request, and why; needs no cluster and no NGINX",
		Long: `Say what becomes of a request, and why; needs no cluster and no NGINX.

It prints which host and path of the manifests take the request, what redirects or refuses it, and which pods
see what of it. Nothing is asked: what depends on the answer of a service, on a count or on a password is said to.

The exit status is 0 if a pod gets the request or it is redirected, 1 if NGINX itself answers with an error, and 2 if
nothing could be explained.`,
		Example: "  sluice explain -f shop.yaml https://shop.example.com/cart\n  kubectl get ingress,service,endpointslice -A -o yaml | sluice explain -f - POST shop.example.com/cart -H 'X-Canary: always'",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := asked.request(args)
			if err != nil {
				return err
			}
			options, err := renderOptions(selection, process, customTmpl)
			if err != nil {
				return err
			}
			options.Routing = controller.Compiled // both answer alike
			plan, err := planManifests(options, paths, cmd.InOrStdin())
			if err != nil {
				return err
			}
			explainer, err := explain.New(plan)
			if err != nil {
				return fmt.Errorf("explain the request: %w", err)
			}
			decision := explainer.Explain(r)
			if err := printDecision(cmd.OutOrStdout(), decision, output); err != nil {
				return err
			}
			if decision.Outcome.Failed() {
				return errProblems
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVarP(&paths, "filename", "f", nil, "file or directory of manifests, - for standard input; may be repeated")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "how to print: text, json or yaml")
	cmd.Flags().StringVar(&customTmpl, "template-dir", "", "directory with templates that replace those built in")
	asked.register(cmd)
	selection.register(cmd.Flags())
	process.register(cmd.Flags())
	if err := cmd.MarkFlagRequired("filename"); err != nil {
		panic(err)
	}
	return cmd
}

func (a *askedFor) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVarP(&a.headers, "header", "H", nil, "header of the request, as 'Name: value'; may be repeated")
	flags.StringArrayVar(&a.cookies, "cookie", nil, "cookie of the request, as name=value; may be repeated")
	flags.StringVar(&a.client, "client-ip", "", "address of the client, for lists of addresses; without one they are only named")
	flags.BoolVar(&a.certificate, "client-certificate", false, "the client shows a certificate")
	flags.Int64Var(&a.body, "body-size", 0, "length of the body in bytes")
}

// request is the request that the arguments and flags describe.
func (a *askedFor) request(args []string) (request.Request, error) {
	method := "GET"
	if len(args) == 2 {
		method = args[0]
	}
	r, err := request.New(method, args[len(args)-1])
	if err != nil {
		return r, err
	}
	for _, text := range a.headers {
		name, value, has := strings.Cut(text, ":")
		if !has || name == "" {
			return r, fmt.Errorf("--header: %q is not of the form 'Name: value'", text)
		}
		if value = strings.TrimSpace(value); strings.EqualFold(name, "Host") {
			r.Host = value
			continue
		}
		r.Headers = append(r.Headers, request.Header{Name: name, Value: value})
	}
	for _, text := range a.cookies {
		if !strings.Contains(text, "=") {
			return r, fmt.Errorf("--cookie: %q is not of the form name=value", text)
		}
		r.Headers = append(r.Headers, request.Header{Name: "Cookie", Value: text})
	}
	if a.client != "" {
		if r.Client, err = netip.ParseAddr(a.client); err != nil {
			return r, fmt.Errorf("--client-ip: %q is not an address", a.client)
		}
	}
	if a.body < 0 {
		return r, errors.New("--body-size must not be negative")
	}
	r.HasCertificate, r.Body = a.certificate, a.body
	return r, nil
}

func printDecision(w io.Writer, d explain.Decision, output string) error {
	var text []byte
	var err error
	switch output {
	case "text":
		return d.WriteText(w)
	case "json":
		text, err = json.MarshalIndent(d, "", "  ")
		text = append(text, '\n')
	case "yaml":
		text, err = yaml.Marshal(d)
	default:
		return fmt.Errorf("--output: %q is neither text, json nor yaml", output)
	}
	if err != nil {
		return fmt.Errorf("print the decision: %w", err)
	}
	_, err = w.Write(text)
	return err
}
