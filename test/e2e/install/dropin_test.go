//go:build e2e

package install_test

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiwatch "k8s.io/apimachinery/pkg/watch"

	"github.com/sluice-ingress/sluice/test/e2e/load"
	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

//go:embed testdata/static.yaml
var static string

// TestAManifestOfIngressNginx needs no change but of the image: the controller starts, serves with all its workers, gets on
// with the rights that are written there, and is stopped by the hook that is.
func TestAManifestOfIngressNginx(t *testing.T) {
	t.Parallel()
	namespace := suite.Namespace(t)
	s := site{TB: t, class: namespace, namespace: namespace, Sluice: &suite.Sluice{Release: "ingress-nginx", Namespace: namespace}}
	s.apply(strings.ReplaceAll(static, "PLACE", namespace))
	t.Cleanup(s.removeStatic)
	suite.WaitRollout(t, namespace, "ingress-nginx-controller", 2*time.Minute)
	s.Address = suite.WaitLoadBalancer(t, namespace, "ingress-nginx-controller", soon)

	suite.Apply(t, namespace, echo)
	suite.WaitRollout(t, namespace, "echo", time.Minute)
	s.apply(strings.ReplaceAll(ingressFor("web"), "name: web, port", "name: echo, port"))
	s.get("http://web.DOMAIN/", 200)
	s.get("https://web.DOMAIN/", 200)
	s.wantAddresses(s.Address)
	suite.Apply(t, namespace, `{apiVersion: v1, kind: ConfigMap, metadata: {name: ingress-nginx-controller}, data: {force-ssl-redirect: "true"}}`)
	s.get("http://web.DOMAIN/", 308)

	s.stopUnderLoad()
	s.wantAddresses()
	t.Run("rights", func(t *testing.T) {
		for _, a := range suite.Accesses(t, namespace, "ingress-nginx") {
			if a.Code == 403 {
				t.Errorf("the controller may not %s %s/%s %s in namespace %q", a.Verb, a.Resource, a.Subresource, a.Name, a.Namespace)
			}
		}
	})
}

const echo = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo}
spec:
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      containers:
      - name: echo
        image: example/echo
        ports: [{name: http, containerPort: 8080}]
        env:
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: echo}
spec: {selector: {app: echo}, ports: [{port: 80, targetPort: http}]}
`

// get asks for a URL until the answer has a status.
func (s site) get(target string, status int) {
	s.Helper()
	suite.Within(s, soon, func() error {
		answer, err := s.Get(s.text(target))
		if err != nil || answer.Status != status {
			return fmt.Errorf("GET %s: status %d, want %d; %w", target, answer.Status, status, err)
		}
		return nil
	})
}

// stopUnderLoad removes the Deployment. Requests that are under way are answered, and the pod ends by itself.
func (s site) stopUnderLoad() {
	s.Helper()
	watch, err := suite.Client(s).CoreV1().Pods(s.namespace).Watch(s.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=ingress-nginx"})
	if err != nil {
		s.Fatal(err)
	}
	defer watch.Stop()
	run := load.Load{Kind: load.HTTP1, Address: s.Address + ":443", Host: s.text("web.DOMAIN"), Path: "/?delay=2s", TLS: true, Rate: 10}.Start()
	suite.Within(s, soon, func() error {
		if answered := len(run.SoFar()); answered < 10 {
			return fmt.Errorf("%d requests have been answered", answered)
		}
		return nil
	})
	removed := time.Now()
	if err := suite.Client(s).AppsV1().Deployments(s.namespace).Delete(s.Context(), "ingress-nginx-controller", metav1.DeleteOptions{}); err != nil {
		s.Error(err)
	}
	var last corev1.PodStatus
	for event := range watch.ResultChan() {
		if last = event.Object.(*corev1.Pod).Status; event.Type == apiwatch.Deleted {
			break
		}
	}
	s.Logf("measured: the pod is gone %v after its Deployment", time.Since(removed).Round(time.Millisecond))
	if end := last.ContainerStatuses[0].State.Terminated; end == nil || end.ExitCode != 0 {
		s.Errorf("the container ended as %+v", last.ContainerStatuses[0].State)
	}
	underWay := 0
	for _, record := range run.Stop().Records {
		if record.Start.After(removed) {
			continue // nobody may be there
		}
		if record.Start.Add(record.Duration).After(removed) {
			underWay++
		}
		if record.Err != nil || record.Status != 200 {
			s.Errorf("a request of %v before: status %d, %v", removed.Sub(record.Start), record.Status, record.Err)
		}
	}
	if underWay == 0 {
		s.Error("no request was under way")
	}
}

// removeStatic removes what is in no namespace.
func (s site) removeStatic() {
	ctx := context.WithoutCancel(s.Context())
	api := suite.Client(s)
	for what, remove := range map[string]func() error{
		"ClusterRole": func() error { return api.RbacV1().ClusterRoles().Delete(ctx, s.namespace, metav1.DeleteOptions{}) },
		"ClusterRoleBinding": func() error {
			return api.RbacV1().ClusterRoleBindings().Delete(ctx, s.namespace, metav1.DeleteOptions{})
		},
		"IngressClass": func() error {
			return api.NetworkingV1().IngressClasses().Delete(ctx, s.namespace, metav1.DeleteOptions{})
		},
	} {
		if err := remove(); err != nil {
			s.Errorf("remove the %s: %v", what, err)
		}
	}
}
