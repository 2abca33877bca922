//go:build e2e

package availability_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// installDynamic gives the release that all tests share --routing=dynamic, until this one is over.
func installDynamic(t *testing.T) *suite.Sluice {
	t.Helper()
	s := install(t)
	t.Cleanup(func() { s.Upgrade(t, values) })
	s.Upgrade(t, values+"  extraArgs: {routing: dynamic}\n")
	return s
}

func TestNewIngressesAreLiveWithoutAReload(t *testing.T) {
	const ingresses, more, longest = 1000, 100, 100 * time.Millisecond
	s := installDynamic(t)
	a := deploy(t, s, 2, ordinary)
	a.slice(a.waitPods(2)[0])
	a.addIngresses(ingresses)
	before, there := reloads(t, s), ingresses

	var p50 time.Duration // p99 tells more of the machine than of us if that is busy with something else
	for range 3 {
		p50 = a.addOneByOne(there, more)
		there += more
		if p50 <= longest {
			break
		}
	}
	if p50 > longest {
		t.Errorf("p50 is %v, more than %v", p50, longest)
	}

	traffic := a.start()
	traffic.flow(time.Second)
	t.Log("with traffic:")
	a.addOneByOne(there, more)
	traffic.flow(time.Second)
	all := traffic.stop()
	all.wantNoLoss()
	for _, session := range all.of["WebSocket"].Broken() {
		t.Errorf("a session of WebSocket broke: %v", session.Err)
	}
	wantNoReload(t, s, before)
}

func TestNewIngressesWithSettingsNeverSeenNeedOneReload(t *testing.T) {
	const field = "metadata.annotations[nginx.ingress.kubernetes.io/proxy-body-size]"
	s := installDynamic(t)
	a := deploy(t, s, 2, ordinary)
	a.slice(a.waitPods(2)[0])
	before := reloads(t, s)
	made := a.ingress(0)
	made.Annotations = map[string]string{"nginx.ingress.kubernetes.io/proxy-body-size": "7m"}
	took := a.add(made)
	t.Logf("measured: from the acceptance of an Ingress with settings never seen to the first answer by every replica: %v", took)

	suite.WaitIngress(t, a.namespace, made.Name, soon) // nothing more is written
	after := reloads(t, s)
	for _, replica := range s.Pods(t) {
		if n := after[replica.Name] - before[replica.Name]; n != 1 {
			t.Errorf("%s has reloaded %v times, not once", replica.Name, n)
		}
		cause := fmt.Sprintf("sluice_reload_causes_total{field=%q,object=%q} 1", field, "Ingress "+a.namespace+"/"+made.Name)
		if lines := a.metrics(replica); !slices.Contains(lines, cause) {
			counted := slices.DeleteFunc(lines, func(l string) bool { return !strings.HasPrefix(l, "sluice_reload_causes_total{") })
			t.Errorf("%s counts %q, not %s", replica.Name, counted, cause)
		}
	}
}

// addOneByOne makes n Ingresses for the Service direct, numbered from first on, and logs how long after each was accepted
// the last replica served it. It returns the median.
func (a *app) addOneByOne(first, n int) time.Duration {
	a.Helper()
	var times []time.Duration
	for i := range n {
		times = append(times, a.add(a.ingress(first+i)))
	}
	slices.Sort(times)
	p50 := times[n/2-1]
	a.Logf("measured: from the acceptance of a new Ingress to the first answer by every replica, %d Ingresses and %d more: p50 %v, p99 %v, at most %v",
		first, n, p50, times[n*99/100-1], times[n-1])
	return p50
}

// add makes an Ingress and returns how long after it was accepted the last replica passed a request on to a pod.
func (a *app) add(ingress *networkingv1.Ingress) time.Duration {
	a.Helper()
	replicas := a.sluice.Pods(a)
	if _, err := suite.Client(a).NetworkingV1().Ingresses(a.namespace).Create(a.Context(), ingress, metav1.CreateOptions{}); err != nil {
		a.Fatal(err)
	}
	accepted := time.Now()
	var asking sync.WaitGroup
	served := make([]time.Time, len(replicas))
	for i, replica := range replicas {
		asking.Go(func() { served[i] = a.askUntilServed(replica, ingress.Spec.Rules[0].Host) })
	}
	asking.Wait()
	if slices.ContainsFunc(served, time.Time.IsZero) {
		a.FailNow() // others would take as long to fail
	}
	return slices.MaxFunc(served, time.Time.Compare).Sub(accepted)
}

// askUntilServed asks a replica again and again until a pod answers for a host, and returns when it did. Before that the
// host is unknown, and nothing else.
func (a *app) askUntilServed(replica corev1.Pod, host string) time.Time {
	for end := time.Now().Add(soon); time.Now().Before(end); {
		answer, err := a.ask(replica, host)
		switch {
		case err != nil:
			a.Errorf("%s does not answer for %s: %v", replica.Name, host, err)
			return time.Time{}
		case answer.StatusCode == http.StatusOK && answer.Header.Get("Echo-Pod") != "":
			return time.Now()
		case answer.StatusCode != http.StatusNotFound:
			a.Errorf("%s answers %s for %s", replica.Name, answer.Status, host)
			return time.Time{}
		}
	}
	a.Errorf("%s never served %s", replica.Name, host)
	return time.Time{}
}

// metrics are those of a replica, by line.
func (a *app) metrics(replica corev1.Pod) []string {
	a.Helper()
	response, err := http.Get("http://" + replica.Status.PodIP + ":10254/metrics")
	if err != nil {
		a.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		a.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}
