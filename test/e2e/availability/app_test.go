//go:build e2e

package availability_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// app is a Deployment with a Service and an Ingress at a host of its own.
type app struct {
	testing.TB
	sluice          *suite.Sluice
	namespace, host string
}

// ordinary is how most applications end: they serve for a moment after nobody should ask them any more, and close
// WebSockets with a goodbye.
const ordinary = `
      terminationGracePeriodSeconds: 30
      containers:
      - name: app
        lifecycle: {preStop: {sleep: {seconds: 2}}}`

// abrupt takes no new connections from the moment in which it is told to end, and only finishes what it has begun.
const abrupt = `
      terminationGracePeriodSeconds: 30
      containers:
      - name: app`

// deploy makes an app of so many pods, with further annotations of its Ingress that each end in a comma, and waits until each replica of Sluice serves it. Whatever other tests have left
// behind is gone and made live by then, so that none of it is counted as a reload of this one.
func deploy(t *testing.T, s *suite.Sluice, replicas int, pod string, annotations ...string) *app {
	t.Helper()
	waitNoIngresses(t)
	a := &app{TB: t, sluice: s, namespace: suite.Namespace(t)}
	a.host = a.namespace + ".example.com"
	suite.Apply(t, a.namespace, fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  replicas: %d
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:%s
        image: example/echo
        args: [-goodbye]
        ports: [{name: http, containerPort: 8080}]
        env:
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 1}
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: app}}}
---
apiVersion: v1
kind: Service
metadata: {name: app}
spec: {selector: {app: app}, ports: [{port: 80, targetPort: http}]}
`, replicas, pod))
	a.waitPods(replicas)
	suite.Apply(t, a.namespace, strings.Replace(fmt.Sprintf(ingress, "app", a.host, "app"), "{", "{"+strings.Join(annotations, ""), 1))
	for _, replica := range s.Pods(t) {
		a.waitServed(replica, a.host)
	}
	reloads(t, s) // one worker answers before all others of its replica do, and a client of HTTP/2 might stay with another
	return a
}

// waitNoIngresses waits until the cluster has forgotten those of tests that are over.
func waitNoIngresses(t *testing.T) {
	t.Helper()
	suite.Within(t, 2*soon, func() error {
		list, err := suite.Client(t).NetworkingV1().Ingresses("").List(t.Context(), metav1.ListOptions{Limit: 1})
		if err == nil && len(list.Items) > 0 {
			err = fmt.Errorf("there still is Ingress %s/%s", list.Items[0].Namespace, list.Items[0].Name)
		}
		return err
	})
}

// waitServed waits until a replica passes requests for a host on to a pod.
func (a *app) waitServed(replica corev1.Pod, host string) {
	a.Helper()
	suite.Within(a, soon, func() error {
		answer, err := a.ask(replica, host)
		if err == nil && answer.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s answers %s", replica.Name, answer.Status)
		}
		return err
	})
}

// ingress is one of a name, for a host, to a Service.
const ingress = `
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: %s
  annotations: {nginx.ingress.kubernetes.io/ssl-redirect: "false"}
spec:
  ingressClassName: nginx
  rules:
  - host: %s
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %s, port: {number: 80}}}}]}
`

// reloads are how many configurations each replica has made live. None is being made live when it returns, unless
// somebody changes an Ingress.
func reloads(t testing.TB, s *suite.Sluice) map[string]float64 {
	t.Helper()
	counts := map[string]float64{}
	for _, pod := range s.Pods(t) {
		suite.Within(t, soon, func() error {
			tested := s.Metric(t, pod, "sluice_test_duration_seconds_count")
			counts[pod.Name] = s.Metric(t, pod, "sluice_reloads_total")
			if counts[pod.Name] != tested {
				return fmt.Errorf("%s has tested %v configurations, and %v are live", pod.Name, tested, counts[pod.Name])
			}
			return nil
		})
	}
	return counts
}

// wantNoReload wants what says so by Sluice's own metrics and by those of ingress-nginx.
func wantNoReload(t testing.TB, s *suite.Sluice, before map[string]float64) {
	t.Helper()
	for _, pod := range s.Pods(t) {
		for _, name := range []string{"sluice_reloads_total", "nginx_ingress_controller_success"} {
			if count := s.Metric(t, pod, name); count != before[pod.Name] {
				t.Errorf("%s of %s was %v before, and is %v", name, pod.Name, before[pod.Name], count)
			}
		}
	}
}

// waitPods waits until the rollout is over and no other pod is left.
func (a *app) waitPods(n int) []corev1.Pod {
	a.Helper()
	suite.WaitRollout(a, a.namespace, "app", soon)
	var pods []corev1.Pod
	suite.Within(a, soon, func() error {
		list, err := suite.Client(a).CoreV1().Pods(a.namespace).List(context.WithoutCancel(a.Context()), metav1.ListOptions{LabelSelector: "app=app"})
		if err != nil {
			return err
		}
		if pods = list.Items; len(pods) != n {
			return fmt.Errorf("there are %d pods, not %d", len(pods), n)
		}
		return nil
	})
	return pods
}

func (a *app) patch(patch string) {
	a.Helper()
	deployments := suite.Client(a).AppsV1().Deployments(a.namespace)
	if _, err := deployments.Patch(a.Context(), "app", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		a.Fatal(err)
	}
}

// roll replaces all pods, as kubectl rollout restart does, and waits until the old ones are gone.
func (a *app) roll(round, n int) {
	a.Helper()
	a.patch(fmt.Sprintf(`{"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "round %d"}}}}}`, round))
	a.waitPods(n)
}

func (a *app) scale(n int) {
	a.Helper()
	a.patch(fmt.Sprintf(`{"spec": {"replicas": %d}}`, n))
	a.waitPods(n)
}
