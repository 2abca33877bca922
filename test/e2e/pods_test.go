//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

const echo = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo}
spec:
  replicas: 3
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      containers:
      - name: echo
        image: example/echo:1.0
        args: [-listen, "$(POD_IP):8080", -linger, "$(LINGER)"]
        ports: [{name: http, containerPort: 8080}]
        env:
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
        - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        - {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
        - {name: LINGER, value: 0s}
        readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 1, failureThreshold: 1}
---
apiVersion: v1
kind: Service
metadata: {name: echo}
spec: {selector: {app: echo}, ports: [{name: web, port: 80, targetPort: http}]}
`

// soon is how long the cluster may take on a busy machine.
const soon = 30 * time.Second

// cluster is what one test sees.
type cluster struct {
	testing.TB
	namespace string
}

func newCluster(t *testing.T) cluster { return cluster{t, suite.Namespace(t)} }

// endpoints are those of Service echo.
func (c cluster) endpoints() []discoveryv1.Endpoint {
	c.Helper()
	selector := metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=echo"}
	slices, err := suite.Client(c).DiscoveryV1().EndpointSlices(c.namespace).List(c.Context(), selector)
	if err != nil {
		c.Fatal(err)
	}
	var all []discoveryv1.Endpoint
	for _, slice := range slices.Items {
		all = append(all, slice.Endpoints...)
	}
	return all
}

// waitReady waits until exactly n endpoints are ready, and none else is left, and returns their addresses.
func (c cluster) waitReady(n int) []string {
	c.Helper()
	var addresses []string
	suite.Within(c, soon, func() error {
		addresses = nil
		endpoints := c.endpoints()
		for _, e := range endpoints {
			if *e.Conditions.Ready {
				addresses = append(addresses, e.Addresses...)
			}
		}
		if len(addresses) != n || len(endpoints) != n {
			return fmt.Errorf("%d of %d endpoints are ready, want %d", len(addresses), len(endpoints), n)
		}
		return nil
	})
	return addresses
}

func (c cluster) ask(address, path string) (answer map[string]any, err error) {
	request, err := http.NewRequestWithContext(c.Context(), http.MethodGet, "http://"+address+":8080"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.Header.Get("Content-Type") != "application/json" {
		return nil, nil
	}
	return answer, json.NewDecoder(response.Body).Decode(&answer)
}

func (c cluster) patch(name, patch string) {
	c.Helper()
	deployments := suite.Client(c).AppsV1().Deployments(c.namespace)
	if _, err := deployments.Patch(c.Context(), name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		c.Fatal(err)
	}
}

func TestPodsOfADeploymentAnswerAtTheAddressesOfItsEndpointSlice(t *testing.T) {
	c := newCluster(t)
	suite.Apply(t, c.namespace, echo)
	started := time.Now()
	addresses := c.waitReady(3)
	t.Logf("3 pods were ready after %v", time.Since(started))

	nodes := map[string]bool{}
	for _, address := range addresses {
		answer, err := c.ask(address, "/hello")
		if err != nil {
			t.Fatal(err)
		}
		if answer["address"] != address || answer["namespace"] != c.namespace {
			t.Errorf("%s answers as %v", address, answer)
		}
		nodes[answer["node"].(string)] = true
	}
	if len(nodes) != 2 {
		t.Errorf("the pods are all on %v, not on both nodes", nodes)
	}
}

func TestPodsReachOneAnotherAndTheAPIServer(t *testing.T) {
	c := newCluster(t)
	suite.Apply(t, c.namespace, echo)
	address := c.waitReady(3)[0]
	c.runJob("caller", fmt.Sprintf(`
		set -e
		curl -sf --max-time 5 http://%s:8080/
		accounts=/var/run/secrets/kubernetes.io/serviceaccount
		test "$(cat $accounts/namespace)" = %s
		test "$(curl -s --max-time 5 -o /dev/null -w '%%{http_code}' --cacert $accounts/ca.crt -H "Authorization: Bearer $(cat $accounts/token)" \
			https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/api/v1/namespaces/%[2]s/pods)" = 403`, address, c.namespace))
}

// runJob runs a script in a pod and wants it to succeed.
func (c cluster) runJob(name, script string) {
	c.Helper()
	job := map[string]any{
		"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"backoffLimit": 0, "template": map[string]any{"spec": map[string]any{
			"restartPolicy": "Never",
			"containers":    []any{map[string]any{"name": "script", "image": "example/shell", "args": []any{script}}},
		}}},
	}
	text, err := json.Marshal(job)
	if err != nil {
		c.Fatal(err)
	}
	suite.Apply(c, c.namespace, string(text))
	c.waitJob(name)
}

func (c cluster) waitJob(name string) {
	c.Helper()
	suite.Within(c, soon, func() error {
		job, err := suite.Client(c).BatchV1().Jobs(c.namespace).Get(c.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if job.Status.Failed > 0 {
			c.Fatalf("job %s failed; its output is below logs/pods of the control plane", name)
		}
		if job.Status.Succeeded == 0 {
			return fmt.Errorf("job %s has not finished", name)
		}
		return nil
	})
}

func TestAContainerIsTheUserAndSeesTheFilesThatItsPodSays(t *testing.T) {
	c := newCluster(t)
	suite.Apply(t, c.namespace, `
