package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// component is who writes our Events.
const component = "nginx-ingress-controller"

func eventsCommand(k *kube) *cobra.Command {
	var output format
	var warnings bool
	where := scope{k: k}
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what the controller has said of Ingresses, and of its reloads, the newest last",
		Args:  cobra.NoArgs,
		RunE: k.run(func(ctx context.Context, _ []string) error {
			namespace := k.namespace
			if where.all {
				namespace = ""
			}
			o := metav1.ListOptions{}
			if warnings {
				o.FieldSelector = fields.OneTermEqualSelector("type", corev1.EventTypeWarning).String()
			}
			list, err := k.api.CoreV1().Events(namespace).List(ctx, o)
			if err != nil {
				return fmt.Errorf("list Events: %w", err)
			}
			events := slices.DeleteFunc(list.Items, func(e corev1.Event) bool { return cmp.Or(e.ReportingController, e.Source.Component) != component })
			slices.SortStableFunc(events, func(a, b corev1.Event) int { return a.LastTimestamp.Compare(b.LastTimestamp.Time) })
			if output.isData() {
				return output.print(k.Out, events)
			}
			rows := [][]string{{"LAST", "COUNT", "TYPE", "REASON", "OBJECT", "MESSAGE"}}
			for _, e := range events {
				object := e.InvolvedObject.Kind + " " + e.InvolvedObject.Namespace + "/" + e.InvolvedObject.Name
				rows = append(rows, []string{e.LastTimestamp.UTC().Format(time.RFC3339), fmt.Sprint(e.Count), e.Type, e.Reason, object, e.Message})
			}
			return columns(k.Out, rows)
		}),
	}
	addFormat(cmd, &output, js, yml)
	where.add(cmd)
	cmd.Flags().BoolVar(&warnings, "warnings", false, "only what is wrong")
	return cmd
}

func logsCommand(k *kube) *cobra.Command {
	var o corev1.PodLogOptions
	var tail, limit int64
	var since time.Duration
	var sinceTime string
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Print the log of a pod of the controller",
		Args:  cobra.NoArgs,
		RunE: k.run(func(ctx context.Context, _ []string) error {
			c, err := k.chosen(ctx)
			if err != nil {
				return err
			}
			pods := slices.DeleteFunc(slices.Clone(c.pods), func(p *corev1.Pod) bool { return k.choice.pod != "" && p.Name != k.choice.pod })
			if len(pods) == 0 {
				return fmt.Errorf("%s has no pod %s", c, k.choice.pod)
			}
			o.Container = cmp.Or(o.Container, c.container)
			if tail >= 0 {
				o.TailLines = &tail
			}
			if limit > 0 {
				o.LimitBytes = &limit
			}
			if since > 0 {
				seconds := int64(since.Seconds())
				o.SinceSeconds = &seconds
			}
			if sinceTime != "" {
				at, err := time.Parse(time.RFC3339, sinceTime)
				if err != nil {
					return fmt.Errorf("--since-time: %w", err)
				}
				o.SinceTime = &metav1.Time{Time: at}
			}
			return k.copyLog(ctx, k.Out, pods[0], &o)
		}),
	}
	cmd.Flags().StringVar(&o.Container, "container", "", "container of the pod, if not the one that runs the controller")
	cmd.Flags().BoolVarP(&o.Follow, "follow", "f", false, "go on printing what comes")
	cmd.Flags().BoolVar(&o.Timestamps, "timestamps", false, "begin each line with its time")
	cmd.Flags().BoolVarP(&o.Previous, "previous", "p", false, "of the container that ended before this one was started")
	cmd.Flags().Int64Var(&tail, "tail", -1, "only so many lines from the end")
	cmd.Flags().Int64Var(&limit, "limit-bytes", 0, "so many bytes at most")
	cmd.Flags().DurationVar(&since, "since", 0, "only what is younger, as in 5m")
	cmd.Flags().StringVar(&sinceTime, "since-time", "", "only what is younger than this time (RFC 3339)")
	cmd.MarkFlagsMutuallyExclusive("since", "since-time")
	return cmd
}

