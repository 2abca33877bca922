package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ingress/sluice/controller/settings"
	"github.com/sluice-ingress/sluice/nginx/inspect"
)

// debugCommand has what people, and the kubectl plugin, run beside an NGINX.
func debugCommand() *cobra.Command {
	var stateDir string
	cmd := &cobra.Command{
		Use:   "debug",
		Short: "Look at the NGINX that runs in this container; changes nothing, and shows no key",
	}
	settings.AddStateDir(cmd.PersistentFlags(), &stateDir)
	cmd.AddCommand(
		&cobra.Command{
			Use: "status", Short: "Print which configuration each worker runs, as JSON", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				status, err := inspect.In(stateDir).Status(cmd.Context())
				return printJSON(cmd, status, err)
			},
		},
		&cobra.Command{
			Use: "backends NAME...", Short: "Print what workers know of backends, as JSON by name; null for those that they do not know", Args: cobra.MinimumNArgs(1),
			RunE: func(cmd *cobra.Command, names []string) error {
				all, err := inspectBackends(cmd, inspect.In(stateDir), names)
				if err != nil {
					return err
				}
				text, err := json.Marshal(all)
				return printJSON(cmd, text, err)
			},
		},
		&cobra.Command{
			Use: "conf", Short: "Print the nginx.conf that is live", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				text, err := inspect.In(stateDir).Configuration()
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write(text)
				return err
			},
		},
		debugCertsCommand(),
	)
	return cmd
}

func printJSON(cmd *cobra.Command, text json.RawMessage, err error) error {
	if err != nil {
		return err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", "  "); err != nil {
		return fmt.Errorf("read the answer of workers: %w", err)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), indented.String())
	return err
}

func inspectBackends(cmd *cobra.Command, nginx inspect.NGINX, names []string) (map[string]json.RawMessage, error) {
	all := map[string]json.RawMessage{}
	for _, name := range names {
		backend, err := nginx.Backend(cmd.Context(), name)
		switch {
		case errors.Is(err, inspect.ErrNoBackend):
			backend = json.RawMessage("null")
		case err != nil:
			return nil, err
		}
		all[name] = backend
	}
	return all, nil
}

// served is the certificate that a client gets.
type served struct {
	Host     string    `json:"host"`
	Subject  string    `json:"subject"`
	Names    []string  `json:"names"`
	Issuer   string    `json:"issuer"`
	Serial   string    `json:"serial"`
	NotAfter time.Time `json:"notAfter"`
	Error    string    `json:"error,omitempty"`
}

func debugCertsCommand() *cobra.Command {
	var port int
	cmd := &cobra.Command{
		Use: "certs HOST...", Short: "Print which certificates clients get that ask for these hosts, as JSON", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, hosts []string) error {
			var all []served
			for _, host := range hosts {
				all = append(all, handshake(cmd, host, port))
			}
			text, err := json.Marshal(all)
			return printJSON(cmd, text, err)
		},
	}
	cmd.Flags().IntVar(&port, "https-port", 443, "port for HTTPS")
	return cmd
}

// handshake begins a connection as a client does, so that what is said is what clients get. Who is right about it is not for us to
// say, so nothing is verified; nor is anything sent.
func handshake(cmd *cobra.Command, host string, port int) served {
	const longest = 5 * time.Second
	s := served{Host: host}
	var leaf tls.ConnectionState
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: longest}, Config: &tls.Config{
		ServerName: host, InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			leaf = state
			return nil
		},
	}}
	connection, err := dialer.DialContext(cmd.Context(), "tcp", net.JoinHostPort("localhost", strconv.Itoa(port)))
	if err == nil {
		_ = connection.Close() // nothing was sent
	}
	if len(leaf.PeerCertificates) == 0 {
		if err == nil {
			err = errors.New("no certificate was shown")
		}
		s.Error = err.Error()
		return s
	}
	certificate := leaf.PeerCertificates[0]
	s.Subject, s.Issuer, s.NotAfter = certificate.Subject.String(), certificate.Issuer.String(), certificate.NotAfter
	s.Serial, s.Names = fmt.Sprintf("%x", certificate.SerialNumber), certificate.DNSNames
	return s
}