apiVersion: v1
kind: ConfigMap
metadata: {name: words}
data: {one: hello}
---
apiVersion: batch/v1
kind: Job
metadata: {name: look}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      initContainers:
      - name: first
        image: example/shell
        args: ["echo ready > /shared/state; touch /only-here"]
        volumeMounts: [{name: shared, mountPath: /shared}]
      containers:
      - name: look
        image: example/shell
        securityContext: {runAsUser: 101, runAsGroup: 82, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false}
        args:
        - |
          set -ex
          test "$(id -u):$(id -g)" = 101:82
          grep -q '^NoNewPrivs:.*1' /proc/self/status
          test "$(cat /etc/words/one) $(cat /word)" = "hello hello"
          test "$(cat /shared/state)" = ready
          test ! -e /only-here
          test ! -e /var/run/secrets/kubernetes.io
          touch /shared/more
          ! touch /more
          test "$GREETING" = "hello $HOSTNAME"
        env:
        - {name: ONE, valueFrom: {configMapKeyRef: {name: words, key: one}}}
        - {name: GREETING, value: "$(ONE) $(HOSTNAME)"}
        volumeMounts:
        - {name: shared, mountPath: /shared}
        - {name: words, mountPath: /etc/words}
        - {name: words, mountPath: /word, subPath: one}
      volumes:
      - {name: shared, emptyDir: {}}
      - {name: words, configMap: {name: words}}
`)
	c.waitJob("look")
	for _, name := range []string{"/only-here", "/word", "/shared", "/etc/words"} {
		if _, err := os.Lstat(name); err == nil {
			t.Errorf("%s appeared on this machine", name)
		}
	}
}

func TestADeploymentIsScaledAndRolledOut(t *testing.T) {
	c := newCluster(t)
	suite.Apply(t, c.namespace, echo)
	before := c.waitReady(3)

	c.patch("echo", `{"spec": {"replicas": 5}}`)
	scaled := c.waitReady(5)
	for _, address := range before {
		if !slices.Contains(scaled, address) {
			t.Errorf("%s went when the Deployment was scaled up", address)
		}
	}

	// What `kubectl rollout restart` does.
	c.patch("echo", `{"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}}`)
	suite.Within(t, soon, func() error {
		for _, address := range c.waitReady(5) {
			if slices.Contains(scaled, address) {
				return fmt.Errorf("%s is still there", address)
			}
		}
		return nil
	})
}