func (k *kube) copyLog(ctx context.Context, to io.Writer, pod *corev1.Pod, o *corev1.PodLogOptions) error {
	stream, err := k.api.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, o).Stream(ctx)
	if err != nil {
		return fmt.Errorf("read the log of pod %s: %w", pod.Name, err)
	}
	defer stream.Close()
	_, err = io.Copy(to, stream)
	return err
}

// generalView is what there is to say of a controller at a glance.
type generalView struct {
	Controller string   `json:"controller"`
	Image      string   `json:"image"`
	Arguments  []string `json:"arguments"`
	Pods       []string `json:"pods"`
	Routing    string   `json:"routing"`
	Leader     string   `json:"leader,omitempty"`
}

func generalCommand(k *kube) *cobra.Command {
	var output format
	var live bool
	cmd := &cobra.Command{
		Use:   "general",
		Short: "Show the controllers of the cluster: pods, image, arguments, leader",
		Args:  cobra.NoArgs,
		RunE: k.run(func(ctx context.Context, _ []string) error {
			if live {
				return k.printStatus(ctx)
			}
			list, err := k.seen(ctx)
			if err != nil {
				return err
			}
			views := []generalView{}
			for _, c := range list {
				if k.fits(c) {
					views = append(views, k.general(ctx, c))
				}
			}
			if output.isData() {
				return output.print(k.Out, views)
			}
			rows := [][]string{{"CONTROLLER", "PODS", "LEADER", "ROUTING", "IMAGE", "ARGUMENTS"}}
			for _, v := range views {
				rows = append(rows, []string{v.Controller, fmt.Sprint(len(v.Pods)), orNone(v.Leader), v.Routing, v.Image, strings.Join(v.Arguments, " ")})
			}
			return columns(k.Out, rows)
		}),
	}
	addFormat(cmd, &output, js, yml)
	cmd.Flags().BoolVar(&live, "live", false, "ask the pods which configuration their workers run, as JSON")
	return cmd
}

func (k *kube) general(ctx context.Context, c *controllerSeen) generalView {
	v := generalView{Controller: c.String(), Arguments: c.words, Routing: []string{"compiled", "dynamic"}[c.routing]}
	for _, pod := range c.pods {
		v.Pods = append(v.Pods, pod.Name)
		for _, container := range pod.Spec.Containers {
			if container.Name == c.container {
				v.Image = container.Image
			}
		}
	}
	if c.isForeign {
		v.Routing = "ingress-nginx"
	}
	if name := c.flags.Lease; name.Name != "" {
		lease, err := k.api.CoordinationV1().Leases(name.Namespace).Get(ctx, name.Name, metav1.GetOptions{})
		if err == nil && lease.Spec.HolderIdentity != nil { // doctor says why not
			v.Leader = *lease.Spec.HolderIdentity
		}
	}
	return v
}

func (k *kube) printStatus(ctx context.Context) error {
	c, err := k.chosen(ctx)
	if err != nil {
		return err
	}
	for _, pod := range k.asked(c) {
		text, err := k.ask(ctx, c, pod, "status")
		if err != nil {
			return err
		}
		fmt.Fprintf(k.Out, "# %s\n%s", pod.Name, text)
	}
	return nil
}

func infoCommand(k *kube) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "info",
		Short: "Print the addresses of the controller's Service",
		Args:  cobra.NoArgs,
		RunE: k.run(func(ctx context.Context, _ []string) error {
			c, err := k.chosen(ctx)
			if err != nil {
				return err
			}
			service := c.flags.Service
			if name != "" {
				service.Namespace, service.Name = c.name.Namespace, name
			}
			if service.Name == "" {
				return fmt.Errorf("%s publishes no Service; name one with --service", c)
			}
			found, err := k.api.CoreV1().Services(service.Namespace).Get(ctx, service.Name, metav1.GetOptions{})
			if err != nil {
				return fmt.Errorf("find the Service of the controller: %w", err)
			}
			fmt.Fprintf(k.Out, "Service cluster IP address: %s\n", found.Spec.ClusterIP)
			for _, i := range found.Status.LoadBalancer.Ingress {
				kind := "IP"
				if i.IP == "" {
					kind = "CNAME"
				}
				fmt.Fprintf(k.Out, "LoadBalancer %s: %s\n", kind, i.IP+i.Hostname)
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&name, "service", "", "Service of the controller's namespace, if not the one of --publish-service")
	return cmd
}
