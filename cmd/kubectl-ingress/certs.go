package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ingress/sluice/controller/view"
)

func certsCommand(k *kube) *cobra.Command {
	var output format
	var host string
	var live bool
	where := scope{k: k}
	cmd := &cobra.Command{
		Use:   "certs [--host HOST]",
		Short: "Show which certificate each host serves, and until when; never a key",
		Args:  cobra.NoArgs,
		RunE: k.run(func(ctx context.Context, _ []string) error {
			c, plan, err := k.chosenPlan(ctx)
			if err != nil {
				return err
			}
			list := slices.DeleteFunc(view.Of(plan).Certificates(), func(c view.Certificate) bool {
				namespace, _, _ := strings.Cut(c.Ingress, "/")
				return host != "" && c.Host != host || host == "" && !where.has(namespace)
			})
			if live {
				if list, err = k.liveCertificates(ctx, c, list, host); err != nil {
					return err
				}
			}
			if output.isData() {
				return output.print(k.Out, list)
			}
			return columns(k.Out, certificateRows(list, time.Now()))
		}),
	}
	addFormat(cmd, &output, js, yml)
	where.add(cmd)
	cmd.Flags().StringVar(&host, "host", "", "only this host, of any namespace")
	cmd.Flags().BoolVar(&live, "live", false, "ask the pods which certificate clients get")
	return cmd
}

// liveCertificates asks the pods, by a handshake for each host.
func (k *kube) liveCertificates(ctx context.Context, c *controllerSeen, planned []view.Certificate, host string) ([]view.Certificate, error) {
	hosts := []string{}
	for _, p := range planned {
		hosts = append(hosts, p.Host)
	}
	if host != "" {
		hosts = []string{host}
	}
	if hosts = slices.Compact(hosts); len(hosts) == 0 {
		return nil, nil
	}
	answers, err := k.askAll(ctx, c, append([]string{"certs", "--https-port=" + strconv.Itoa(c.render.HTTPSPort), "--"}, hosts...)...)
	if err != nil {
		return nil, err
	}
	var list []view.Certificate
	for _, a := range answers {
		var shown []struct {
			view.Certificate
			Error string `json:"error"`
		}
		if err := json.Unmarshal(a.text, &shown); err != nil {
			return nil, fmt.Errorf("read the answer of pod %s: %w", a.pods[0], err)
		}
		for _, s := range shown {
			s.Served, s.Why, s.Pods = "yes", s.Error, a.pods
			if s.Error != "" {
				s.Served = "no"
			}
			list = append(list, s.Certificate)
		}
	}
	return list, nil
}

func certificateRows(list []view.Certificate, now time.Time) [][]string {
	rows := [][]string{{"HOST", "SECRET", "SUBJECT", "NAMES", "EXPIRES", "SERVED", "WHY"}}
	for _, c := range list {
		expires := "-"
		if !c.NotAfter.IsZero() {
			expires = c.NotAfter.UTC().Format(time.DateOnly)
			if left := c.NotAfter.Sub(now); left < 0 {
				expires += " (expired)"
			} else {
				expires += fmt.Sprintf(" (%dd)", int(left.Hours()/24))
			}
		}
		rows = append(rows, []string{c.Host, orNone(c.Secret), orNone(c.Subject), orNone(strings.Join(c.Names, ",")), expires, c.Served, orNone(c.Why)})
	}
	return rows
}