func TestAPodThatSaysItIsNotReadyIsNotReadyInTheSlice(t *testing.T) {
	c := newCluster(t)
	suite.Apply(t, c.namespace, echo)
	address := c.waitReady(3)[0]
	if _, err := c.ask(address, "/unready"); err != nil {
		t.Fatal(err)
	}
	suite.Within(t, soon, func() error {
		e := c.endpoint(address)
		if e == nil || *e.Conditions.Ready {
			return fmt.Errorf("the endpoint is %v", e)
		}
		return nil
	})
}

func (c cluster) endpoint(address string) *discoveryv1.Endpoint {
	for _, e := range c.endpoints() {
		if e.Addresses[0] == address {
			return &e
		}
	}
	return nil
}

func TestADeletedPodTerminatesInTheSliceDuringItsGracePeriod(t *testing.T) {
	c := newCluster(t)
	suite.Apply(t, c.namespace, echo)
	c.waitReady(3)
	c.patch("echo", `{"spec": {"template": {"spec": {"containers": [{"name": "echo", "env": [{"name": "LINGER", "value": "1h"}]}]}}}}`)
	c.waitGeneration()
	address := c.waitReady(3)[0]
	pod := c.endpoint(address).TargetRef.Name
	grace := int64(3)
	deleted := time.Now()
	err := suite.Client(t).CoreV1().Pods(c.namespace).Delete(t.Context(), pod, metav1.DeleteOptions{GracePeriodSeconds: &grace})
	if err != nil {
		t.Fatal(err)
	}
	suite.Within(t, time.Duration(grace)*time.Second, func() error {
		e := c.endpoint(address)
		if e == nil {
			t.Fatalf("the endpoint went at once")
		}
		if on := e.Conditions; *on.Ready || !*on.Serving || !*on.Terminating {
			return fmt.Errorf("ready %v, serving %v, terminating %v", *on.Ready, *on.Serving, *on.Terminating)
		}
		return nil
	})
	if _, err := c.ask(address, "/"); err != nil {
		t.Errorf("the pod does not answer during its grace period: %v", err)
	}
	suite.Within(t, soon, func() error {
		if c.endpoint(address) != nil {
			return fmt.Errorf("the endpoint is still there")
		}
		return nil
	})
	// It would have lingered for an hour.
	if took := time.Since(deleted); took < time.Duration(grace)*time.Second || took > time.Duration(grace+5)*time.Second {
		t.Errorf("the pod ended after %v, its grace was %d s", took, grace)
	}
}

// waitGeneration waits until the Deployment has only pods of its latest template.
func (c cluster) waitGeneration() {
	c.Helper()
	suite.Within(c, soon, func() error {
		d, err := suite.Client(c).AppsV1().Deployments(c.namespace).Get(c.Context(), "echo", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if s := d.Status; s.ObservedGeneration < d.Generation || s.UpdatedReplicas != *d.Spec.Replicas || s.Replicas != *d.Spec.Replicas {
			return fmt.Errorf("%d of %d pods are up to date", s.UpdatedReplicas, s.Replicas)
		}
		return nil
	})
}

func TestAContainerThatEndsIsStartedAgain(t *testing.T) {
	c := newCluster(t)
	suite.Apply(t, c.namespace, `
apiVersion: v1
kind: Pod
metadata: {name: flaky}
spec:
  containers: [{name: flaky, image: example/shell, args: ["exit 3"]}]
`)
	suite.Within(t, soon, func() error {
		pod, err := suite.Client(t).CoreV1().Pods(c.namespace).Get(context.Background(), "flaky", metav1.GetOptions{})
		if err != nil || len(pod.Status.ContainerStatuses) == 0 {
			return fmt.Errorf("no status yet: %w", err)
		}
		s := pod.Status.ContainerStatuses[0]
		last := s.LastTerminationState.Terminated
		if s.RestartCount < 1 || last == nil || last.ExitCode != 3 || pod.Status.Phase != corev1.PodRunning {
			return fmt.Errorf("the pod is %s: %+v", pod.Status.Phase, s)
		}
		return nil
	})
}
