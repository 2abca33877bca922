package docs_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/events"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/templates"
	"github.com/sluice-ingress/sluice/test/golden"
)

// eventsHeading is that of the part of docs/reasons.md that is not about one reason.
const eventsHeading = "Events"

// TestEventsAreAsShown compares what kubectl shows in docs/reasons.md with the Events of testdata/events.yaml.
func TestEventsAreAsShown(t *testing.T) {
	var shown []string
	for _, b := range blocks(t, read(t, "docs/reasons.md")) {
		at := slices.Index(b.lines, "Events:")
		if b.heading == eventsHeading && at >= 0 {
			for _, line := range b.lines[at+3:] { // without the head of the table
				shown = append(shown, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	var written []string
	for _, e := range eventsOf(t, "testdata/events.yaml", len(shown)) {
		written = append(written, strings.Join([]string{e.Type, e.Reason, "5s", e.Source.Component, e.Message}, " "))
	}
	slices.Sort(shown)
	slices.Sort(written)
	if diff := cmp.Diff(written, shown); diff != "" {
		t.Errorf("docs/reasons.md shows other Events than there are (-written +shown):\n%s", diff)
	}
}

// TestReasonsOfEventsAreDocumented is about those that are not reasons of Problems.
func TestReasonsOfEventsAreDocumented(t *testing.T) {
	for _, reason := range []string{events.Sync, events.Create, events.Update, events.Reload} {
		if !strings.Contains(read(t, "docs/reasons.md").text(), " | `"+reason+"` | ") {
			t.Errorf("the table of Events in docs/reasons.md lacks %s", reason)
		}
	}
}

// eventsOf are the first n Events that a leader writes when the only Ingress of a file gets its annotations.
func eventsOf(t *testing.T, file string, n int) []corev1.Event {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	objects, notes := cluster.Decode(file, text)
	set, err := templates.New(nil)
	if err != nil || len(notes) > 0 {
		t.Fatal(err, notes)
	}
	o := controller.Options{Translate: translate.Options{Memory: translate.NewMemory()}, Render: golden.Render, Templates: set}
	plan := func(l cluster.Lists) controller.Plan {
		p, err := o.Plan(cluster.New(l))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	lists := objects.Lists()
	plain := lists.Ingresses[0].DeepCopy()
	plain.Annotations = nil
	url, written := apiServer(t)
	r, err := events.New(&rest.Config{Host: url}, events.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.Lead(true)
	r.Planned(plan(cluster.Lists{Classes: lists.Classes, Ingresses: []*networkingv1.Ingress{plain}}), 0)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	go func() { _ = r.Run(ctx) }()
	var list []corev1.Event
	for range n {
		select {
		case e := <-written:
			list = append(list, e)
			if len(list) == 1 { // it is looking
				r.Planned(plan(lists), 0)
			}
		case <-ctx.Done():
			t.Fatalf("only %d Events have been written", len(list))
		}
	}
	return list
}

// apiServer hands over the Events that it is asked to create.
func apiServer(t *testing.T) (url string, written <-chan corev1.Event) {
	events := make(chan corev1.Event, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e corev1.Event
		body, err := io.ReadAll(r.Body)
		if err == nil {
			_, _, err = scheme.Codecs.UniversalDeserializer().Decode(body, nil, &e)
		}
		if err != nil {
			t.Error(err)
		}
		e.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Event"}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(e)
		events <- e
	}))
	t.Cleanup(server.Close)
	return server.URL, events
}
