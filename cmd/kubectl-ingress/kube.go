package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// kube is the cluster that a command looks at, as kubectl's flags and kubeconfig say.
type kube struct {
	genericiooptions.IOStreams
	flags  *genericclioptions.ConfigFlags
	choice choice

	config    *rest.Config
	api       kubernetes.Interface
	namespace string
	isChosen  bool // the namespace comes from --namespace
}

// open reads the kubeconfig. The API server is not asked anything yet.
func (k *kube) open() error {
	if k.api != nil {
		return nil
	}
	loader := k.flags.ToRawKubeConfigLoader()
	var err error
	if k.namespace, _, err = loader.Namespace(); err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	k.isChosen = k.flags.Namespace != nil && *k.flags.Namespace != ""
	if k.config, err = k.flags.ToRESTConfig(); err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	k.config.QPS, k.config.Burst = -1, 0
	k.config.WarningHandler = rest.NoWarnings{} // about kinds that we do not choose
	if k.api, err = kubernetes.NewForConfig(k.config); err != nil {
		return fmt.Errorf("connect to the API server: %w", err)
	}
	return nil
}

// may asks whether the user may do something; namespace "" is all of them. When in doubt it says yes: the request itself will tell.
func (k *kube) may(ctx context.Context, verb, group, resource, namespace string) bool {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Group: group, Resource: resource, Namespace: namespace},
	}}
	answer, err := k.api.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	return err != nil || answer.Status.Allowed
}

// note tells the user something beside the output.
func (k *kube) note(format string, args ...any) {
	fmt.Fprintf(k.ErrOut, "note: "+format+"\n", args...)
}

// run makes a command's function of one that has a cluster.
func (k *kube) run(f func(context.Context, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := k.open(); err != nil {
			return err
		}
		return f(cmd.Context(), args)
	}
}
