package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// defaultSelector are labels that the charts of Sluice and ingress-nginx give the pods of controllers.
const defaultSelector = "app.kubernetes.io/component=controller"

// choice says which controller is looked at, if there are several.
type choice struct{ deployment, pod, selector, class string }

// replicas are the pods of one controller.
type replicas struct {
	kind      string // of what owns them
	name      cluster.Name
	pods      []*corev1.Pod // the oldest first
	container string        // that runs the controller
	nginx     string        // that runs NGINX; it may be the same
	isForeign bool          // it runs ingress-nginx's own program
	words     []string      // its command line, with variables of its environment
}

func (r *replicas) String() string { return strings.ToLower(r.kind) + " " + r.name.String() }

// controllers finds the controllers of the cluster or, if that is all the user may see, of the namespace.
func (k *kube) controllers(ctx context.Context) ([]*replicas, error) {
	list, err := k.api.CoreV1().Pods("").List(ctx, metav1.ListOptions{LabelSelector: k.choice.selector})
	if apierrors.IsForbidden(err) {
		k.note("pods of other namespaces than %s may not be listed, so only controllers there are seen", k.namespace)
		list, err = k.api.CoreV1().Pods(k.namespace).List(ctx, metav1.ListOptions{LabelSelector: k.choice.selector})
	}
	if err != nil {
		return nil, fmt.Errorf("find the controller's pods: %w", err)
	}
	return group(list.Items), nil
}

// group puts pods together by what owns them. Pods that are on their way out count only if there are no others.
func group(pods []corev1.Pod) []*replicas {
	byOwner := map[string]*replicas{}
	slices.SortStableFunc(pods, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	for i := range pods {
		pod := &pods[i]
		main, isForeign := controllerContainer(pod)
		if main == nil || pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded {
			continue
		}
		kind, name := ownerOf(pod)
		key := kind + " " + name.String()
		r := byOwner[key]
		if r == nil {
			r = &replicas{kind: kind, name: name}
			byOwner[key] = r
		}
		r.pods = append(r.pods, pod)
		// The youngest pod is of the newest template.
		r.container, r.nginx, r.isForeign, r.words = main.Name, nginxContainer(pod, main), isForeign, words(pod, main)
	}
	var all []*replicas
	for _, key := range slices.Sorted(maps.Keys(byOwner)) {
		all = append(all, byOwner[key])
	}
	return all
}

// foreignProgram is how manifests for ingress-nginx start the controller. Sluice's image answers to it, too.
const foreignProgram = "nginx-ingress-controller"

// controllerContainer is the one that runs a controller; nil if none does.
func controllerContainer(pod *corev1.Pod) (c *corev1.Container, isForeign bool) {
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		all := slices.Concat(c.Command, c.Args)
		switch {
		case slices.ContainsFunc(all, func(w string) bool { return path.Base(w) == foreignProgram }):
			return c, strings.Contains(c.Image, "ingress-nginx/")
		case slices.Contains(all, "controller") && (len(c.Command) == 0 || path.Base(c.Command[0]) == "sluice" || slices.Contains(c.Command, "sluice")):
			return c, false
		}
	}
	return nil, false
}

// nginxContainer is the one that runs `sluice dataplane`, or else the controller's.
func nginxContainer(pod *corev1.Pod, main *corev1.Container) string {
	for _, c := range pod.Spec.Containers {
		if slices.Contains(slices.Concat(c.Command, c.Args), "dataplane") {
			return c.Name
		}
	}
	return main.Name
}

// ownerOf is what made a pod, with the Deployment in place of its ReplicaSet.
func ownerOf(pod *corev1.Pod) (kind string, name cluster.Name) {
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return "Pod", cluster.NameOf(pod)
	}
	if hash := pod.Labels["pod-template-hash"]; owner.Kind == "ReplicaSet" && hash != "" {
		return "Deployment", cluster.Name{Namespace: pod.Namespace, Name: strings.TrimSuffix(owner.Name, "-"+hash)}
	}
	return owner.Kind, cluster.Name{Namespace: pod.Namespace, Name: owner.Name}
}

// words are the arguments of a container as its process has them: Kubernetes puts in variables of its environment.
func words(pod *corev1.Pod, c *corev1.Container) []string {
	environment := map[string]string{}
	for _, v := range c.Env {
		environment[v.Name] = v.Value
		if from := v.ValueFrom; from != nil && from.FieldRef != nil {
			environment[v.Name] = map[string]string{"metadata.namespace": pod.Namespace, "metadata.name": pod.Name}[from.FieldRef.FieldPath]
		}
	}
	var all []string
	for _, word := range slices.Concat(c.Command, c.Args) {
		for name, value := range environment {
			word = strings.ReplaceAll(word, "$("+name+")", value)
		}
		all = append(all, word)
	}
	return all
}

// chosen is the one controller of ours that flags choose.
func (k *kube) chosen(ctx context.Context) (*controllerSeen, error) {
	all, err := k.seen(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(c *controllerSeen) bool { return c.isForeign || !k.fits(c) })
	// With -n, that of the namespace is meant: so it was with the plugin of ingress-nginx.
	if here := slices.DeleteFunc(slices.Clone(all), func(c *controllerSeen) bool { return c.name.Namespace != k.namespace }); k.isChosen && len(here) > 0 {
		all = here
	}
	switch len(all) {
	case 0:
		return nil, errors.New("no pod of Sluice was found; --selector, --deployment, --pod and --class say which is meant")
	case 1:
		return all[0], nil
	}
	var names []string
	for _, c := range all {
		names = append(names, c.String())
	}
	return nil, fmt.Errorf("there are several controllers (%s): choose one with --deployment or --class", strings.Join(names, ", "))
}

func (k *kube) fits(c *controllerSeen) bool {
	hasPod := func(p *corev1.Pod) bool { return p.Name == k.choice.pod }
	return (k.choice.deployment == "" || c.name.Name == k.choice.deployment || c.name.String() == k.choice.deployment) &&
		(k.choice.pod == "" || slices.ContainsFunc(c.pods, hasPod)) &&
		(k.choice.class == "" || cmp.Or(c.translation.Selection.IngressClass, cluster.DefaultIngressClass) == k.choice.class)
}

// asked are the pods of a controller that a command asks: the one of --pod, or all that run.
func (k *kube) asked(c *controllerSeen) []*corev1.Pod {
	return slices.DeleteFunc(slices.Clone(c.pods), func(p *corev1.Pod) bool {
		return k.choice.pod != "" && p.Name != k.choice.pod || p.Status.Phase != corev1.PodRunning
	})
}

// one is the pod that a command is about which wants only one: that of --pod, or else the oldest that runs.
func (k *kube) one(c *controllerSeen) (*corev1.Pod, error) {
	pods := k.asked(c)
	if len(pods) == 0 {
		return nil, fmt.Errorf("%s has no running pod", c)
	}
	return pods[0], nil
}
