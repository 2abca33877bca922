package apiserver_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/sluice-ingress/sluice/bench/apiserver"
)

const soon = 10 * time.Second

func serve(t *testing.T, objects ...apiserver.Object) (*apiserver.Server, *rest.Config) {
	t.Helper()
	api, err := apiserver.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := api.Put(objects...); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(api)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return api, &rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/vnd.kubernetes.protobuf"}}
}

func ingress(name, class string) *networkingv1.Ingress {
	return &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec:       networkingv1.IngressSpec{IngressClassName: &class},
	}
}

// An informer of client-go is what controllers follow an API server with.
func TestAnInformerSeesWhatIsPut(t *testing.T) {
	api, config := serve(t, ingress("old", "a"), ingress("gone", "a"))
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan string, 10)
	tell := func(what string) func(any) {
		return func(o any) {
			ing := o.(*networkingv1.Ingress)
			events <- what + " " + ing.Namespace + "/" + ing.Name + " " + *ing.Spec.IngressClassName
		}
	}
	informer := informers.NewSharedInformerFactory(client, 0).Networking().V1().Ingresses().Informer()
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: tell("new"), DeleteFunc: tell("gone"), UpdateFunc: func(_, after any) { tell("changed")(after) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	go informer.RunWithContext(ctx)
	next := func() string {
		t.Helper()
		select {
		case e := <-events:
			return e
		case <-ctx.Done():
			t.Fatal("no event")
			return ""
		}
	}
	if got, want := map[string]bool{next(): true, next(): true}, map[string]bool{"new shop/old a": true, "new shop/gone a": true}; !cmp.Equal(got, want) {
		t.Fatal(cmp.Diff(want, got))
	}
	steps := []struct {
		do   error
		want string
	}{
		{api.Put(ingress("added", "b")), "new shop/added b"},
		{api.Put(ingress("old", "b")), "changed shop/old b"},
		{api.Remove(ingress("gone", "")), "gone shop/gone a"},
	}
	for _, s := range steps {
		if s.do != nil {
			t.Fatal(s.do)
		}
		if got := next(); got != s.want {
			t.Errorf("%s, not %s", got, s.want)
		}
	}
}

// Secrets are found by name, after a watch of their metadata has told of them.
func TestOneObjectIsListedByName(t *testing.T) {
	secret := func(name string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Data: map[string][]byte{"of": []byte(name)}}
	}
	_, config := serve(t, secret("mine"), secret("other"))
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	list, err := client.CoreV1().Secrets("shop").List(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=mine"})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 || string(list.Items[0].Data["of"]) != "mine" {
		t.Errorf("the list has %v", list.Items)
	}

	plain, err := metadata.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	all := true
	stream, err := plain.Resource(corev1.SchemeGroupVersion.WithResource("secrets")).Namespace("shop").Watch(t.Context(), metav1.ListOptions{
		FieldSelector: "metadata.name=mine", SendInitialEvents: &all, AllowWatchBookmarks: true, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Stop()
	select {
	case e := <-stream.ResultChan():
		if o, is := e.Object.(*metav1.PartialObjectMetadata); !is || o.Name != "mine" {
			t.Errorf("the first event is %v", e)
		}
	case <-time.After(soon):
		t.Error("no event")
	}
}
