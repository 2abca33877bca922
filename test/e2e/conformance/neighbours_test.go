//go:build e2e

package conformance_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// TestNeighbours are two controllers with classes of their own: each serves and writes only what is its own, and takes over
// what is moved to it.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	const often = "extraArgs: {status-update-interval: 5}" // compare statuses as often as can be
	left, right := suite.Install(t, "left", valuesFor("left", often)), suite.Install(t, "right", valuesFor("right", often))
	s := newSite(t, "web", "other")
	s.of("mine", "", "ingressClassName: left,")
	s.of("yours", "", "ingressClassName: right,")
	s.of("old-mine", "annotations: {kubernetes.io/ingress.class: left}", "")
	s.of("old-yours", "annotations: {kubernetes.io/ingress.class: right}", "")
	s.of("both", "", "ingressClassName: left,")
	s.ofBoth()

	atLeft, atRight := s.at(left), s.at(right)
	for _, name := range []string{"mine", "old-mine", "both"} {
		atLeft.wantFrom("web", "http://"+name+".DOMAIN/")
		s.wantAddresses(name, left.Address)
	}
	for _, name := range []string{"yours", "old-yours"} {
		atRight.wantFrom("web", "http://"+name+".DOMAIN/")
		s.wantAddresses(name, right.Address)
		atLeft.wantStatus(404, "http://"+name+".DOMAIN/")
	}
	atRight.wantFrom("other", "http://both.DOMAIN/") // the host of both, by its own Ingress
	s.wantAddresses("both-right", right.Address)
	atRight.wantStatus(404, "http://mine.DOMAIN/")
	atRight.wantStatus(404, "http://old-mine.DOMAIN/")

	const intervals = 3
	s.wantNoWrites(intervals*5*time.Second, "mine", "yours", "old-mine", "old-yours", "both", "both-right")

	t.Run("writes", func(t *testing.T) {
		for release, want := range map[*suite.Sluice][]string{left: {"both", "mine", "old-mine"}, right: {"both-right", "old-yours", "yours"}} {
			if got := written(t, release, s.namespace); !slices.Equal(got, want) {
				t.Errorf("%s has written the status of %v, want %v", release.Release, got, want)
			}
		}
	})

	s.patchIngress("mine", `{"spec": {"ingressClassName": "right"}}`)
	moved := time.Now()
	atRight.wantFrom("web", "http://mine.DOMAIN/")
	s.wantAddresses("mine", right.Address)
	t.Logf("measured: a class is changed, and served and written by the other controller after %v", time.Since(moved).Round(time.Millisecond))
	atLeft.wantStatus(404, "http://mine.DOMAIN/")
}

// written are the Ingresses of a namespace whose status a release has tried to write.
func written(t *testing.T, release *suite.Sluice, namespace string) []string {
	t.Helper()
	var names []string
	for _, a := range suite.Accesses(t, release.Namespace, strings.TrimSuffix(release.Controller(), "-controller")) {
		if a.Resource == "ingresses" && a.Verb != "get" && a.Name != "" && a.Namespace == namespace {
			names = append(names, a.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ofBoth is an Ingress of the right with a host that the left has, too.
func (s site) ofBoth() {
	s.Helper()
	s.apply(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: both-right}
spec: {ingressClassName: right, rules: [{host: both.DOMAIN, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: other, port: {number: 80}}}}]}}]}
`)
}

// wantNoWrites wants nobody to change the Ingresses of the test for a while. They are all there are.
func (s site) wantNoWrites(forSoLong time.Duration, names ...string) {
	s.Helper()
	ingresses := suite.Client(s).NetworkingV1().Ingresses(s.namespace)
	list, err := ingresses.List(s.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != len(names) {
		s.Fatalf("there are %d Ingresses, not %v: %v", len(list.Items), names, err)
	}
	ctx, cancel := context.WithTimeout(s.Context(), forSoLong)
	defer cancel()
	changes, err := ingresses.Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		s.Fatal(err)
	}
	defer changes.Stop()
	for event := range changes.ResultChan() {
		if event.Type != watch.Bookmark {
			s.Fatalf("somebody writes: %s %+v", event.Type, event.Object)
		}
	}
	if ctx.Err() == nil {
		s.Fatal("the watch ended too early to tell")
	}
}
