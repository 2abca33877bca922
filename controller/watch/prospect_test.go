package watch

import (
	"context"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// TestSnapshotFor shows what an Ingress refers to that does not exist yet, and keeps nothing of it.
func TestSnapshotFor(t *testing.T) {
	api := newAPIServer(t, nginxClass(), ingress("shop", "web"), aService("shop", "web"), aService("shop", "next"), aSlice("shop", "next-1", "next", "10.0.0.1"),
		aSecret("shop", "tls", "a"), aSecret("secret", "tls", "b"), aConfigMap("shop", "headers", "X", "y"))
	r := follow(t, api, Options{}).synced()
	prospect := ingress("shop", "next", withTLS("tls"), withTLS("absent"), annotated("custom-headers", "headers"), annotated("auth-secret", "secret/tls"))
	s, err := r.SnapshotFor(t.Context(), prospect)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case s.Service("shop", "next") == nil || len(s.Slices("shop", "next")) != 1 || s.Service("shop", "web") == nil:
		t.Error("its Service is missing, or that of others")
	case s.Secret("shop", "tls") == nil || s.ConfigMap("shop", "headers") == nil:
		t.Error("its Secret or ConfigMap is missing")
	case s.Secret("shop", "absent") != nil:
		t.Error("there is a Secret that does not exist")
	case s.Secret("secret", "tls") != nil:
		t.Error("a Secret of another namespace was fetched without leave")
	}
	now := r.Snapshot()
	if now.Service("shop", "next") != nil || now.Secret("shop", "tls") != nil || now.ConfigMap("shop", "headers") != nil {
		t.Error("something of it was kept")
	}
	select {
	case <-r.Changes():
		t.Error("others were told")
	default:
	}
}

func TestSnapshotForWhatMayNotBeRead(t *testing.T) {
	api := newAPIServer(t, nginxClass(), aService("shop", "web"), aSecret("shop", "tls", "a"))
	api.set(func() { api.denied["shop/secrets"] = true })
	r := follow(t, api, Options{}).synced()
	if s, err := r.SnapshotFor(t.Context(), ingress("shop", "web", withTLS("tls"))); err != nil || s.Secret("shop", "tls") != nil {
		t.Errorf("with a Secret that may not be read: %v", err)
	}
}

// TestSnapshotForOthers asks nobody: what belongs to other controllers, or to namespaces that are not watched, is not ours to
// read.
func TestSnapshotForOthers(t *testing.T) {
	api := newAPIServer(t, nginxClass(), aService("shop", "web"), aSecret("shop", "tls", "a"), aSecret("blog", "tls", "a"))
	r := follow(t, api, Options{Selection: cluster.Selection{WatchNamespace: "shop"}}).synced()
	for _, ing := range []*networkingv1.Ingress{ingress("shop", "web", withTLS("tls"), ofClass("other")), ingress("blog", "web", withTLS("tls"))} {
		s, err := r.SnapshotFor(t.Context(), ing)
		if err != nil || s.Secret(ing.Namespace, "tls") != nil || s.Service(ing.Namespace, "web") != nil {
			t.Errorf("of Ingress %s/%s: %v", ing.Namespace, ing.Name, err)
		}
	}
	api.mu.Lock()
	defer api.mu.Unlock()
	for asked := range api.requests {
		if asked.resource == "secrets" {
			t.Errorf("there was a request: %+v", asked)
		}
	}
}

func TestSnapshotForWithoutAnswer(t *testing.T) {
	api := newAPIServer(t, nginxClass(), aSecret("shop", "tls", "a"))
	r := follow(t, api, Options{}).synced()
	held := make(chan struct{})
	api.set(func() { api.hold = held })
	defer close(held)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := r.SnapshotFor(ctx, ingress("shop", "web", withTLS("tls"))); err == nil {
		t.Error("there is a Snapshot although nobody has answered")
	}
	if s := r.Snapshot(); s.Secret("shop", "tls") != nil || len(s.Ingresses) > 0 || s.Classes.At(cluster.DefaultIngressClass) == nil {
		t.Error("the Snapshot of others has changed")
	}
}
