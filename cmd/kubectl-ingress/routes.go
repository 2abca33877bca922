package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// reloadCause is what made configurations necessary, as a pod counts it.
type reloadCause struct {
	Pod    string  `json:"pod"`
	Object string  `json:"object"`
	Field  string  `json:"field"`
	Count  float64 `json:"count"`
}

// reload is an Event that NGINX was reloaded, or refused to.
type reload struct {
	Pod     string    `json:"pod"`
	Last    time.Time `json:"last"`
	Count   int32     `json:"count"`
	Type    string    `json:"type"`
	Message string    `json:"message"`
}

// reloadsView is what routes --reloads prints.
type reloadsView struct {
	Reloads []reload      `json:"reloads"`
	Causes  []reloadCause `json:"causes"`
}

func routesCommand(k *kube) *cobra.Command {
	var output format
	var reloads bool
	var last int
	cmd := &cobra.Command{
		Use:   "routes --reloads",
		Short: "Show what made NGINX reload: the last times, and which fields of which objects how often",
		Args:  cobra.NoArgs,
		RunE: k.run(func(ctx context.Context, _ []string) error {
			c, err := k.chosen(ctx)
			if err != nil {
				return err
			}
			view := reloadsView{Causes: k.reloadCauses(ctx, c)}
			if view.Reloads, err = k.reloads(ctx, c, last); err != nil {
				return err
			}
			if output.isData() {
				return output.print(k.Out, view)
			}
			rows := [][]string{{"LAST", "COUNT", "TYPE", "POD", "MESSAGE"}}
			for _, r := range view.Reloads {
				rows = append(rows, []string{r.Last.UTC().Format(time.RFC3339), fmt.Sprint(r.Count), r.Type, r.Pod, r.Message})
			}
			if err := columns(k.Out, rows); err != nil {
				return err
			}
			fmt.Fprintln(k.Out)
			rows = [][]string{{"COUNT", "OBJECT", "FIELD", "POD"}}
			for _, cause := range view.Causes {
				rows = append(rows, []string{fmt.Sprintf("%.0f", cause.Count), cause.Object, orNone(cause.Field), cause.Pod})
			}
			return columns(k.Out, rows)
		}),
	}
	addFormat(cmd, &output, js, yml)
	cmd.Flags().BoolVar(&reloads, "reloads", false, "what made NGINX reload; hosts and paths themselves are shown by list")
	cmd.Flags().IntVar(&last, "last", 10, "how many reloads of each pod")
	_ = cmd.MarkFlagRequired("reloads") // the flag exists
	return cmd
}

// reloads are the Events on pods, the newest last.
func (k *kube) reloads(ctx context.Context, c *controllerSeen, last int) ([]reload, error) {
	list := []reload{}
	for _, pod := range k.asked(c) {
		selector := fields.AndSelectors(fields.OneTermEqualSelector("reason", "RELOAD"), fields.OneTermEqualSelector("involvedObject.uid", string(pod.UID)))
		events, err := k.api.CoreV1().Events(pod.Namespace).List(ctx, metav1.ListOptions{FieldSelector: selector.String()})
		if err != nil {
			return nil, fmt.Errorf("list the Events of pod %s: %w", pod.Name, err)
		}
		slices.SortStableFunc(events.Items, func(a, b corev1.Event) int { return a.LastTimestamp.Compare(b.LastTimestamp.Time) })
		for _, e := range events.Items[max(0, len(events.Items)-last):] {
			list = append(list, reload{pod.Name, e.LastTimestamp.Time, e.Count, e.Type, e.Message})
		}
	}
	return list, nil
}

// reloadCauses are those that the pods count, the most frequent first.
func (k *kube) reloadCauses(ctx context.Context, c *controllerSeen) []reloadCause {
	list := []reloadCause{}
	for _, pod := range k.asked(c) {
		families, err := k.families(ctx, c, pod)
		if err != nil {
			k.note("%v", err)
			continue
		}
		for _, m := range families["sluice_reload_causes_total"].GetMetric() {
			cause := reloadCause{Pod: pod.Name, Count: m.GetCounter().GetValue()}
			for _, label := range m.GetLabel() {
				switch label.GetName() {
				case "object":
					cause.Object = label.GetValue()
				case "field":
					cause.Field = label.GetValue()
				}
			}
			list = append(list, cause)
		}
	}
	slices.SortFunc(list, func(a, b reloadCause) int {
		if a.Count != b.Count {
			return int(b.Count - a.Count)
		}
		return strings.Compare(a.Object+a.Field+a.Pod, b.Object+b.Field+b.Pod)
	})
	return list
}
